import { assert } from '../lib/assert.ts'
import type { PaymentHash } from '../lib/ids.ts'
import { parseBolt11 } from '../lib/lightning/bolt11.ts'
import type { OnTheWay } from '../lib/lightning/exposure.ts'
import type { OpenCalls } from './lightning-call-rules.ts'
import type { LightningMemory, OpenPayment } from './lightning-memory.ts'

/** An attempt that may be on its way, and how often it was called; 0 where it is about to be. */
export type Leaving = OnTheWay & { readonly paymentHash: PaymentHash; readonly calls: number }

/** Payments that lnd has said to have failed, and how often each had been called by then. */
export type Resting = ReadonlyMap<PaymentHash, number>

/**
 * What is on its way, by the memory alone: all that was called and did not end, without what lnd
 * was heard to say of it since. What is called while lnd is asked is on its way again.
 */
export function leavingOf(
  { open: payments }: LightningMemory,
  resting: Resting,
  open: OpenCalls,
): readonly Leaving[] {
  return [...payments].flatMap(([paymentHash, payment]) => {
    const { destination, amount, calls } = payment
    if (resting.get(paymentHash) === calls && !open.has(paymentHash)) return []
    return { paymentHash, destination, payeeKey: payeeKeyOf(payment), amount, calls }
  })
}

/** Each is read once, since a signature takes a millisecond and hundreds may be on their way. */
const payeeKeys = new WeakMap<OpenPayment, string>()

function payeeKeyOf(payment: OpenPayment): string {
  const known = payeeKeys.get(payment)
  if (known !== undefined) return known
  const read = parseBolt11(payment.invoice)
  assert(read.kind === 'invoice', 'an invoice that was given was read before')
  payeeKeys.set(payment, read.invoice.payee)
  return read.invoice.payee
}
