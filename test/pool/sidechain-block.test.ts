import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { arrangeBlock, readMessage, requestScript } from '../../src/bmm/index.ts'
import { sha256d } from '../../src/lib/bitcoin/hash.ts'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { coinbaseOfBlock, parseCoinbase } from '../../src/lib/bitcoin/tx.ts'
import { bigintFromLe, fromHex, toHex } from '../../src/lib/bytes.ts'
import { blockHash, unixMs } from '../../src/lib/ids.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { type BitcoindClient, bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { type Arrange, arrangeTemplate } from '../../src/pool/arrangement.ts'
import { readCoinbase } from '../../src/pool/coinbase.ts'
import { assembleBlock, headerOf, type Job, jobTime } from '../../src/pool/job.ts'
import { createJobMaker } from '../../src/pool/live-jobs.ts'
import { readTemplate } from '../../src/pool/template.ts'
import { complaintOf } from '../bmm/judge.ts'
import { NOP5 } from '../bmm/mempool.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

let node: TestNode
let client: BitcoindClient
const PARTS = { tag: '/test/', payScript: fromHex(`0014${'77'.repeat(20)}`) }
const SIDE_BLOCK = 'ab'.repeat(32)
const NONCES_MAX = 10_000
const NOW = unixMs(1_700_000_000_000)

beforeAll(async () => {
  node = await testNode()
  client = bitcoindClient(connectNode(node.rpc))
  await node.cli('createwallet', 'bidder')
  await node.mine(110, await node.cliText('getnewaddress'))
})
afterAll(() => node.remove())

const funded = z.object({ hex: z.string() })
const signed = z.object({ hex: z.string(), complete: z.literal(true) })

/** A bid for the next block, in the node's mempool; returns its txid. */
async function placeBid(slot: number, feeRate: number, previous?: string): Promise<string> {
  const tip = blockHash(previous ?? (await node.cliText('getbestblockhash')))
  const script = toHex(requestScript({ slot, sideBlock: SIDE_BLOCK, previousBlock: tip }))
  // The node makes the output for data from what follows the push.
  const data = script.slice(4)
  const raw = await node.cliText('createrawtransaction', [], [{ data }])
  const options = { fee_rate: feeRate, changePosition: 1 }
  const { hex } = funded.parse(await node.cli('fundrawtransaction', raw, options))
  const whole = signed.parse(await node.cli('signrawtransactionwithwallet', hex))
  return node.cliText('sendrawtransaction', whole.hex)
}

async function nextJob(bytesMax: number): Promise<Job> {
  const terms = { opcode: NOP5, treasuryCoins: new Set<string>(), own: null, ownTransactions: [] }
  const arrange: Arrange = template => ({ ...arrangeBlock(template, terms), append: [] })
  const reply = arrangeTemplate(await client.getBlockTemplate(), arrange, { ...PARTS, bytesMax })
  const outcome = readTemplate(reply, 'regtest')
  if (outcome.kind !== 'template') throw new Error(outcome.detail)
  return createJobMaker({ run: 1n, ...PARTS })(outcome.template, NOW)
}

/** Mines a job, submits its block, and gives it back as the node has it. */
async function mineBlock(job: Job): Promise<Uint8Array> {
  const rest = { extranonce1: Uint8Array.of(9, 8, 7, 6), extranonce2: new Uint8Array(8) }
  for (let nonce = 0; nonce < NONCES_MAX; nonce++) {
    const choice = { ...rest, version: job.template.version, nonce, time: jobTime(job) }
    const header = headerOf(job, choice)
    if (bigintFromLe(sha256d(header)) > job.template.target) continue
    expect(await client.submitBlock(assembleBlock(job, choice))).toBeNull()
    const block = await client.getBlock(blockHash(headerHash(header)))
    if (!block) throw new Error('the node has no such block')
    return block
  }
  throw new Error('no nonce meets the target')
}

const STATE = {
  ...{ opcode: NOP5, active: new Set([1, 2, 9]), treasuries: new Map(), ready: new Set<string>() },
  pending: new Map(),
}

async function txidsIn(block: Uint8Array): Promise<readonly string[]> {
  const hash = headerHash(block.subarray(0, 80))
  const { tx } = z.object({ tx: z.array(z.string()) }).parse(await node.cli('getblock', hash))
  return tx.slice(1)
}

function slotsOf(block: Uint8Array): readonly number[] {
  const outputs = parseCoinbase(coinbaseOfBlock(block) ?? new Uint8Array())?.outputs ?? []
  return outputs
    .map(({ script }) => readMessage(script))
    .flatMap(message => (message?.kind === 'M7' ? [message.slot] : []))
}

test('a block with the best bids is taken by a real node, and would be by an enforcer', async () => {
  const stale = await placeBid(9, 50, '00'.repeat(31).concat('01'))
  const low = await placeBid(9, 10)
  const high = await placeBid(9, 30)
  const other = await placeBid(1, 5)
  const block = await mineBlock(await nextJob(500))
  expect(slotsOf(block)).toEqual([9, 1])
  const txids = await txidsIn(block)
  // The wallet may chain its coins; whatever spends a loser is out with it.
  expect(txids).not.toContain(stale)
  expect(txids.filter(each => [low, high].includes(each))).toHaveLength(1)
  expect(complaintOf(block, STATE)).toBeNull()
  expect(readCoinbase(coinbaseOfBlock(block) ?? block, PARTS.payScript)).toMatchObject({
    kind: 'ours',
    extranonce1: Uint8Array.of(9, 8, 7, 6),
  })
  expect(txids).toContain(other)
})

test('one whose coinbase has no room for a bid is taken without it', async () => {
  const txid = await placeBid(2, 20)
  const block = await mineBlock(await nextJob(200))
  expect(slotsOf(block)).toEqual([])
  expect(await txidsIn(block)).not.toContain(txid)
  expect(complaintOf(block, STATE)).toBeNull()
})
