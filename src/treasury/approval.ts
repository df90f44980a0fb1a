import { sha256 } from '@noble/hashes/sha2.js'
import * as secp256k1 from 'tiny-secp256k1'
import { assert, unreachable } from '../lib/assert.ts'
import { fromHex, toHex, utf8 } from '../lib/bytes.ts'
import type { Digest, UnixMs } from '../lib/ids.ts'
import { taggedHash } from './tagged-hash.ts'

/** A longer reason is refused before anything is hashed. */
export const REASON_CHARACTERS_MAX = 500

declare const operatorKeyBrand: unique symbol
/** An operator's x-only public key (BIP 340): 64 lower-case hex digits, a point of the curve. */
export type OperatorKey = string & { readonly [operatorKeyBrand]: true }

/** @returns null unless the text is an x-only public key */
export function parseOperatorKey(text: string): OperatorKey | null {
  if (!/^[0-9a-f]{64}$/.test(text)) return null
  return secp256k1.isXOnlyPoint(fromHex(text)) ? (text as OperatorKey) : null
}

/** Who may approve and how many must. Without operators nothing ever leaves. */
export type Policy = {
  readonly version: number
  readonly operators: readonly { readonly name: string; readonly key: OperatorKey }[]
  /** At least 1: no batch is approved by nobody. */
  readonly threshold: number
}

/** What an operator says of a batch. */
export type Act =
  | { readonly kind: 'approve' }
  | { readonly kind: 'reject'; readonly reason: string }

/** An act with who gives it, what it is about, and the BIP 340 signature that proves both. */
export type SignedAct = {
  readonly operator: OperatorKey
  readonly act: Act
  readonly manifestHash: Digest
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** What a batch looks like to an act. */
export type BatchBeforeAct = {
  readonly manifestHash: Digest
  readonly expiresAt: UnixMs
  /** Only a planned batch can be approved or rejected; afterwards it is decided. */
  readonly decided: boolean
  readonly acts: readonly SignedAct[]
}

/** Why an act does not count; nothing is written then. */
export type ActRefusal =
  /** It is about other bytes: an older, edited or foreign manifest. */
  | 'other manifest'
  | 'unknown operator'
  | 'bad signature'
  /** This operator's act stands already; an operator has one a batch. */
  | 'repeated'
  | 'expired'
  | 'already decided'
  | 'reason too long'

/** What an act does to its batch. */
export type ActVerdict =
  | { readonly kind: 'accepted'; readonly batch: 'waits' | 'approved' | 'rejected' }
  | { readonly kind: 'refused'; readonly reason: ActRefusal }

/**
 * The 32 bytes an operator signs. Each act has its own tag, so that one never passes for another,
 * and a rejection covers its reason.
 */
export function actHash(act: Act, manifest: Digest): Uint8Array {
  switch (act.kind) {
    case 'approve':
      return taggedHash('sidepool/approve/1', fromHex(manifest))
    case 'reject':
      return taggedHash('sidepool/reject/1', fromHex(manifest), sha256(utf8(act.reason)))
    default:
      return unreachable(act)
  }
}

/**
 * Signs an act on an operator's own machine.
 *
 * @param secretKey 32 bytes, a valid secp256k1 scalar
 */
export function signAct(secretKey: Uint8Array, act: Act, manifest: Digest): SignedAct {
  const operator = operatorKeyOf(secretKey)
  const signature = secp256k1.signSchnorr(actHash(act, manifest), secretKey)
  return { operator, act, manifestHash: manifest, signature }
}

/** The public half of an operator's secret key of 32 bytes. */
export function operatorKeyOf(secretKey: Uint8Array): OperatorKey {
  assert(secp256k1.isPrivate(secretKey), 'a secret key is a scalar of the curve')
  const key = parseOperatorKey(toHex(secp256k1.xOnlyPointFromScalar(secretKey)))
  assert(key !== null, 'the public key of a secret key is on the curve')
  return key
}

/** Whether the signature is the operator's over exactly this act and manifest. Source: BIP 340. */
export function verifyAct({ operator, act, manifestHash, signature }: SignedAct): boolean {
  return verifySignature(operator, actHash(act, manifestHash), signature)
}

/**
 * Source: BIP 340. Vectors: test/vectors/bip340.json.
 *
 * @param message 32 bytes
 */
export function verifySignature(
  key: OperatorKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return secp256k1.verifySchnorr(message, fromHex(key), signature)
  } catch {
    // The library throws where a signature cannot even be one; a forger's bytes are an answer here.
    return false
  }
}

/**
 * Decides what an act does. One rejection ends a batch; approvals count when they are of this
 * manifest and their operator is still in the policy.
 */
export function judge(
  batch: BatchBeforeAct,
  policy: Policy,
  given: SignedAct,
  now: UnixMs,
): ActVerdict {
  const refusal = refusalOf(batch, policy, given, now)
  if (refusal !== null) return { kind: 'refused', reason: refusal }
  if (given.act.kind === 'reject') return { kind: 'accepted', batch: 'rejected' }
  const enough = isApproved(batch.manifestHash, policy, [...batch.acts, given])
  return { kind: 'accepted', batch: enough ? 'approved' : 'waits' }
}

/**
 * Whether these acts approve the manifest under this policy. Every signature is checked again, so
 * that whoever signs money away need not believe what a database says.
 */
export function isApproved(manifest: Digest, policy: Policy, acts: readonly SignedAct[]): boolean {
  assert(policy.threshold >= 1, 'a policy asks for at least one approval')
  if (acts.some(({ act }) => act.kind === 'reject')) return false
  const approving = acts.filter(
    act =>
      act.manifestHash === manifest &&
      policy.operators.some(({ key }) => key === act.operator) &&
      verifyAct(act),
  )
  return new Set(approving.map(({ operator }) => operator)).size >= policy.threshold
}

function refusalOf(
  batch: BatchBeforeAct,
  policy: Policy,
  given: SignedAct,
  now: UnixMs,
): ActRefusal | null {
  if (given.act.kind === 'reject' && given.act.reason.length > REASON_CHARACTERS_MAX) {
    return 'reason too long'
  }
  if (given.manifestHash !== batch.manifestHash) return 'other manifest'
  if (!policy.operators.some(({ key }) => key === given.operator)) return 'unknown operator'
  if (!verifyAct(given)) return 'bad signature'
  if (batch.acts.some(({ operator }) => operator === given.operator)) return 'repeated'
  if (batch.decided) return 'already decided'
  if (now >= batch.expiresAt) return 'expired'
  return null
}
