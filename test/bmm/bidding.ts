import { expect } from 'vitest'
import { z } from 'zod'
import { type ArrangementTerms, arrangeBlock, requestScript } from '../../src/bmm/index.ts'
import { sha256d } from '../../src/lib/bitcoin/hash.ts'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { bigintFromLe, fromHex, toHex } from '../../src/lib/bytes.ts'
import { blockHash, unixMs } from '../../src/lib/ids.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { type Arrange, arrangeTemplate } from '../../src/pool/arrangement.ts'
import { assembleBlock, headerOf, type Job, jobTime } from '../../src/pool/job.ts'
import { createJobMaker } from '../../src/pool/live-jobs.ts'
import { readTemplate, type Work } from '../../src/pool/template.ts'
import type { NodeCalls } from '../support/bitcoind.ts'
import { NOP5 } from './mempool.ts'

/** Who pays our blocks, and with what tag. */
export const PARTS = { tag: '/test/', payScript: fromHex(`0014${'77'.repeat(20)}`), finderBytes: 0 }
export const SIDE_BLOCK = 'ab'.repeat(32)
const NONCES_MAX = 10_000
const NOW = unixMs(1_700_000_000_000)
const TERMS: ArrangementTerms = {
  ...{
    opcode: NOP5,
    treasuryCoins: new Set(),
    own: null,
    failingBundles: new Set(),
    ownTransactions: [],
  },
}

const funded = z.object({ hex: z.string() })
const signed = z.object({ hex: z.string(), complete: z.literal(true) })

/** A bid for the next block, in the node's mempool; returns its txid. */
export async function placeBid(
  node: NodeCalls,
  { slot, feeRate, previous }: { slot: number; feeRate: number; previous?: string },
): Promise<string> {
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

/** The job on a template. */
export function jobOn(template: Work): Job {
  return createJobMaker({ run: 1n, ...PARTS })(template, NOW)
}

/** The job that we would hand out now. */
export async function nextJob(
  node: NodeCalls,
  bytesMax: number,
  terms: Partial<ArrangementTerms> = {},
): Promise<Job> {
  const arrange: Arrange = template => ({
    ...arrangeBlock(template, { ...TERMS, ...terms }),
    append: [],
  })
  const given = await bitcoindClient(connectNode(node.rpc)).getBlockTemplate()
  const outcome = readTemplate(arrangeTemplate(given, arrange, { ...PARTS, bytesMax }), 'regtest')
  if (outcome.kind !== 'template') throw new Error(outcome.detail)
  return jobOn(outcome.template)
}

/** In each coinbase, or a block could be the very one that a test has undone. */
let mined = 0

/** Mines a job, submits its block, and gives it back as the node has it. */
export async function mineJob(node: NodeCalls, job: Job): Promise<Uint8Array> {
  const client = bitcoindClient(connectNode(node.rpc))
  const extranonce2 = new Uint8Array(8)
  new DataView(extranonce2.buffer).setUint32(0, mined++)
  const rest = { extranonce1: Uint8Array.of(9, 8, 7, 6), extranonce2 }
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
