import { z } from 'zod'
import { fromHex } from '../lib/bytes.ts'
import { digest } from '../lib/ids.ts'
import { type OperatorKey, parseOperatorKey, type SignedAct } from './approval.ts'

/**
 * What the pool and the signer host say to each other: JSON over one channel that both ends
 * authenticate (TLS with a shared key). The signer believes nothing of it that it cannot check.
 */

/** A request larger than this is not read: a manifest, its acts and a PSBT of 1,000 payees fit. */
export const SIGNER_MESSAGE_BYTES_MAX = 16_000_000
const ACTS_MAX = 100

const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform(digest)
const base64 = z.base64().max(SIGNER_MESSAGE_BYTES_MAX)
const key = z.string().transform((text, context): OperatorKey => {
  const parsed = parseOperatorKey(text)
  if (parsed !== null) return parsed
  context.addIssue({ code: 'custom', message: 'no key of BIP 340' })
  return z.NEVER
})
const signature = z
  .string()
  .regex(/^[0-9a-f]{128}$/)
  .transform(fromHex)

/** A place in the signer's hash-chained memory; position 0 is before its first entry. */
export const headSchema = z.strictObject({ position: z.int().min(0), hash })
export type SignerHead = z.infer<typeof headSchema>

export const actSchema = z
  .strictObject({
    operator: key,
    act: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('approve') }),
      z.strictObject({ kind: z.literal('reject'), reason: z.string().max(500) }),
    ]),
    manifestHash: hash,
    signature,
  })
  .transform((act): SignedAct => act)

/** Everything that a signature on the main chain is judged by. Each later rail adds its own kind. */
export const signRequestSchema = z.discriminatedUnion('rail', [
  z.strictObject({
    rail: z.literal('l1'),
    /** The canonical bytes. */
    manifest: base64,
    acts: z.array(actSchema).max(ACTS_MAX),
    /** BIP 174, with the derivations of inputs and change, without signatures. */
    psbt: base64,
    /** The newest head of the signer that the pool has on record; null when it has none. */
    head: headSchema.nullable(),
  }),
])
export type SignRequest = z.infer<typeof signRequestSchema>

/** What a signer answers. Whatever it refused it also wrote nowhere, and may be asked again. */
export const signReplySchema = z.discriminatedUnion('kind', [
  /** The PSBT with this signer's signatures added, complete or not. */
  z.strictObject({ kind: z.literal('signed'), psbt: base64, head: headSchema }),
  z.strictObject({ kind: z.literal('refused'), reason: z.string().max(1000), head: headSchema }),
])
export type SignReply = z.infer<typeof signReplySchema>
