import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../bytes.ts'

/** SHA-256. Source: FIPS 180-4. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes)
}

/** SHA-256 of the SHA-256: Bitcoin's hash of blocks and transactions, in internal order. */
export function sha256d(bytes: Uint8Array): Uint8Array {
  return nobleSha256(nobleSha256(bytes))
}

/** A hash as people write it: hex, with the internal order reversed. */
export function displayHash(internal: Uint8Array): string {
  return toHex(internal.slice().reverse())
}
