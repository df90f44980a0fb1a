import { sha256 } from '@noble/hashes/sha2.js'
import { concat, utf8 } from '../lib/bytes.ts'

/**
 * A hash that means one thing only: sha256(sha256(tag) ‖ sha256(tag) ‖ message).
 * Bytes hashed under one tag never pass under another.
 *
 * Source: BIP 340, "tagged hash".
 */
export function taggedHash(tag: string, ...message: readonly Uint8Array[]): Uint8Array {
  const tagHash = sha256(utf8(tag))
  return sha256(concat(tagHash, tagHash, ...message))
}
