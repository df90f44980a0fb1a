import type { UnixMs } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import type { OperatorKey } from '../treasury/index.ts'

/** On which rail a payee wants to be paid, where to, and from what amount on. */
export type RailSetting = {
  readonly rail: string
  /** In the rail's canonical spelling; null is the payee itself. */
  readonly destination: string | null
  /** Counts where it is above the scheme's minimum. */
  readonly minimum: Sats
}

/** How a payee wants to be paid. */
export type PayoutWishes = {
  /** By preference, each rail once; a rail that is not named is not used. */
  readonly rails: readonly RailSetting[]
  /** Nothing is planned while it holds. */
  readonly paused: boolean
  /** No payout is planned while the expected fee is above it; satoshis a thousand virtual bytes. */
  readonly feeRateMax: Sats | null
}

/** The wishes in force. A payee without any is paid on its scheme's rails, to itself. */
export type PayoutSettings = PayoutWishes & {
  /** From 1; each change takes the next. */
  readonly number: number
  /** Before it nothing is paid: a destination was changed not long ago. */
  readonly paysFrom: UnixMs
  /** The operator on whose word alone the destinations stand; null once the payee signed them. */
  readonly destinationsBy: OperatorKey | null
}
