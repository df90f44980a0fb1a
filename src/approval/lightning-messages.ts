import { z } from 'zod'
import { unreachable } from '../lib/assert.ts'
import { digest, paymentHash, preimage, txid } from '../lib/ids.ts'
import { MAX_MONEY_SATS, millisats } from '../lib/money.ts'
import { actSchema, actsJson, base64, headSchema, toBase64 } from './signer-messages.ts'

/**
 * What the pool and the signer host say about payments over Lightning, beside what they say about
 * transactions. The signer has the macaroon that pays, asks each payee's server for the invoice
 * itself, and believes nothing of the pool that it cannot check.
 *
 * An attempt is (manifest, payee, n): the n-th invoice for that place in the manifest, from 1. At
 * most one attempt of a line is alive; `end` is the only way to the next.
 */

/** Lines in one request; the rest comes with the next. */
export const LINES_MAX = 100
/** Calls of lnd that a signer has open at once: each holds a stream, and a part of the channels. */
export const CALLS_OPEN_MAX = 50
const ACTS_MAX = 100
const reason = z.string().max(1000)

const place = {
  /** From 0, as in the manifest. */
  payee: z.int().min(0).max(100_000),
  n: z.int().min(1).max(1000),
}
const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform(paymentHash)
const manifestHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform(digest)
const msat = z
  .string()
  .regex(/^(0|[1-9]\d{0,18})$/)
  .transform(BigInt)
  .refine(value => value <= 1000n * MAX_MONEY_SATS)
  .transform(value => millisats(value))

const invoicesSchema = z.strictObject({
  ask: z.literal('invoices'),
  /** The canonical bytes. */
  manifest: base64,
  acts: z.array(actSchema).max(ACTS_MAX),
  /** Each payee once. */
  lines: z.array(z.strictObject(place)).min(1).max(LINES_MAX),
  /** The newest head of the signer that the pool has on record; null when it has none. */
  head: headSchema.nullable(),
})
const paySchema = z.strictObject({
  ask: z.literal('pay'),
  manifestHash,
  lines: z
    .array(
      z.strictObject({
        ...place,
        paymentHash: hash,
        /** Which call of this attempt: 1, or one more than the last. A repeated one calls nothing. */
        call: z.int().min(1).max(100),
        /** The largest fee of this call; at most the line's in the manifest. */
        feeMaxMsat: msat,
      }),
    )
    .min(1)
    .max(LINES_MAX),
  head: headSchema.nullable(),
})
const endSchema = z.strictObject({
  ask: z.literal('end'),
  manifestHash,
  lines: z
    .array(
      z.strictObject({
        ...place,
        /** Whether its line ends with it: no further attempt is ever given. */
        isLast: z.boolean(),
      }),
    )
    .min(1)
    .max(LINES_MAX),
  head: headSchema.nullable(),
})

/** Satoshis a virtual byte beyond which no transaction of ours goes. */
const FEE_RATE_MAX = 10_000
const openSchema = z.strictObject({
  ask: z.literal('open'),
  /** The canonical bytes of a batch that this host has signed. */
  manifest: base64,
  /** The version of it that paid; its first output is the coin that becomes a channel. */
  txid: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .transform(txid),
  /** A public key; where that peer is, the signer knows itself. */
  peer: z.string().regex(/^0[23][0-9a-f]{64}$/),
  feeRateSatPerVb: z.int().min(1).max(FEE_RATE_MAX),
  head: headSchema.nullable(),
})

/** What the pool asks of a signer that pays over Lightning. */
export const lightningRequestSchema = z.discriminatedUnion('ask', [
  invoicesSchema,
  paySchema,
  endSchema,
  openSchema,
])
export type LightningRequest = z.infer<typeof lightningRequestSchema>
export type InvoicesRequest = Extract<LightningRequest, { ask: 'invoices' }>
export type PayRequest = Extract<LightningRequest, { ask: 'pay' }>
export type EndRequest = Extract<LightningRequest, { ask: 'end' }>

export type OpenRequest = Extract<LightningRequest, { ask: 'open' }>

/** The JSON of a request, as its schema reads it. */
export function lightningRequestJson(request: LightningRequest): string {
  switch (request.ask) {
    case 'invoices': {
      const { manifest, acts, ...rest } = request
      return JSON.stringify({ ...rest, manifest: toBase64(manifest), acts: actsJson(acts) })
    }
    case 'pay': {
      const lines = request.lines.map(each => ({ ...each, feeMaxMsat: String(each.feeMaxMsat) }))
      return JSON.stringify({ ...request, lines })
    }
    case 'end':
      return JSON.stringify(request)
    case 'open':
      return JSON.stringify({ ...request, manifest: toBase64(request.manifest) })
    default:
      return unreachable(request)
  }
}

/** What a signer answers. Whatever it refused it may be asked again. */
export const lightningReplySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('invoices'),
    lines: z.array(
      z.discriminatedUnion('kind', [
        /** As the payee's server gave it, checked; asked again for that n, the same one. */
        z.strictObject({ ...place, kind: z.literal('invoice'), invoice: z.string().max(7089) }),
        /** None yet: ask again later. */
        z.strictObject({ ...place, kind: z.literal('none'), reason }),
      ]),
    ),
    head: headSchema,
  }),
  z.strictObject({
    kind: z.literal('called'),
    lines: z.array(
      z.discriminatedUnion('kind', [
        /** It is written down, and lnd is being asked or was. What comes of it is for `track`. */
        z.strictObject({ ...place, kind: z.literal('called') }),
        z.strictObject({ ...place, kind: z.literal('refused'), reason }),
        /** So many calls are open that no line has room now: ask for nothing more until later. */
        z.strictObject({ ...place, kind: z.literal('no room'), reason }),
      ]),
    ),
    head: headSchema,
  }),
  z.strictObject({
    kind: z.literal('ended'),
    lines: z.array(
      z.discriminatedUnion('kind', [
        /**
         * Never paid, and from that head on never called: the next n may be asked for, unless it
         * was the last. Of one that was never given it is said where it is the last, or its
         * manifest has expired.
         */
        z.strictObject({ ...place, kind: z.literal('ended') }),
        z.strictObject({
          ...place,
          ...{ kind: z.literal('alive'), reason },
          /** What the payee's server shows (LUD-21) where lnd has lost what it knew: it was paid. */
          preimage: z
            .string()
            .regex(/^[0-9a-f]{64}$/)
            .transform(preimage)
            .optional(),
        }),
      ]),
    ),
    head: headSchema,
  }),
  /** lnd is opening the channel, or has said why not; only the chain tells whether it is. */
  z.strictObject({ kind: z.literal('opening'), head: headSchema }),
  /** It expired before any invoice of it was given, and from that head on none ever will be. */
  z.strictObject({ kind: z.literal('closed'), head: headSchema }),
  z.strictObject({ kind: z.literal('refused'), reason, head: headSchema }),
])
export type LightningReply = z.infer<typeof lightningReplySchema>
