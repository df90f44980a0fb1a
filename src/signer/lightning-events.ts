import { z } from 'zod'
import { digest, paymentHash, unixMs } from '../lib/ids.ts'
import { MAX_MONEY_SATS, millisats, sats } from '../lib/money.ts'

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const decimal = z
  .string()
  .regex(/^(0|[1-9]\d{0,18})$/)
  .transform(BigInt)
const amount = decimal.refine(n => n <= MAX_MONEY_SATS).transform(sats)
const amountMsat = decimal
  .refine(n => n <= 1000n * MAX_MONEY_SATS)
  .transform(value => millisats(value))
const manifest = hex64.transform(digest)
/** A longer one is not kept. */
export const VERIFY_URL_CHARS_MAX = 500
/** A compressed public key, by which lnd is known. */
const node = z.string().regex(/^0[23][0-9a-f]{64}$/)
/** The n-th invoice for that place in the manifest. */
const place = { payee: z.int().min(0), n: z.int().min(1) }
const given = {
  ...place,
  paymentHash: hex64.transform(paymentHash),
  invoice: z.string(),
  amountSats: amount,
  /** The line's, for whatever call. */
  feeMaxSats: amount,
}

/**
 * What happened on Lightning. `ln batch` is the first word of a batch, which counts for the limits;
 * `ln invoices` are attempts, whose hashes are used up from then on; `ln calls` is written before
 * lnd is called; `ln paid` is what lnd said of some, so that they count no more as on their way;
 * after `ln ended` an attempt is never called, and the next n may be given.
 */
export const lightningEvents = [
  z.strictObject({
    kind: z.literal('ln batch'),
    batch: z.string().regex(/^[1-9]\d{0,18}$/),
    manifest,
    by: z.enum(['operators', 'pool']),
    expiresAt: z.int().min(0).transform(unixMs),
    /** With the largest fees. */
    spendSats: amount,
    payees: z.array(z.strictObject({ amountSats: amount, destination: z.string() })),
  }),
  z.strictObject({
    kind: z.literal('ln invoices'),
    manifest,
    /** Whose payments they will be, if they are. */
    node,
    lines: z.array(
      z.union([
        z.strictObject(given),
        /** Where its payee's server says whether it was paid (LUD-21). */
        z.strictObject({ ...given, verifyUrl: z.string().max(VERIFY_URL_CHARS_MAX) }),
      ]),
    ),
  }),
  z.strictObject({
    kind: z.literal('ln calls'),
    manifest,
    node,
    /** Of the payment that this node had begun last: it never has fewer, unless it has forgotten. */
    newestIndex: decimal,
    lines: z.array(z.strictObject({ ...place, call: z.int().min(1), feeMaxMsat: amountMsat })),
  }),
  z.strictObject({
    kind: z.literal('ln paid'),
    manifest,
    lines: z.array(z.strictObject(place)),
  }),
  z.strictObject({
    kind: z.literal('ln ended'),
    manifest,
    /** With the last attempt its line has ended, too. */
    lines: z.array(z.strictObject({ ...place, isLast: z.boolean() })),
  }),
] as const
export type LightningEvent = z.infer<(typeof lightningEvents)[number]>
