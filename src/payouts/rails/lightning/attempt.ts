import { assert, unreachable } from '../../../lib/assert.ts'
import type { AttemptState } from '../../../lib/db/schema.ts'
import type { PaymentHash, UnixMs } from '../../../lib/ids.ts'
import { invoiceNamed } from '../../../lib/lightning/destination.ts'
import { TIME_LEFT_MS_MIN } from '../../../lib/lightning/invoice.ts'
import type { Way } from '../../../lib/lightning/way.ts'
import { type Millisats, millisats, msatsFromSats, type Sats } from '../../../lib/money.ts'
import type { PaymentNews } from '../../../lib/nodes/lnd-client.ts'

/** What look-ups have found, each since an instant; null where the last one did not. */
export type Sights = {
  /** That it is nowhere: lnd knows nothing of it, or it is on its way and in no channel. */
  readonly goneSince: UnixMs | null
  /** That a part of it is on its way. */
  readonly onWaySince: UnixMs | null
  /** When it had been on its way for so long that somebody held it; that stays. */
  readonly heldAt: UnixMs | null
}

/** One invoice that a line of a batch was to be paid by, as it was written down. */
export type Attempt = Sights & {
  /** Which invoice of the line, from 1. */
  readonly n: number
  readonly paymentHash: PaymentHash
  readonly invoice: string
  /** The lnd that it was written down for, by its public key. */
  readonly nodeKey: string
  readonly expiresAt: UnixMs
  readonly state: AttemptState
  /** How many calls of lnd the signer has confirmed; that one may be made is written before it. */
  readonly calls: number
  /** Why it is dead; empty where it is not. */
  readonly reason: string
}

/** Calls of one invoice, each with a higher limit than the one before; the last has all of it. */
export const CALLS_MAX = 3
/** Invoices of one line; then its payee is paid on another rail. */
export const TRIES_MAX = 3
/** An invoice with less time than this is not called any more: it would end on the way. */
const FRESH_MS_MIN = 60_000
/** lnd knows of a payment within moments of the call; so much later it never will. */
const UNKNOWN_MS_MAX = 60_000
/** An honest payee takes what it gets, or sends it back, within seconds. */
const HELD_MS_MIN = 600_000

/** What is to be done next for a line that has not ended. */
export type LineStep =
  | { readonly kind: 'ask for an invoice'; readonly n: number }
  /** The same call again is harmless: whoever pays makes each of them once. */
  | { readonly kind: 'call'; readonly call: number }
  /** Whoever pays is to say that no call of it can come any more. */
  | { readonly kind: 'end' }
  | { readonly kind: 'wait'; readonly reason: string }
  /** Every try of it is dead. */
  | { readonly kind: 'give up'; readonly reason: string }

/**
 * The next step of a line. It decides nothing about what became of the money: what is dead or
 * settled was judged by its evidence before, and stands in the attempt's state.
 *
 * ```
 * newest attempt        news of lnd           invoice fresh              else
 * none                                        ask for an invoice 1, or give up
 * prepared                                    call 1                     end
 * called                failed, nothing on    next call, while there     end
 *                       its way               are calls left
 * called, unconfirmed   not found             call 1                     end
 * called                not found, shortly    wait                       wait
 * called                not found, longer     end                        end
 * called                on its way, and gone  end                        end
 *                       from the channels
 * called                anything else         wait                       wait
 * dead, n tries                               ask for an invoice n + 1, or give up
 * ```
 *
 * @param noInvoice why none can be had any more, by {@link whyNoInvoice}; null where one can
 */
export function nextStep(
  newest: Attempt | null,
  news: PaymentNews | null,
  now: UnixMs,
  noInvoice: string | null,
): LineStep {
  if (newest === null)
    return noInvoice === null
      ? { kind: 'ask for an invoice', n: 1 }
      : { kind: 'give up', reason: noInvoice }
  const isFresh = newest.expiresAt - now >= FRESH_MS_MIN
  switch (newest.state) {
    case 'prepared':
      return isFresh ? { kind: 'call', call: 1 } : { kind: 'end' }
    case 'called':
      assert(news !== null, 'what was called is looked up first')
      return afterCall(newest, news, { isFresh, now })
    case 'dead':
      if (newest.n >= TRIES_MAX || noInvoice !== null)
        return { kind: 'give up', reason: newest.reason }
      return { kind: 'ask for an invoice', n: newest.n + 1 }
    case 'settled':
      return { kind: 'wait', reason: '' }
    default:
      return unreachable(newest.state)
  }
}

/**
 * Why nobody is asked for an invoice of a line any more, or null where one can be had. Where the
 * manifest names the invoice itself it is one attempt, and no second follows.
 */
export function whyNoInvoice(
  { destination }: { readonly destination: string },
  newest: Attempt | null,
  { now, expiresAt }: { readonly now: UnixMs; readonly expiresAt: UnixMs },
): string | null {
  if (now >= expiresAt) return 'its time was up before there was an invoice to pay'
  const named = invoiceNamed(destination)
  if (named === null) return null
  if (newest !== null) return 'its invoice was tried'
  return named.expiresAt - now < TIME_LEFT_MS_MIN
    ? 'the invoice expired before it could be paid'
    : null
}

function afterCall(
  newest: Attempt,
  news: PaymentNews,
  { isFresh, now }: { readonly isFresh: boolean; readonly now: UnixMs },
): LineStep {
  const { calls, goneSince, onWaySince } = newest
  const isLong = goneSince !== null && now - goneSince >= UNKNOWN_MS_MAX
  switch (news.kind) {
    case 'payment': {
      const { status, unresolvedHtlcs } = news.payment
      // The signer says what its end still waits for.
      if (status === 'in flight' && onWaySince !== null && isLong) return { kind: 'end' }
      if (status !== 'failed' || unresolvedHtlcs > 0)
        return { kind: 'wait', reason: 'a payment is on its way' }
      return isFresh && calls < CALLS_MAX ? { kind: 'call', call: calls + 1 } : { kind: 'end' }
    }
    case 'not found': {
      // The signer had no room for it, or its word was lost.
      if (calls === 0) return isFresh ? { kind: 'call', call: 1 } : { kind: 'end' }
      return isLong ? { kind: 'end' } : { kind: 'wait', reason: 'lnd knows nothing of it yet' }
    }
    case 'known already':
    case 'no answer':
      return { kind: 'wait', reason: 'reason' in news ? news.reason : 'lnd has a payment of it' }
    default:
      return unreachable(news)
  }
}

/** What is known of an attempt after one more look-up; silence tells nothing. */
export function sightsAfter(before: Sights, news: PaymentNews, way: Way, now: UnixMs): Sights {
  const { goneSince, onWaySince, heldAt } = before
  const neither = { goneSince: null, onWaySince: null, heldAt }
  switch (news.kind) {
    case 'no answer':
    case 'known already':
      return { goneSince, onWaySince, heldAt }
    case 'not found':
      return { ...neither, goneSince: (onWaySince === null ? goneSince : null) ?? now }
    case 'payment': {
      if (news.payment.unresolvedHtlcs === 0) return neither
      const since = onWaySince ?? now
      const isHeld = now - since >= HELD_MS_MIN
      return {
        // Since when lnd knew nothing of it says nothing of the channels.
        goneSince: goneAfter(onWaySince === null ? null : goneSince, way, now),
        onWaySince: since,
        // What no channel carries is with nobody: lnd lost it, and its payee held nothing.
        heldAt: way.kind === 'gone' ? null : (heldAt ?? (isHeld ? now : null)),
      }
    }
    default:
      return unreachable(news)
  }
}

function goneAfter(before: UnixMs | null, way: Way, now: UnixMs): UnixMs | null {
  switch (way.kind) {
    case 'gone':
      return before ?? now
    case 'open':
      return null
    case 'not told':
      return before
    default:
      return unreachable(way)
  }
}

/** The largest fee of a call: a third, two thirds and all of the line's, rounded up. */
export function feeLimit(feeMax: Sats, call: number): Millisats {
  assert(call >= 1 && call <= CALLS_MAX, 'a call of an invoice is one of three')
  const calls = BigInt(CALLS_MAX)
  return millisats((msatsFromSats(feeMax) * BigInt(call) + calls - 1n) / calls)
}
