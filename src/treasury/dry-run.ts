import {
  type AutoBand,
  allowingOwn,
  approvalsNeeded,
  isWithinAuto,
  type LimitRefusal,
  largestSpend,
  limitRefusal,
  type Manifest,
  type SpendPolicy,
  type Spent,
} from '../approval/index.ts'
import type { BatchId, UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { type RulesText, spendRules } from './rules.ts'

const DAY_MS = 86_400_000

/** A batch as it was, for rules to be tried on. */
export type PastBatch = {
  readonly manifest: Manifest
  /** The people who approved it, by alias; the pool is none of them. */
  readonly approvers: readonly string[]
  /** When its money came back; null where it left, or still may. */
  readonly releasedAt: UnixMs | null
}

/** Rules that no key stands behind yet. */
export type RulesToTry = Pick<SpendPolicy, 'bands' | 'limits' | 'allowList'> & {
  readonly auto: Omit<AutoBand, 'poolKey'> | null
}

/** What the rules would have said of a batch. */
export type DryRunLine = {
  readonly batch: BatchId
  readonly createdAt: UnixMs
  /** What it could have cost at most. */
  readonly spend: Sats
  readonly verdict:
    | { readonly kind: 'refused'; readonly why: LimitRefusal }
    /** The pool's own key would have been enough. */
    | { readonly kind: 'pool' }
    | {
        readonly kind: 'people'
        readonly needed: number
        /** Those of its approvers who count. */
        readonly approvers: readonly string[]
        readonly isEnough: boolean
      }
}

export function rulesToTry(text: RulesText): RulesToTry {
  const { auto } = text
  const { bands, limits, allowList } = spendRules(text, null)
  const band = auto === null ? null : { perBatch: auto.perBatchSats, perDay: auto.perDaySats }
  return { bands, limits, allowList, auto: band }
}

/**
 * What rules would have done to batches of the past, each at the time it was planned. Whatever they
 * would have refused takes no part of a later batch's day; the batches themselves stay as they
 * were, although planning by other rules would have made others.
 *
 * @param batches the oldest first
 */
export function dryRun(rules: RulesToTry, batches: readonly PastBatch[]): readonly DryRunLine[] {
  let counted: readonly Counted[] = []
  return batches.map(batch => {
    const { manifest } = batch
    const at = manifest.createdAt
    counted = counted.filter(
      ({ past }) =>
        past.manifest.createdAt > at - DAY_MS && (past.releasedAt === null || past.releasedAt > at),
    )
    const verdict = verdictOn(rules, batch, spentOf(counted))
    if (verdict.kind !== 'refused')
      counted = [...counted, { past: batch, isAuto: verdict.kind === 'pool' }]
    return { batch: manifest.batch, createdAt: at, spend: largestSpend(manifest), verdict }
  })
}

type Counted = { readonly past: PastBatch; readonly isAuto: boolean }

function verdictOn(rules: RulesToTry, batch: PastBatch, spent: Spent): DryRunLine['verdict'] {
  const { manifest } = batch
  const why = limitRefusal(allowingOwn(rules, manifest), manifest, spent)
  if (why !== null) return { kind: 'refused', why }
  if (isWithinAuto(rules, manifest, spent)) return { kind: 'pool' }
  const needed = approvalsNeeded(rules, largestSpend(manifest))
  const approvers = batch.approvers.filter(alias => !manifest.excluded.includes(alias))
  return { kind: 'people', needed, approvers, isEnough: approvers.length >= needed }
}

function spentOf(counted: readonly Counted[]): Spent {
  const sum = (some: readonly Counted[]) =>
    sats(some.reduce((total, { past }) => total + largestSpend(past.manifest), 0n))
  const byDestination = new Map<string, Sats>()
  for (const { past } of counted)
    for (const { destination, amount } of past.manifest.payees)
      byDestination.set(destination, sats((byDestination.get(destination) ?? 0n) + amount))
  return { day: sum(counted), autoDay: sum(counted.filter(({ isAuto }) => isAuto)), byDestination }
}
