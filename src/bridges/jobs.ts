import { unreachable } from '../lib/assert.ts'
import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'
import { newsOnly } from '../lib/news.ts'
import { LndError } from '../lib/nodes/lnd-grpc-client.ts'
import { NodeUnreachable } from '../lib/nodes/post-client.ts'
import { RpcError } from '../lib/nodes/rpc-error.ts'
import { ThunderError } from '../lib/nodes/thunder-client.ts'
import type { Bridge } from './bridge.ts'
import { type FloatRule, refill } from './float.ts'
import { followWithdrawals, type WithdrawalParts } from './withdrawal-bridge.ts'

const FOLLOW_EVERY_MS = 30_000
const REFILL_EVERY_MS = 60_000

export type BridgeJobsParts = {
  readonly bridge: Bridge
  /** When the float there is filled by itself; null is never. */
  readonly rule: FloatRule | null
  /** Why nothing is moved now, or null. */
  readonly stopped: () => Promise<string | null>
  readonly log: Log
}

/**
 * Follows what is on its way, and plans a move where the float at the far end is too small. What is
 * planned waits for approvals like any batch; run twice or at once it plans one.
 */
export function bridgeJobs(parts: BridgeJobsParts): readonly Job[] {
  const { bridge } = parts
  const news = newsOnly(parts.log)('refill')
  return [
    {
      name: `follow-${bridge.name}`,
      everyMs: FOLLOW_EVERY_MS,
      run: () => orLogged(parts, bridge.name, bridge.follow),
    },
    {
      name: `refill-${bridge.name}`,
      everyMs: REFILL_EVERY_MS,
      run: () => orLogged(parts, bridge.name, () => fill(parts, news)),
    },
  ]
}

/** Follows what comes back from Thunder; apart, since what goes there may wait for other nodes. */
export function withdrawalJob(parts: WithdrawalParts): Job {
  return {
    name: 'follow-withdrawals',
    everyMs: FOLLOW_EVERY_MS,
    run: () => orLogged(parts, 'withdrawals', () => followWithdrawals(parts)),
  }
}

/** A node that is away, or has not caught up, is asked again the next time. */
async function orLogged(
  { log }: { readonly log: Log },
  bridge: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isTrouble(error)) throw error
    log.warn({ bridge, reason: error.message }, 'the bridge waits for a node')
  }
}

function isTrouble(error: unknown): error is Error {
  return [NodeUnreachable, RpcError, ThunderError, LndError].some(kind => error instanceof kind)
}

/** @param log told of the same thing once */
async function fill({ bridge, rule, stopped }: BridgeJobsParts, log: Log): Promise<void> {
  if (rule === null || (await stopped()) !== null) return
  const verdict = refill(await bridge.need(), rule)
  const of = { bridge: bridge.name }
  switch (verdict.kind) {
    case 'enough':
      return log.info(of, 'the float is enough')
    case 'waits':
      return log.warn({ ...of, reason: verdict.reason }, 'nothing moved')
    case 'fill': {
      const amountSats = String(verdict.amount)
      const outcome = await bridge.fill(verdict.amount)
      if (outcome.kind === 'planned')
        return log.info({ ...of, amountSats, batch: String(outcome.batch) }, 'move planned')
      return log.warn({ ...of, amountSats, reason: outcome.reason }, 'nothing moved')
    }
    default:
      return unreachable(verdict)
  }
}
