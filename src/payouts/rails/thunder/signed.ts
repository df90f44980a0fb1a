import { assert } from '../../../lib/assert.ts'
import { concat, equalBytes } from '../../../lib/bytes.ts'
import type { Txid } from '../../../lib/ids.ts'
import type { Authorization } from '../../../lib/thunder/authorization.ts'
import { u32Bytes } from '../../../lib/thunder/borsh.ts'
import {
  parseTransaction,
  type ThunderTransaction,
  thunderTxid,
} from '../../../lib/thunder/transaction.ts'

const COUNT_BYTES = 4
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const AUTHORIZATION_BYTES = KEY_BYTES + SIGNATURE_BYTES

/** A transaction with one authorization for each input. */
export type Signed = {
  /** From `transactionBytes`: what the txid is of, and what was signed. */
  readonly bytes: Uint8Array
  readonly transaction: ThunderTransaction
  readonly authorizations: readonly Authorization[]
}

/**
 * What is stored of a signed version: the bytes of the transaction, and behind them, as borsh has
 * a list, key and signature of each input. What a node is sent is written from it alone, so that a
 * repeat sends the same.
 */
export function signedBytes(
  bytes: Uint8Array,
  authorizations: readonly Authorization[],
): Uint8Array {
  const written = concat(
    bytes,
    u32Bytes(authorizations.length),
    ...authorizations.map(({ publicKey, signature }) => concat(publicKey, signature)),
  )
  assert(parseSigned(written) !== null, 'what is stored can be read again')
  return written
}

/** @returns null where they are no signed transaction, written in its one way */
export function parseSigned(raw: Uint8Array): Signed | null {
  // The list at the end has as many items as the list at the front, which begins with its count.
  if (raw.length < COUNT_BYTES) return null
  const count = new DataView(raw.buffer, raw.byteOffset).getUint32(0, true)
  const end = raw.length - COUNT_BYTES - count * AUTHORIZATION_BYTES
  if (end < COUNT_BYTES) return null
  const bytes = raw.slice(0, end)
  if (!equalBytes(raw.subarray(end, end + COUNT_BYTES), u32Bytes(count))) return null
  const transaction = parseTransaction(bytes)
  if (transaction === null) return null
  const authorizations = Array.from({ length: count }, (_, index): Authorization => {
    const from = end + COUNT_BYTES + index * AUTHORIZATION_BYTES
    return {
      publicKey: raw.slice(from, from + KEY_BYTES),
      signature: raw.slice(from + KEY_BYTES, from + AUTHORIZATION_BYTES),
    }
  })
  return { bytes, transaction, authorizations }
}

/** The id of signed bytes. @throws Error where they are no signed transaction */
export function txidOf(raw: Uint8Array): Txid {
  const signed = parseSigned(raw)
  assert(signed !== null, 'signed bytes of ours can be read')
  return thunderTxid(signed.bytes)
}
