import { z } from 'zod'
import { readRequest } from '../../../bmm/index.ts'
import type { DrivechainOpcode } from '../../../lib/bitcoin/drivechain.ts'
import { fromHex } from '../../../lib/bytes.ts'
import type { Log } from '../../../lib/log.ts'
import type { NodeFollower } from './follow-node.ts'
import { judgeMainTransaction } from './judge-transaction.ts'
import { type MainTransaction, readMainTransaction } from './main-block.ts'
import { satsOf } from './sats-of.ts'
import type { Candidate } from './template.ts'

/** Keeps what breaks the rules out of the node's blocks, as far as the real enforcer does. */
export type MempoolWatch = {
  /** Looks at the node's mempool now, after the chain. */
  readonly sync: () => Promise<void>
  /**
   * What the next block can have, as of now: the best paying first, but no transaction before its
   * parents. The node's own template would show what came in the last seconds too late.
   */
  readonly candidates: () => Promise<readonly Candidate[]>
  /** The enforcer's process starts again: every transaction is judged anew. */
  readonly restart: () => void
}

/**
 * A transaction is judged once, against the tip of that moment: so a deposit that was fine when it
 * came, and is not any more, stays in every template and spoils it. Only bids are judged again,
 * since each holds for one parent. What fails is not removed: the node is told a fee so low that it
 * never mines it.
 */
export function watchMempool(options: {
  readonly follower: NodeFollower
  readonly opcode: DrivechainOpcode
  readonly log: Log
}): MempoolWatch {
  const { follower, opcode, log } = options
  const seen = new Map<string, { readonly transaction: MainTransaction; readonly isBid: boolean }>()
  const lowered = new Set<string>()
  let judgedAt = ''

  async function judge(transaction: MainTransaction): Promise<void> {
    const { txid } = transaction
    const state = follower.tip()
    const context = { opcode, commitments: null, parent: state.tip }
    const verdict = judgeMainTransaction(state, transaction, context)
    if (verdict.kind === 'applied' || lowered.has(txid)) return
    lowered.add(txid)
    log.warn({ txid, reason: verdict.reason }, 'simulated enforcer: fee of a transaction lowered')
    await follower.call('prioritisetransaction', txid, 0, LOWERED_BY_SATS)
  }

  async function candidates(): Promise<readonly Candidate[]> {
    const entries = mempoolEntries.parse(await follower.call('getrawmempool', true))
    const left = new Map(
      Object.entries(entries).flatMap(([txid, { wtxid, weight, fees, depends }]) => {
        const transaction = seen.get(txid)?.transaction
        if (transaction === undefined || lowered.has(txid)) return []
        const candidate = { transaction, wtxid, weight, fee: satsOf(fees.base) }
        return [[txid, { candidate, depends }] as const]
      }),
    )
    return parentsFirst(left)
  }

  return {
    candidates,
    async sync() {
      const now = new Set(z.array(z.string()).parse(await follower.call('getrawmempool')))
      for (const txid of seen.keys()) if (!now.has(txid)) seen.delete(txid)
      const { tip } = follower.tip()
      const isNewTip = tip !== judgedAt
      judgedAt = tip
      for (const { transaction, isBid } of [...seen.values()])
        if (isNewTip && isBid) await judge(transaction)
      for (const txid of now) {
        if (seen.has(txid)) continue
        const hex = await follower.call('getrawtransaction', txid).catch(() => null)
        // It was mined or replaced since the list was made.
        if (typeof hex !== 'string') continue
        const transaction = readMainTransaction(fromHex(hex))
        const isBid = readRequest(transaction.outputs[0]?.script ?? new Uint8Array()) !== null
        seen.set(txid, { transaction, isBid })
        await judge(transaction)
      }
    },
    restart() {
      seen.clear()
    },
  }
}

const mempoolEntries = z.record(
  z.string(),
  z.object({
    wtxid: z.string(),
    weight: z.number(),
    fees: z.object({ base: z.number() }),
    depends: z.array(z.string()),
  }),
)

type Waiting = { readonly candidate: Candidate; readonly depends: readonly string[] }

function parentsFirst(waiting: ReadonlyMap<string, Waiting>): Candidate[] {
  const rate = ({ candidate: { fee, weight } }: Waiting) => Number(fee) / weight
  const taken = new Set<string>()
  const ordered: Candidate[] = []
  let weight = 0
  /** @returns whether it is in the block */
  function take(txid: string): boolean {
    if (taken.has(txid)) return true
    const one = waiting.get(txid)
    if (one === undefined || !one.depends.every(take)) return false
    if (weight + one.candidate.weight > WEIGHT_MAX) return false
    weight += one.candidate.weight
    taken.add(txid)
    ordered.push(one.candidate)
    return true
  }
  for (const [txid] of [...waiting].sort(([, a], [, b]) => rate(b) - rate(a))) take(txid)
  return ordered
}

/** Of all transactions; the rest of a block is for its header and coinbase. */
const WEIGHT_MAX = 3_990_000
/** All the bitcoin that there can be. */
const LOWERED_BY_SATS = -2_100_000_000_000_000
