import * as secp256k1 from 'tiny-secp256k1'
import { z } from 'zod'
import {
  canonicalJson,
  type OperatorKey,
  operatorKeyOf,
  parseOperatorKey,
  taggedHash,
  verifySignature,
} from '../approval/index.ts'
import { equalBytes, fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest, type UnixMs, unixMs } from '../lib/ids.ts'

/** A larger act was never made by us. */
const ACT_BYTES_MAX = 4000

const alias = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/, 'lower-case letters, digits and dashes')
  .refine(name => name !== 'pool' && name !== 'host', 'pool and host are nobody')
const roles = z
  .array(z.enum(['viewer', 'operator', 'approver', 'admin']))
  .min(1)
  .max(4)
  .refine(list => list.every((role, index) => (list[index - 1] ?? '') < role), 'sorted, each once')
const hex64 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits')
const time = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

/** One change of who may do what. Times are Unix milliseconds, keys x-only (BIP 340). */
export const operatorChangeSchema = z.discriminatedUnion('kind', [
  /** The first admin, or one where no admin's key is good any more; signed by the key itself. */
  z.strictObject({
    kind: z.literal('first admin'),
    alias,
    key: hex64,
    notAfter: time,
    invitation: hex64.describe('SHA-256 of the token from the host’s console'),
  }),
  z.strictObject({ kind: z.literal('add operator'), alias, roles, key: hex64, notAfter: time }),
  z.strictObject({ kind: z.literal('set roles'), alias, roles }),
  z.strictObject({ kind: z.literal('remove operator'), alias }),
  z.strictObject({ kind: z.literal('add key'), alias, key: hex64, notAfter: time }),
  z.strictObject({ kind: z.literal('revoke key'), alias, key: hex64 }),
])
export type OperatorChange = z.infer<typeof operatorChangeSchema>

/** A change with all that keeps it from being used again, elsewhere or later. */
export type OperatorAct = {
  /** The network's name. */
  readonly network: string
  /** Hash of the act before it, or zeros: an act fits one history, at one place. */
  readonly previous: Digest
  readonly at: UnixMs
  readonly by: OperatorKey
  readonly change: OperatorChange
}

/** An act with its BIP 340 signature of 64 bytes. */
export type SignedOperatorAct = { readonly act: OperatorAct; readonly signature: Uint8Array }

/** What the first act names as the one before. */
export const OPERATORS_START = digest('0'.repeat(64))

const actSchema = z.strictObject({
  network: z.string(),
  previous: hex64,
  at: time,
  by: hex64,
  change: operatorChangeSchema,
})

/** The canonical bytes of an act. */
export function encodeOperatorAct(act: OperatorAct): Uint8Array {
  return utf8(canonicalJson(act))
}

/** Reads canonical bytes back, and nothing that only looks like them. */
export function decodeOperatorAct(bytes: Uint8Array): OperatorAct | null {
  if (bytes.length > ACT_BYTES_MAX) return null
  const parsed = actSchema.safeParse(parseJson(bytes))
  const by = parsed.success ? parseOperatorKey(parsed.data.by) : null
  if (!parsed.success || by === null) return null
  const { network, previous, at, change } = parsed.data
  const act = { network, previous: digest(previous), at: unixMs(at), by, change }
  return equalBytes(encodeOperatorAct(act), bytes) ? act : null
}

/** What is signed, and what the next act names: tag `sidepool/operator/1` over the bytes. */
export function operatorActHash(act: OperatorAct): Digest {
  return digest(toHex(taggedHash('sidepool/operator/1', encodeOperatorAct(act))))
}

/** Signs on the machine of whoever changes something. */
export function signOperatorAct(
  secretKey: Uint8Array,
  words: Omit<OperatorAct, 'by'>,
): SignedOperatorAct {
  const act = { ...words, by: operatorKeyOf(secretKey) }
  return { act, signature: secp256k1.signSchnorr(fromHex(operatorActHash(act)), secretKey) }
}

/** Whether the signature is the named key's over exactly this act. Source: BIP 340. */
export function verifyOperatorAct({ act, signature }: SignedOperatorAct): boolean {
  return verifySignature(act.by, fromHex(operatorActHash(act)), signature)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}
