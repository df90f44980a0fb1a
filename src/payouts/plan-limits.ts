import {
  type LimitRefusal,
  largestSpend,
  type Manifest,
  type SpendPolicy,
  type Spent,
} from '../approval/index.ts'
import { sats } from '../lib/money.ts'

/** What planning needs of the rules by which money leaves. */
export type SpendRules = Pick<SpendPolicy, 'version' | 'limits' | 'allowList'>

/** Nothing left in the last 24 hours. */
export const NOTHING_SPENT: Spent = {
  day: sats(0n),
  autoDay: sats(0n),
  byDestination: new Map(),
}

/** A batch with one payout more in it. */
export type Growth = {
  readonly destination: string
  /** What this batch would then pay to that destination. */
  readonly toDestination: bigint
  /** What the whole batch would then cost at most. */
  readonly spend: bigint
}

/** Whether a limit counts what earlier batches of the day spent. */
export function limitsNeedSpent({ limits }: Pick<SpendRules, 'limits'>): boolean {
  return limits.perDay !== null || limits.perDestinationPerDay !== null
}

/**
 * Which ceiling a growing batch would break, or null: what treasury's `limitRefusal` says of whole
 * batches. Whether a batch is full is asked last, so that its answer means that a batch of the
 * payout's own might do.
 */
export function growthRefusal(
  { limits, allowList }: SpendRules,
  spent: Spent,
  { destination, toDestination, spend }: Growth,
): LimitRefusal | null {
  if (allowList !== null && !allowList.has(destination)) return { kind: 'not allowed', destination }
  const { perDestinationPerDay, perDay, perBatch } = limits
  const earlier = spent.byDestination.get(destination) ?? 0n
  if (perDestinationPerDay !== null && earlier + toDestination > perDestinationPerDay)
    return { kind: 'per destination', destination, limit: perDestinationPerDay }
  if (perDay !== null && spent.day + spend > perDay)
    return { kind: 'per day', limit: perDay, would: sats(spent.day + spend) }
  if (perBatch !== null && spend > perBatch)
    return { kind: 'per batch', limit: perBatch, would: sats(spend) }
  return null
}

/** What the day has spent after one more batch, as far as the rules count it. */
export function spentWith(rules: SpendRules, spent: Spent, manifest: Manifest): Spent {
  if (!limitsNeedSpent(rules)) return spent
  const byDestination = new Map(spent.byDestination)
  for (const { destination, amount } of manifest.payees)
    byDestination.set(destination, sats((byDestination.get(destination) ?? 0n) + amount))
  return { ...spent, day: sats(spent.day + largestSpend(manifest)), byDestination }
}
