import { z } from 'zod'
import { isPlainReason } from '../approval/index.ts'
import { MESSAGE_CHARACTERS_MAX, SIGNATURE_CHARACTERS_MAX } from '../lib/bitcoin/message.ts'
import { MAX_MONEY_SATS, sats } from '../lib/money.ts'
import { INVOICE_CHARS_MAX, RAILS_MAX } from '../payouts/index.ts'
import { hash, height, listOf, millis, state, whole } from './contract.ts'
import { depositForm } from './contract-miner.ts'

/** What concerns a payee's payouts and settings; contract.ts says how amounts are written. */
const amount = z
  .string()
  // What is no number ends here, since the next check would throw over it.
  .regex(/^(0|[1-9]\d{0,15})$/, { error: 'whole satoshis as a decimal string', abort: true })
  .refine(text => BigInt(text) <= MAX_MONEY_SATS, 'more than all bitcoin')
const hex128 = z.string().regex(/^[0-9a-f]{128}$/)
const schemeName = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/)
/** The number of a change; more of them than this nobody lives to make. */
const changeNumber = z.int().min(1).max(2_000_000_000)

const railWish = z.strictObject({
  rail: schemeName,
  destination: z
    .string()
    .regex(/^[\x21-\x7e]{1,320}$/, 'printable ASCII without spaces')
    .nullable()
    .describe('null is the payee itself'),
  minimumSats: amount.describe('counts where it is above the scheme’s'),
})
const wishes = {
  rails: z.array(railWish).min(1).max(RAILS_MAX).describe('by preference'),
  paused: z.boolean(),
  feeRateMaxSatPerKvb: amount
    .refine(text => text !== '0', 'no payout is free; pause instead')
    .nullable()
    .describe('no payout is planned while the expected fee rate is above it'),
}
const toWishes = ({ rails, paused, feeRateMaxSatPerKvb: rate }: WishesJson) => ({
  rails: rails.map(({ minimumSats, ...rest }) => ({ ...rest, minimum: sats(BigInt(minimumSats)) })),
  paused,
  feeRateMax: rate === null ? null : sats(BigInt(rate)),
})
type WishesJson = z.infer<z.ZodObject<typeof wishes>>

const ownProof = [
  z.strictObject({
    kind: z.literal('signature'),
    signature: z
      .string()
      .trim()
      .min(1)
      .max(SIGNATURE_CHARACTERS_MAX)
      .describe('base64: BIP 322, or the older signed message'),
  }),
  z.strictObject({ kind: z.literal('thunder'), publicKey: hash, signature: hex128 }),
] as const
const operatorProof = z.strictObject({
  kind: z.literal('operator'),
  operatorKey: hash.describe('x-only public key (BIP 340)'),
  reason: z.string().refine(isPlainReason, '1 to 500 characters of one line'),
  signature: hex128.describe('BIP 340, over the tagged hash sidepool/settings/1'),
})

/** What somebody wishes, before it is signed. */
export const wishesBody = z.strictObject(wishes).transform(toWishes)
export const settingsBody = z
  .strictObject({
    number: changeNumber.describe('the one after the settings in force'),
    ...wishes,
    proof: z.discriminatedUnion('kind', [...ownProof, operatorProof]),
  })
  .transform(({ number, proof, ...rest }) => ({ number, proof, wishes: toWishes(rest) }))
export const requestBody = z.strictObject({
  scheme: schemeName,
  proof: z
    .discriminatedUnion('kind', [...ownProof])
    .nullable()
    .default(null)
    .describe('needed where payees bear the fee'),
})

const invoice = {
  scheme: schemeName,
  invoice: z
    .string()
    .trim()
    .regex(/^[a-zA-Z0-9@._+-]*$/, 'letters and digits')
    .max(INVOICE_CHARS_MAX)
    .describe('BOLT 11'),
}
/** An invoice, before it is signed for. */
export const invoiceTextBody = z.strictObject(invoice)
export const invoiceBody = z.strictObject({
  ...invoice,
  proof: z.discriminatedUnion('kind', [...ownProof]),
})
const uploaded = {
  scheme: z.string(),
  invoice: z.string(),
  amountSats: whole,
  paysFromMs: millis.describe('it is not paid before: a new destination waits for the cool-off'),
  lapsesMs: millis.describe('from then on it is not planned any more'),
}
export const invoiceReply = z.object(uploaded)
export const invoicesReply = listOf(
  z.object({
    ...uploaded,
    paymentHash: hash,
    state: z.enum(['open', 'lapsed', 'planned']),
    payout: whole.nullable().describe('the one that was planned to it, whatever became of that'),
    uploadedMs: millis,
    proof: z.enum(['bip322', 'legacy', 'ed25519']),
    text: z.string().describe('what was signed'),
    signature: z.string(),
  }),
)
export const textReply = z.string().max(MESSAGE_CHARACTERS_MAX).describe('the text to sign')

const inForce = {
  number: z.int().min(0),
  ...wishes,
  paysFromMs: millis.nullable().describe('nothing is paid before it'),
}
export const settingsReply = z.object({
  payee: z.string(),
  ...inForce,
  number: z.int().min(0).describe('0 where nothing was ever set'),
  nextNumber: changeNumber,
  byOperator: z.boolean().describe('whether the destinations stand on an operator’s word alone'),
})
export const settingsHistoryReply = listOf(
  z.object({
    ...inForce,
    givenMs: millis,
    proof: z.enum(['bip322', 'legacy', 'ed25519', 'operator']),
    operator: z.string().nullable(),
    reason: z.string(),
    text: z.string().describe('what was signed'),
    signature: z.string(),
  }),
)
export const requestReply = z.object({ scheme: z.string(), askedMs: millis })

/** A payout in a list; a file has a column for each field, by the same name. */
export const payout = z.object({
  payout: whole,
  scheme: z.string(),
  amountSats: whole.describe('what the destination gets'),
  feeSats: whole.describe('the payee’s part of the network fee'),
  destination: z.string(),
  state,
  batch: whole,
  rail: z.string(),
  txid: hash.nullable(),
  paymentHash: hash.nullable().describe('over Lightning, once it was paid'),
  preimage: hash.nullable().describe('its SHA-256 is the payment hash: only the payee had it'),
  failure: z.string().nullable().describe('why it could not be paid, though it was tried'),
  heldMs: millis
    .nullable()
    .describe('when its payee had held it for ten minutes; two send the account to its next rail'),
  approvedBy: z.array(z.string()).describe('aliases; pool where its own key approved'),
  plannedMs: millis,
  plannedHeight: height,
  endedMs: millis.nullable(),
  depositForm,
})
export const payoutsReply = listOf(payout)
