import { unreachable } from '../lib/assert.ts'
import type { UnixMs } from '../lib/ids.ts'
import { unixMs } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'

/** How often a scheme pays, counted from the planning of an account's last payout. */
export type Interval =
  | { readonly kind: 'blocks'; readonly blocks: number }
  | { readonly kind: 'minutes'; readonly minutes: number }

/** What a port promises, as far as paying goes. */
export type Scheme = {
  readonly name: string
  readonly rewardPool: string
  readonly interval: Interval
  /** By preference: an account is paid on the first that can pay its destination. */
  readonly rails: readonly string[]
  readonly minimum: Sats
  readonly feeBasisPoints: number
  /** Who bears the network's fee; a payee's part is fixed when its payout is planned. */
  readonly feePaidBy: 'pool' | 'payees'
}

/** An instant on both of the pool's clocks. */
export type Moment = { readonly height: number; readonly at: UnixMs }

/** When an account may be paid next, on its scheme's clock. */
export type NextPayment =
  | { readonly kind: 'height'; readonly height: number }
  | { readonly kind: 'time'; readonly at: UnixMs }

const MS_A_MINUTE = 60_000

/**
 * When an interval is over.
 *
 * @param since the planning of the account's last unreleased payout, or else its first credit
 */
export function nextPayment(interval: Interval, since: Moment): NextPayment {
  switch (interval.kind) {
    case 'blocks':
      return { kind: 'height', height: since.height + interval.blocks }
    case 'minutes':
      return { kind: 'time', at: unixMs(since.at + interval.minutes * MS_A_MINUTE) }
    default:
      return unreachable(interval)
  }
}

/** Whether that instant has come. */
export function isOver(next: NextPayment, now: Moment): boolean {
  switch (next.kind) {
    case 'height':
      return now.height >= next.height
    case 'time':
      return now.at >= next.at
    default:
      return unreachable(next)
  }
}
