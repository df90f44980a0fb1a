import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { parseAddress } from '../../src/lib/bitcoin/address.ts'
import { sha256d } from '../../src/lib/bitcoin/hash.ts'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { coinbaseOfBlock } from '../../src/lib/bitcoin/tx.ts'
import { bigintFromLe } from '../../src/lib/bytes.ts'
import { blockHash, unixMs } from '../../src/lib/ids.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { type BitcoindClient, bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { readCoinbase } from '../../src/pool/coinbase.ts'
import { emptyTemplateOn } from '../../src/pool/empty-template.ts'
import {
  assembleBlock,
  type HeaderChoice,
  headerOf,
  type Job,
  jobTime,
} from '../../src/pool/job.ts'
import { createJobMaker } from '../../src/pool/live-jobs.ts'
import { readTemplate, type Template } from '../../src/pool/template.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

let node: TestNode
let client: BitcoindClient
let payScript: Uint8Array
const NOW = unixMs(1_700_000_000_000)
const NONCES_MAX = 10_000

beforeAll(async () => {
  node = await testNode()
  client = bitcoindClient(connectNode(node.rpc))
  await node.cli('createwallet', 'miner')
  // Beyond height 150 regtest has halved its subsidy once.
  await node.mine(150, await node.cliText('getnewaddress', '', 'bech32'))
  const ours = await node.cliText('getnewaddress', '', 'bech32m')
  const address = parseAddress(ours, 'regtest')
  if (address.kind !== 'address') throw new Error(`the node gave ${ours}`)
  payScript = address.script
})
afterAll(() => node.remove())

async function currentTemplate(): Promise<Template> {
  const outcome = readTemplate(await client.getBlockTemplate(), 'regtest')
  if (outcome.kind !== 'template') throw new Error(outcome.detail)
  return outcome.template
}

const makeJob = (template: Template): Job =>
  createJobMaker({ run: 1n, tag: '/sidepool/', payScript })(template, NOW)

/** Tries nonces until the hash meets the target, which on regtest every other one does. */
function mine(job: Job, version: number): HeaderChoice {
  const extranonce1 = Uint8Array.of(9, 8, 7, 6)
  const extranonce2 = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  for (let nonce = 0; nonce < NONCES_MAX; nonce++) {
    const choice = { extranonce1, extranonce2, version, nonce, time: jobTime(job) }
    if (bigintFromLe(sha256d(headerOf(job, choice))) <= job.template.target) return choice
  }
  throw new Error('no nonce meets the target')
}

const blockInfo = z.object({ tx: z.array(z.string()), confirmations: z.number() })

describe('a block that is mined on a job', () => {
  for (const count of [0, 1, 2, 5])
    test(`with ${count} transactions is accepted by the node`, async () => {
      const txids: string[] = []
      for (let i = 0; i < count; i++) {
        const address = await node.cliText('getnewaddress', '', i % 2 ? 'legacy' : 'bech32m')
        txids.push(await node.cliText('sendtoaddress', address, '0.01'))
      }
      const template = await currentTemplate()
      expect(template.transactions).toHaveLength(count)
      const job = makeJob(template)
      const choice = mine(job, template.version)
      expect(await client.submitBlock(assembleBlock(job, choice))).toBeNull()

      const hash = headerHash(headerOf(job, choice))
      expect(await node.cliText('getbestblockhash')).toBe(hash)
      const { tx } = blockInfo.parse(await node.cli('getblock', hash))
      expect(new Set(tx.slice(1))).toEqual(new Set(txids))
    })

  test('without transactions is accepted on a tip whose template was never asked for', async () => {
    const before = await currentTemplate()
    const [tip] = await node.mine(1)
    await node.cliText('sendtoaddress', await node.cliText('getnewaddress'), '0.01')
    const header = await client.getBlockHeader(blockHash(tip ?? ''))
    const now = unixMs(Date.now())
    const empty = header && emptyTemplateOn(header, before, { network: 'regtest', now })
    if (!empty) throw new Error('no work on the new tip')
    const job = makeJob(empty)
    const block = assembleBlock(job, mine(job, empty.version))
    expect(await client.submitBlock(block)).toBeNull()
    const { tx } = blockInfo.parse(
      await node.cli('getblock', await node.cliText('getbestblockhash')),
    )
    expect(tx).toHaveLength(1)
  })

  test('with every allowed version bit rolled is accepted too', async () => {
    const template = await currentTemplate()
    const job = makeJob(template)
    const choice = mine(job, (template.version | job.versionMask) >>> 0)
    expect(await client.submitBlock(assembleBlock(job, choice))).toBeNull()
  })

  test('is refused when it claims a satoshi more, and when its target is missed', async () => {
    const template = await currentTemplate()
    const greedy = makeJob({ ...template, value: template.value })
    const last = greedy.coinbase2.slice()
    last[5] = (last[5] ?? 0) + 1
    const job = { ...greedy, coinbase2: last }
    const answer = await client.submitBlock(assembleBlock(job, mine(job, template.version)))
    expect(answer).toBe('bad-cb-amount')
    const easy = { ...greedy, template: { ...template, target: 2n ** 256n - 1n } }
    let choice = mine(easy, template.version)
    while (bigintFromLe(sha256d(headerOf(easy, choice))) <= template.target)
      choice = { ...choice, nonce: choice.nonce + 1 }
    expect(await client.submitBlock(assembleBlock(easy, choice))).toBe('high-hash')
  })

  test('names its finder on the chain, and is off it when it is invalidated', async () => {
    const template = await currentTemplate()
    const job = makeJob(template)
    const choice = mine(job, template.version)
    await client.submitBlock(assembleBlock(job, choice))
    const hash = blockHash(headerHash(headerOf(job, choice)))
    const raw = await client.getBlock(hash)
    const coinbase = raw && coinbaseOfBlock(raw)
    expect(coinbase && readCoinbase(coinbase, payScript)).toMatchObject({
      kind: 'ours',
      height: template.height,
      extranonce1: choice.extranonce1,
      extranonce2: choice.extranonce2,
      value: template.value,
    })
    expect(await client.getBlockHeader(hash)).toMatchObject({ confirmations: 1 })
    await node.cli('invalidateblock', hash)
    expect(await client.getBlockHeader(hash)).toMatchObject({ confirmations: -1 })
    expect((await currentTemplate()).previousBlock).toBe(template.previousBlock)
  })
})
