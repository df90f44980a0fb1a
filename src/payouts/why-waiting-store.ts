import type { Kysely } from 'kysely'
import type { Spent } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import type { AccountId } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import { candidatesAmong } from './candidate-store.ts'
import { heldDestinations } from './held-store.ts'
import { momentOf } from './next-payment-store.ts'
import { growthRefusal, limitsNeedSpent, NOTHING_SPENT, type SpendRules } from './plan-limits.ts'
import type { Scheme } from './scheme.ts'
import { spentInLastDay } from './spent-store.ts'
import {
  type Candidate,
  type Circumstances,
  payableAtOnce,
  type RailRules,
  type Waiting,
  waitingReason,
  wayOf,
} from './waiting.ts'

/** What the next payment of an account waits for is judged by. */
export type WaitingParts = {
  readonly schemes: readonly Scheme[]
  readonly rails: readonly RailRules[]
  readonly rules: SpendRules
  readonly clock: Clock
  /** Why a rail moves nothing now, or null. */
  readonly frozen: (rail: string) => Promise<string | null>
  /** Expected fee rates by rail, where they are known; what is not known keeps nobody waiting. */
  readonly feeRates: ReadonlyMap<string, Sats>
}

/**
 * Why each of some accounts has not been paid yet, as the planner would say it now.
 *
 * @returns no entry for an account without a credit, or of a scheme that is no longer offered, and
 *   none at all before the first tip is known
 */
export async function whyWaiting(
  db: Kysely<Database>,
  parts: WaitingParts,
  accounts: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, Waiting>> {
  const { schemes, rails, rules, clock, feeRates } = parts
  const now = await momentOf(db, clock.now())
  if (now === null) return new Map()
  const frozen = new Map<string, string>()
  for (const { name } of rails) {
    const reason = await parts.frozen(name)
    if (reason !== null) frozen.set(name, reason)
  }
  const candidates = await candidatesAmong(db, schemes, now, accounts)
  const spent = limitsNeedSpent(rules) ? await spentInLastDay(db, now.at, null) : NOTHING_SPENT
  const held = await heldDestinations(db, now.at)
  const around = { now, rails: rails.map(rail => ({ ...rail, held })), frozen, feeRates }
  return new Map(
    candidates.map(each => [each.account, reasonWithLimits(each, around, rules, spent)]),
  )
}

/** A limit that would refuse the account even if it were alone in the next batch. */
function reasonWithLimits(
  candidate: Candidate,
  around: Circumstances,
  rules: SpendRules,
  spent: Spent,
): Waiting {
  const reason = waitingReason(candidate, around)
  const way = wayOf(candidate, around.rails)
  if (reason.kind !== 'next plan' || way.kind === 'none') return reason
  const amount = way.exact ?? payableAtOnce(candidate.payable, way.most)
  const growth = { destination: way.destination, toDestination: amount, spend: amount }
  const why = growthRefusal(rules, spent, growth)
  return why === null ? reason : { kind: 'limit', why }
}
