import type { PaymentHash } from '../lib/ids.ts'
import { parseBolt11 } from '../lib/lightning/bolt11.ts'
import type { OnTheWay } from '../lib/lightning/exposure.ts'
import type { OpenCalls } from './lightning-call-rules.ts'
import type { LightningMemory } from './lightning-memory.ts'

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
  return [...payments].flatMap(([paymentHash, { destination, invoice, amount, calls }]) => {
    if (resting.get(paymentHash) === calls && !open.has(paymentHash)) return []
    const read = parseBolt11(invoice)
    // One that was given was read before.
    const payeeKey = read.kind === 'invoice' ? read.invoice.payee : ''
    return { paymentHash, destination, payeeKey, amount, calls }
  })
}
