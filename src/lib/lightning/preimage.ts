import { sha256 } from '../bitcoin/hash.ts'
import { fromHex, toHex } from '../bytes.ts'
import { type PaymentHash, type Preimage, preimage } from '../ids.ts'

/**
 * Reads what somebody shows as the preimage of a hash. It proves that the payee was paid, whoever
 * shows it: before that only the payee has it.
 *
 * @param text hex in either case
 * @returns null for what is no preimage, or that of another hash
 * Source: BOLT 2, `update_fulfill_htlc`.
 */
export function parsePreimage(text: string, hash: PaymentHash): Preimage | null {
  const lower = text.toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(lower)) return null
  return toHex(sha256(fromHex(lower))) === hash ? preimage(lower) : null
}
