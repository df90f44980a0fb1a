import * as secp256k1 from 'tiny-secp256k1'
import { fromHex, utf8 } from '../lib/bytes.ts'
import { digest } from '../lib/ids.ts'
import { type OperatorKey, operatorKeyOf, verifySignature } from './act.ts'
import type { SignerHead } from './signer-messages.ts'
import { taggedHash } from './tagged-hash.ts'

/** Before the first entry of a signer's memory. */
export const NO_HEAD: SignerHead = { position: 0, hash: digest('0'.repeat(64)) }

/** Which two heads an operator has seen to differ, and lets the signer go on from. */
export type HeadPair = {
  /** Where the signer's memory ends. */
  readonly signer: SignerHead
  /** The newest head of that signer that the pool has on record. */
  readonly pool: SignerHead
}

/** An approver's word that a signer whose memory does not hold the pool's head may go on. */
export type HeadConfirmation = HeadPair & {
  readonly operator: OperatorKey
  /** BIP 340, 64 bytes. */
  readonly signature: Uint8Array
}

/** The 32 bytes that an approver signs to let a signer go on. */
export function headPairHash({ signer, pool }: HeadPair): Uint8Array {
  return taggedHash('sidepool/signer-head/1', headBytes(signer), headBytes(pool))
}

/** @param secretKey 32 bytes, a valid secp256k1 scalar */
export function confirmHeads(secretKey: Uint8Array, pair: HeadPair): HeadConfirmation {
  const signature = secp256k1.signSchnorr(headPairHash(pair), secretKey)
  return { ...pair, operator: operatorKeyOf(secretKey), signature }
}

/** Whether the signature is the operator's over exactly these two heads. */
export function verifyConfirmation(confirmation: HeadConfirmation): boolean {
  const { operator, signature } = confirmation
  return verifySignature(operator, headPairHash(confirmation), signature)
}

/** Unambiguous, since the hash has a fixed length. */
function headBytes({ position, hash }: SignerHead): Uint8Array {
  return new Uint8Array([...fromHex(hash), ...utf8(`${position};`)])
}
