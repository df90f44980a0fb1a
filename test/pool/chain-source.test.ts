import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type BlockHash, blockHash, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { judgeBlocks } from '../../src/pool/block-store.ts'
import { type ChainNode, followChain, readNetworkTerms } from '../../src/pool/chain-source.ts'
import { openFirstEpoch } from '../../src/pool/epoch-store.ts'
import { readTop } from '../../src/pool/tip-store.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addBlock, addMiner, type Miner } from './mining-rows.ts'

const NOW = unixMs(5000)
const here = { network: 'regtest', now: NOW } as const
/** Two scripts that nobody cares for: the same parent with each gives another block. */
const ONE = 'raw(51)'
const OTHER = 'raw(52)'

let node: TestNode
let client: ReturnType<typeof bitcoindClient>
let database: TestDatabase
let miner: Miner
const opened: TestDatabase[] = []

beforeAll(async () => {
  node = await testNode()
  client = bitcoindClient(connectNode(node.rpc))
  await node.mine(20)
})

beforeEach(async () => {
  database = await testDatabase()
  opened.push(database)
  miner = await addMiner(database.db, 1)
  await openFirstEpoch(database.db, { blockTarget: 2n ** 255n, subsidy: sats(1n) }, NOW)
})

afterAll(async () => {
  await node.remove()
  for (const each of opened) await each.drop()
})

async function mine(count: number, descriptor: string): Promise<BlockHash[]> {
  const reply = await node.cli('generatetodescriptor', count, descriptor)
  if (!Array.isArray(reply)) throw new Error('no blocks')
  return reply.map(hash => blockHash(String(hash)))
}

const height = async () => (await client.getBlockchainInfo()).blocks
const follow = (from: ChainNode = client) => followChain(database.db, from, here)
const judge = (orphanDepth = 1) => judgeBlocks(database.db, orphanDepth, NOW)

/** Mines a block and books it as ours. */
async function mineOurs(descriptor = ONE): Promise<{ hash: BlockHash; height: number }> {
  const [hash] = await mine(1, descriptor)
  if (!hash) throw new Error('no block')
  const block = { hash, height: await height() }
  await addBlock(database.db, miner, block)
  return block
}

async function tips(): Promise<string[]> {
  const rows = await database.db.selectFrom('tips').select('hash').orderBy('height').execute()
  return rows.map(row => row.hash)
}

async function fates(): Promise<string[]> {
  const rows = await database.db.selectFrom('block_fates').selectAll().orderBy('id').execute()
  return rows.map(row => `${row.seq} ${row.fate}`)
}

test('the first look takes the last blocks, and each one after that what is new', async () => {
  expect(await follow()).toEqual({ kind: 'at tip' })
  const first = await tips()
  expect(first).toHaveLength(12)
  expect(first.at(-1)).toBe((await client.getBlockchainInfo()).bestBlock)
  const added = await mine(3, ONE)
  expect(await follow()).toEqual({ kind: 'at tip' })
  expect(await tips()).toEqual([...first, ...added])
  expect(await follow()).toEqual({ kind: 'at tip' })
  expect(await tips()).toEqual([...first, ...added])
})

test('two processes that follow at once write the chain once', async () => {
  await follow()
  const before = await tips()
  const added = await mine(2, ONE)
  const outcomes = await Promise.all([follow(), follow(), follow()])
  expect(outcomes.map(outcome => outcome.kind)).toContain('at tip')
  expect(await tips()).toEqual([...before, ...added])
})

test('after a long pause the chain is taken in steps', async () => {
  await follow()
  await mine(501, ONE)
  expect(await follow()).toEqual({ kind: 'go on' })
  expect(await follow()).toEqual({ kind: 'at tip' })
  expect((await readTop(database.db))?.hash).toBe((await client.getBlockchainInfo()).bestBlock)
})

test('a block of ours is found, and mature with its 101st confirmation, not before', async () => {
  await follow()
  await mineOurs()
  await follow()
  expect(await judge()).toHaveLength(1)
  expect(await judge()).toEqual([])
  await mine(99, ONE)
  await follow()
  await judge()
  expect(await fates()).toEqual(['1 found'])
  await mine(1, ONE)
  await follow()
  await judge()
  await judge()
  expect(await fates()).toEqual(['1 found', '2 mature'])
})

test('a block of ours that was replaced is orphaned, and found again if it returns', async () => {
  await follow()
  const ours = await mineOurs(ONE)
  await follow()
  await judge()
  await node.cli('invalidateblock', ours.hash)
  await follow()
  await judge()
  expect(await fates(), 'a chain that only became shorter').toEqual(['1 found'])
  const [rival] = await mine(1, OTHER)
  await follow()
  await judge()
  expect((await readTop(database.db))?.hash).toBe(rival)
  expect(await fates(), 'replaced, but not deep enough').toEqual(['1 found'])
  await mine(1, OTHER)
  await follow()
  await judge()
  expect(await fates()).toEqual(['1 found', '2 orphaned'])

  await node.cli('reconsiderblock', ours.hash)
  await node.cli('invalidateblock', rival)
  expect((await client.getBlockchainInfo()).bestBlock).toBe(ours.hash)
  await follow()
  await judge()
  expect(await fates()).toEqual(['1 found', '2 orphaned', '3 found'])
  await node.cli('reconsiderblock', rival)
})

test('with a greater depth a block is orphaned so many blocks later', async () => {
  await follow()
  const ours = await mineOurs(ONE)
  await node.cli('invalidateblock', ours.hash)
  await mine(6, OTHER)
  await follow()
  await judge(6)
  expect(await fates()).toEqual(['1 found'])
  await mine(1, OTHER)
  await follow()
  await judge(6)
  expect(await fates()).toEqual(['1 found', '2 orphaned'])
})

test('a node that has forgotten blocks changes nothing', async () => {
  await follow()
  await mineOurs()
  await follow()
  await judge()
  const before = await tips()
  const forgetful = await testNode()
  try {
    const other = bitcoindClient(connectNode(forgetful.rpc))
    for (let at = 1; at < (await height()) - 3; at++) {
      const block = await client.getBlock((await client.getBlockHash(at)) ?? blockHash(''))
      if (!block) throw new Error('no block')
      await other.submitBlock(block)
    }
    expect(await follow(other)).toEqual({
      kind: 'waits',
      reason: 'the node has fewer blocks than before',
    })
    await judge()
    expect(await tips()).toEqual(before)
    expect(await fates()).toEqual(['1 found'])
  } finally {
    await forgetful.remove()
  }
})

test('a node on another chain or another network is not followed', async () => {
  await follow()
  const before = await tips()
  const stranger = await testNode()
  try {
    await stranger.mine((await height()) + 1, undefined)
    const other = bitcoindClient(connectNode(stranger.rpc))
    await expect(follow(other)).rejects.toThrow(/another chain/)
    await node.mine(1)
    const signet = { network: 'signet', now: NOW } as const
    expect(await followChain(database.db, client, signet)).toEqual({
      kind: 'waits',
      reason: 'the node is on regtest',
    })
    expect(await tips()).toEqual(before)
  } finally {
    await stranger.remove()
  }
})

test('the terms of the next block are those of the node', async () => {
  const terms = await readNetworkTerms(client, 'regtest')
  const halvings = BigInt(Math.floor(((await height()) + 1) / 150))
  expect(terms?.subsidy).toBe(5_000_000_000n >> halvings)
  expect(terms?.blockTarget.toString(16)).toMatch(/^7fffff0+$/)
})
