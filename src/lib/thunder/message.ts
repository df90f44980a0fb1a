import { ed25519 } from '@noble/curves/ed25519.js'
import { blake3 } from '@noble/hashes/blake3.js'
import { assert } from '../assert.ts'
import { utf8 } from '../bytes.ts'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** An address is so much of the key's hash. */
const ADDRESS_BYTES = 20
/** A longer message is refused before anything is hashed. */
const MESSAGE_CHARACTERS_MAX = 4000

/** Whether the holder of a Thunder address signed a message; the reason is for whoever signed. */
export type ThunderVerdict =
  | { readonly kind: 'signed' }
  | { readonly kind: 'refused'; readonly reason: string }

/** A signature with the key that it names: an address is a hash, from which no key follows. */
export type ThunderProof = {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/**
 * Checks an ed25519 signature over a message's UTF-8 by the key whose hash the address is.
 *
 * A transaction of Thunder is signed without a tag, so a message must not be readable as one: it
 * begins with letters, which as the count of inputs would be more than any block can hold.
 *
 * @param address in its bare form
 * Source: RFC 8032, in its strict reading; thunder-rust, types/authorization.rs.
 */
export function verifyThunderMessage(
  address: string,
  message: string,
  { publicKey, signature }: ThunderProof,
): ThunderVerdict {
  if (message.length > MESSAGE_CHARACTERS_MAX) return refused('the message is too long')
  if (publicKey.length !== KEY_BYTES) return refused('a public key has 32 bytes')
  if (signature.length !== SIGNATURE_BYTES) return refused('a signature has 64 bytes')
  if (thunderAddressOf(publicKey) !== address) return refused('the key is not of this address')
  const isSigned = ed25519.verify(signature, utf8(message), publicKey, { zip215: false })
  return isSigned ? { kind: 'signed' } : refused('the signature is not of this message')
}

/**
 * The bare address of a public key: base58, without version or checksum, of the first 20 bytes of
 * its BLAKE3. Vectors: test/vectors/thunder-key.json.
 */
export function thunderAddressOf(publicKey: Uint8Array): string {
  assert(publicKey.length === KEY_BYTES, 'an ed25519 key has 32 bytes')
  const bytes = blake3(publicKey).subarray(0, ADDRESS_BYTES)
  let value = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  let text = ''
  for (; value > 0n; value /= 58n) text = (ALPHABET[Number(value % 58n)] ?? '') + text
  const zeros = bytes.findIndex(byte => byte !== 0)
  return '1'.repeat(zeros < 0 ? ADDRESS_BYTES : zeros) + text
}

function refused(reason: string): ThunderVerdict {
  return { kind: 'refused', reason }
}
