import { unreachable } from '../assert.ts'
import type { PaymentHash, Preimage } from '../ids.ts'
import type { Millisats } from '../money.ts'
import type { PaymentNews } from '../nodes/lnd-client.ts'
import type { LndPayment } from '../nodes/lnd-replies.ts'
import { parsePreimage } from './preimage.ts'
import type { Way } from './way.ts'

/** Everything that one attempt to pay one invoice is judged by. */
export type AttemptEvidence = {
  readonly paymentHash: PaymentHash
  /** Of the payout, as it was approved. */
  readonly amount: Millisats
  /** Whether it was written down that lnd is called; that is done before it is. */
  readonly wasCalled: boolean
  /**
   * Whether whoever has the right to call lnd for it, or is in the call, may be there still. lnd pays
   * a hash that failed when it is asked again, so while this holds nothing is dead.
   */
  readonly mayBeCalled: boolean
  /** Of `track`, or what the call itself came to. */
  readonly news: PaymentNews
  /** What the payee's own server shows (LUD-21), found to be the preimage of this hash; or null. */
  readonly shown: Preimage | null
  readonly node: {
    /** Whether it is the node, by its public key, that the attempt was written down for. */
    readonly isOurs: boolean
    /** Whether its count of payments is below one that was seen before: it was restored. */
    readonly hasForgotten: boolean
  }
  /** Of the channels, where lnd takes it for on its way. */
  readonly way: Way
  /**
   * For how long every look-up that told anything has said that it is nowhere: lnd knows nothing of
   * it, or it is gone from the channels. 0 where this is the first, or did not say so.
   */
  readonly goneMs: number
}

/** What became of an attempt. */
export type AttemptVerdict =
  /** Paid, for good. The fee is null where only the payee says so: people book it. */
  | { readonly kind: 'settled'; readonly preimage: Preimage; readonly fee: Millisats | null }
  /** Never paid, and never will be: another invoice may be asked for. */
  | { readonly kind: 'dead'; readonly reason: string }
  /** On its way; at that height it comes back by itself at the latest, where that is known. */
  | { readonly kind: 'waiting'; readonly untilHeight: number | null }
  /** The money stays reserved; ask again. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** Two look-ups so far apart: what was on its way to lnd's disk is there, or never comes. */
const NOT_FOUND_MS_MIN = 3 * 60_000
/** Until then lnd may be handing on what it has read from its disk since it was started. */
const UP_MS_MIN = 3 * 60_000
/** lnd counts whole seconds since it was started. */
const UP_MS_STEP = 1000

/**
 * The one judge of a payment. Only these proofs count; silence, an expired invoice, "already exists"
 * and what a payee denies are none.
 *
 * | proof | verdict |
 * |---|---|
 * | a preimage of the hash, whoever shows it | settled |
 * | our node: failed, no part on its way, nobody may call again | dead |
 * | never called, nobody may call, and no node shows a payment | dead |
 * | our node, which has forgotten nothing: not found for minutes, nobody may call | dead |
 * | so: overdue and in no channel, before lnd was started and still after it, nobody may call | dead |
 * | anything else | waiting or unknown |
 *
 * An lnd that is killed as it sends may say for ever that a part is on its way which was never sent.
 * What a channel no longer carries after its time was settled, came back, or never was there. lnd
 * keeps how it ended before it forgets the part, and a forwarding package until that is kept; but
 * where its database fails, it gives up and says "on its way" until it is started again. Then it
 * reads both anew: so a payment that was gone before the start, and is on its way after, was not made.
 *
 * Source: lnd, payments/db/payment_status.go; htlcswitch/switch.go `handleLocalResponse`,
 * `reforwardResponses`, `GetAttemptResult`; routing/payment_lifecycle.go `resumePayment`.
 */
export function judgeAttempt(evidence: AttemptEvidence): AttemptVerdict {
  const { news, shown, amount, paymentHash } = evidence
  const payment = news.kind === 'payment' ? news.payment : null
  if (payment !== null && payment.paymentHash !== paymentHash)
    return unknown('lnd answered with another payment')
  const preimage = payment && parsePreimage(payment.preimage, paymentHash)
  if (payment !== null && preimage !== null && payment.status === 'succeeded') {
    if (payment.amount === amount) return { kind: 'settled', preimage, fee: payment.fee }
    return unknown(`lnd paid ${payment.amount} msat, and ${amount} msat were to be paid`)
  }
  const known = shown ?? preimage
  if (known !== null) return { kind: 'settled', preimage: known, fee: null }
  // A proof of our own, for which no node need be there.
  if (!evidence.wasCalled && payment === null && news.kind !== 'known already')
    return dead(evidence, 'lnd was never called for it')
  if (!evidence.node.isOurs) return unknown('this lnd is not the one that the payment was begun on')
  return news.kind === 'payment'
    ? judgePayment(evidence, news.payment)
    : judgeAbsence(evidence, news)
}

function judgePayment(evidence: AttemptEvidence, payment: LndPayment): AttemptVerdict {
  const { untilHeight, unresolvedHtlcs } = payment
  switch (payment.status) {
    case 'initiated':
      return { kind: 'waiting', untilHeight }
    case 'in flight':
      return judgeWay(evidence, untilHeight)
    case 'succeeded':
      return unknown('lnd says that it paid, and has no preimage of this hash')
    case 'failed':
      if (unresolvedHtlcs > 0) return { kind: 'waiting', untilHeight }
      return dead(evidence, 'lnd found no way to pay it')
    default:
      return unreachable(payment.status)
  }
}

function judgeWay(evidence: AttemptEvidence, untilHeight: number | null): AttemptVerdict {
  const { way, goneMs } = evidence
  if (way.kind !== 'gone') return { kind: 'waiting', untilHeight }
  if (goneMs < way.lndUpMs + UP_MS_STEP)
    return unknown('no channel carries it any more: start lnd anew, which proves that it ended')
  if (way.lndUpMs < UP_MS_MIN) return unknown('lnd was started a moment ago')
  return dead(evidence, 'lnd lost it as it sent it')
}

function judgeAbsence(
  evidence: AttemptEvidence,
  news: Exclude<PaymentNews, { kind: 'payment' }>,
): AttemptVerdict {
  switch (news.kind) {
    case 'no answer':
      return unknown(news.reason)
    case 'known already':
      return unknown('lnd has a payment by this hash')
    case 'not found':
      if (evidence.goneMs < NOT_FOUND_MS_MIN) return unknown('lnd knows nothing of it yet')
      return dead(evidence, 'lnd never began it')
    default:
      return unreachable(news)
  }
}

/** What no proof of death can do without. */
function dead({ wasCalled, mayBeCalled, node }: AttemptEvidence, reason: string): AttemptVerdict {
  if (mayBeCalled) return unknown('lnd may be called for it at this moment')
  // What a restored node says of the past, it says of an earlier one.
  if (wasCalled && node.hasForgotten) return unknown('this lnd has lost payments that it had')
  return { kind: 'dead', reason }
}

function unknown(reason: string): AttemptVerdict {
  return { kind: 'unknown', reason }
}
