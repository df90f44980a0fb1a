import { ed25519 } from '@noble/curves/ed25519.js'
import { utf8 } from '../bytes.ts'
import { type Authorization, addressOfKey } from './authorization.ts'

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** A longer message is refused before anything is hashed. */
const MESSAGE_CHARACTERS_MAX = 4000

/** Whether the holder of a Thunder address signed a message; the reason is for whoever signed. */
export type ThunderVerdict =
  | { readonly kind: 'signed' }
  | { readonly kind: 'refused'; readonly reason: string }

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
  { publicKey, signature }: Authorization,
): ThunderVerdict {
  if (message.length > MESSAGE_CHARACTERS_MAX) return refused('the message is too long')
  if (publicKey.length !== KEY_BYTES) return refused('a public key has 32 bytes')
  if (signature.length !== SIGNATURE_BYTES) return refused('a signature has 64 bytes')
  if (addressOfKey(publicKey) !== address) return refused('the key is not of this address')
  const isSigned = ed25519.verify(signature, utf8(message), publicKey, { zip215: false })
  return isSigned ? { kind: 'signed' } : refused('the signature is not of this message')
}

function refused(reason: string): ThunderVerdict {
  return { kind: 'refused', reason }
}
