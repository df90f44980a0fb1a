import type { EpochId, UnixMs } from '../lib/ids.ts'
import { unixMs } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import type { WorkStatement } from '../statement/index.ts'

/** What the next block must meet and what it brings: the same in the whole of an epoch. */
export type NetworkTerms = {
  /** A block's hash is at most this. */
  readonly blockTarget: bigint
  readonly subsidy: Sats
}

/** The one epoch that takes shares now. */
export type OpenEpoch = NetworkTerms & { readonly id: EpochId; readonly openedAt: UnixMs }

/** Why an epoch closed; the words stand in statements. */
export type CloseReason = WorkStatement['closeReason']

/** What speaks for closing an epoch. */
export type EpochSigns = {
  readonly now: UnixMs
  /** How long an epoch lasts when nothing else closes it. */
  readonly lengthMs: number
  /** Blocks of ours that belong to it. */
  readonly blocks: number
  /** Terms of the next block; null when the node does not say, and then they are no reason. */
  readonly terms: NetworkTerms | null
}

/**
 * Whether an epoch closes, and why. Of several reasons the one is named that explains most: a
 * block of ours, then another target, then another subsidy, then time.
 *
 * @returns null when it stays open
 */
export function reasonToClose(epoch: OpenEpoch, signs: EpochSigns): CloseReason | null {
  const { now, lengthMs, blocks, terms } = signs
  if (blocks > 0) return 'block'
  if (terms !== null && terms.blockTarget !== epoch.blockTarget) return 'target'
  if (terms !== null && terms.subsidy !== epoch.subsidy) return 'subsidy'
  return now - epoch.openedAt >= lengthMs ? 'time' : null
}

/** When an epoch that closes now has closed: never before it opened, whatever the clock does. */
export function closingTime(epoch: OpenEpoch, now: UnixMs): UnixMs {
  return unixMs(Math.max(now, epoch.openedAt))
}
