import { sha256 } from '@noble/hashes/sha2.js'
import * as secp256k1 from 'tiny-secp256k1'
import { assert, unreachable } from '../lib/assert.ts'
import { fromHex, toHex, utf8 } from '../lib/bytes.ts'
import type { Digest } from '../lib/ids.ts'
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

/** Whether these are 32 bytes that can be a secret key. Source: BIP 340, "default signing". */
export function isSecretKey(bytes: Uint8Array): boolean {
  return bytes.length === 32 && secp256k1.isPrivate(bytes)
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
