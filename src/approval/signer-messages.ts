import { z } from 'zod'
import { unreachable } from '../lib/assert.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { digest, unixMs } from '../lib/ids.ts'
import type { Authorization } from '../lib/thunder/authorization.ts'
import type { SignedAct } from './act.ts'
import { amountSats, operatorKey } from './fields.ts'
import type { SignedFreezeAct } from './freeze.ts'
import type { HeadConfirmation } from './signer-head.ts'

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
/** Bytes in JSON. */
export const base64 = z
  .base64()
  .max(SIGNER_MESSAGE_BYTES_MAX)
  .transform((text): Uint8Array => new Uint8Array(Buffer.from(text, 'base64')))
const signature = z
  .string()
  .regex(/^[0-9a-f]{128}$/)
  .transform(fromHex)

/** A place in the signer's hash-chained memory; position 0 is before its first entry. */
export const headSchema = z.strictObject({ position: z.int().min(0), hash })
export type SignerHead = z.infer<typeof headSchema>

/** An act as JSON, with all that its signature is checked by. */
export const actSchema = z
  .strictObject({
    operator: operatorKey,
    act: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('approve') }),
      z.strictObject({ kind: z.literal('reject'), reason: z.string().max(500) }),
    ]),
    manifestHash: hash,
    signature,
  })
  .transform((act): SignedAct => act)

/** Coins in one request; the signer refuses fewer than that. */
const SPENT_MAX = 1000

/** What a coin on Thunder holds; the input's hash tells whether it is true. */
const spentSchema = z.strictObject({
  /** In its bare form. */
  address: z.string().max(28),
  valueSats: amountSats,
})
export type SpentOutput = z.infer<typeof spentSchema>

/** A script deeper in the wallet is refused, so that a seed alone finds all of it again. */
const PAYEE_INDEX_MAX = 1_000_000

/** Everything that a signature is judged by, for each rail. */
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
  z.strictObject({
    rail: z.literal('thunder'),
    /** The canonical bytes. */
    manifest: base64,
    acts: z.array(actSchema).max(ACTS_MAX),
    /** In Borsh, as it is hashed and signed. */
    transaction: base64,
    /** What the coin of each input holds, in their order. */
    spent: z.array(spentSchema).max(SPENT_MAX),
    /**
     * Of a withdrawal, which receiving address of the hot wallet its payee is. A hint: the signer
     * makes that address from its own descriptor, and signs for no other.
     */
    payeeIndex: z.int().min(0).max(PAYEE_INDEX_MAX).optional(),
    /** As above. */
    head: headSchema.nullable(),
  }),
])
export type SignRequest = z.infer<typeof signRequestSchema>
/** One on the main chain. */
export type L1SignRequest = Extract<SignRequest, { rail: 'l1' }>
/** One on Thunder. */
export type ThunderSignRequest = Extract<SignRequest, { rail: 'thunder' }>

/** The JSON of a request, as its schema reads it. */
export function signRequestJson(request: SignRequest): string {
  const { acts, manifest, ...rest } = request
  return JSON.stringify({
    ...rest,
    manifest: toBase64(manifest),
    ...toSignJson(request),
    acts: actsJson(acts),
  })
}

/** Acts as their schema reads them. */
export function actsJson(acts: readonly SignedAct[]): readonly object[] {
  return acts.map(({ signature, ...act }) => ({ ...act, signature: toHex(signature) }))
}

function toSignJson(request: SignRequest): object {
  switch (request.rail) {
    case 'l1':
      return { psbt: toBase64(request.psbt) }
    case 'thunder': {
      const spent = request.spent.map(each => ({ ...each, valueSats: String(each.valueSats) }))
      return { transaction: toBase64(request.transaction), spent }
    }
    default:
      return unreachable(request)
  }
}

const authorizationSchema = z
  .strictObject({
    publicKey: hash,
    signature,
  })
  .transform(
    (read): Authorization => ({
      publicKey: fromHex(read.publicKey),
      signature: read.signature,
    }),
  )

/** What a signer answers. Whatever it refused it may be asked again. */
export const signReplySchema = z.discriminatedUnion('kind', [
  /** The PSBT with this signer's signatures added, complete or not. */
  z.strictObject({ kind: z.literal('signed'), psbt: base64, head: headSchema }),
  /** It expired before anything of it was signed, and from that head on never will be. */
  z.strictObject({ kind: z.literal('closed'), head: headSchema }),
  /** On Thunder: one authorization for each input, in their order. */
  z.strictObject({
    kind: z.literal('authorized'),
    authorizations: z.array(authorizationSchema).max(SPENT_MAX),
    head: headSchema,
  }),
  z.strictObject({ kind: z.literal('refused'), reason: z.string().max(1000), head: headSchema }),
])
export type SignReply = z.infer<typeof signReplySchema>

/** The JSON of a reply, as its schema reads it. */
export function signReplyJson(reply: SignReply): string {
  switch (reply.kind) {
    case 'signed':
      return JSON.stringify({ ...reply, psbt: toBase64(reply.psbt) })
    case 'authorized': {
      const authorizations = reply.authorizations.map(({ publicKey, signature }) => ({
        publicKey: toHex(publicKey),
        signature: toHex(signature),
      }))
      return JSON.stringify({ ...reply, authorizations })
    }
    case 'closed':
    case 'refused':
      return JSON.stringify(reply)
    default:
      return unreachable(reply)
  }
}

/** Asks where the signer stands; the head as in a request for signatures. */
export const statusRequestSchema = z.strictObject({ head: headSchema.nullable() })
export type StatusRequest = z.infer<typeof statusRequestSchema>

/** Where the signer stands, and whether it would sign for a pool with that head on record. */
export const statusReplySchema = z.strictObject({
  network: z.string().max(20),
  head: headSchema,
  /** Why it signs nothing at present; null when it would. */
  refuses: z.string().max(1000).nullable(),
})
export type StatusReply = z.infer<typeof statusReplySchema>

/** An approver's word that lets a signer go on whose memory does not hold the pool's head. */
export const confirmRequestSchema = z
  .strictObject({ signer: headSchema, pool: headSchema, operator: operatorKey, signature })
  .transform((confirmation): HeadConfirmation => confirmation)

/** The JSON of a confirmation, as its schema reads it. */
export function confirmRequestJson(confirmation: HeadConfirmation): string {
  return JSON.stringify({ ...confirmation, signature: toHex(confirmation.signature) })
}

/** Acts relayed at once; the rest comes with the next request. */
export const FREEZE_ACTS_MAX = 100
const reason = z.string().max(500)
const time = z.int().min(0).transform(unixMs)

/** Freezes and unfreezes of operators, oldest first. What the signer has already is passed over. */
export const freezeRequestSchema = z.strictObject({
  acts: z
    .array(
      z
        .strictObject({
          act: z.discriminatedUnion('kind', [
            z.strictObject({
              kind: z.literal('freeze'),
              ...{
                network: z.string().max(20),
                scope: z.string().max(40),
                reason,
                at: time,
                by: operatorKey,
              },
            }),
            z.strictObject({
              kind: z.literal('unfreeze'),
              ...{ network: z.string().max(20), freeze: hash, reason, at: time, by: operatorKey },
            }),
          ]),
          signature,
        })
        .transform((act): SignedFreezeAct => act),
    )
    .max(FREEZE_ACTS_MAX),
})

/** The JSON of freezes and unfreezes, as its schema reads it. */
export function freezeRequestJson(acts: readonly SignedFreezeAct[]): string {
  const written = acts.map(({ act, signature }) => ({ act, signature: toHex(signature) }))
  return JSON.stringify({ acts: written })
}

/** What became of an act that the pool relayed. */
export const relayReplySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('taken'), head: headSchema }),
  z.strictObject({ kind: z.literal('refused'), reason: z.string().max(1000), head: headSchema }),
])
export type RelayReply = z.infer<typeof relayReplySchema>

/** The questions that a signer answers, each the path of a POST with a JSON body. */
export const SIGNER_PATHS = {
  sign: '/sign',
  status: '/status',
  confirm: '/confirm',
  freeze: '/freeze',
  lightning: '/lightning',
} as const

/** As the schema of bytes reads it. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
