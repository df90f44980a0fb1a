import { ed25519 } from '@noble/curves/ed25519.js'
import { blake3 } from '@noble/hashes/blake3.js'
import { assert } from '../assert.ts'
import { bareAddress, THUNDER_ADDRESS_BYTES, type ThunderAddress } from './address.ts'

/** That the owner of one input agrees; a transaction has one for each, in the inputs' order. */
export type Authorization = {
  /** 32 bytes: an address is a hash, from which no key follows. */
  readonly publicKey: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** Whether all owners agree; the reason is for whoever made the authorizations. */
export type AuthorizationVerdict =
  | { readonly kind: 'authorized' }
  | { readonly kind: 'refused'; readonly reason: string }

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64

/**
 * The address of a public key: the first 20 bytes of its BLAKE3.
 *
 * Source: thunder-rust, types/authorization.rs. Vectors: test/vectors/thunder-key.json.
 */
export function addressOfKey(publicKey: Uint8Array): ThunderAddress {
  assert(publicKey.length === KEY_BYTES, 'an ed25519 key has 32 bytes')
  return bareAddress(blake3(publicKey).subarray(0, THUNDER_ADDRESS_BYTES))
}

/**
 * Signs a transaction for one of its inputs. There is no chance in a signature of this kind: the
 * same key and bytes give the same one.
 *
 * @param bytes from `transactionBytes`, signed as they are, without a tag
 * Source: RFC 8032. Vectors: test/vectors/thunder/transactions.json.
 */
export function authorize(bytes: Uint8Array, privateKey: Uint8Array): Authorization {
  return {
    publicKey: ed25519.getPublicKey(privateKey),
    signature: ed25519.sign(bytes, privateKey),
  }
}

/**
 * Checks that each spent coin's owner signed the transaction: one authorization an input, in its
 * order, by the key whose address the coin has. A signature that only lax readings of the
 * standard take is refused, so what passes here passes at every node.
 *
 * @param bytes from `transactionBytes`
 * @param owners the addresses of the spent coins, in the order of the inputs
 */
export function checkAuthorizations(
  bytes: Uint8Array,
  owners: readonly ThunderAddress[],
  authorizations: readonly Authorization[],
): AuthorizationVerdict {
  if (authorizations.length !== owners.length)
    return refused(`${owners.length} inputs have ${authorizations.length} authorizations`)
  for (const [index, { publicKey, signature }] of authorizations.entries()) {
    if (publicKey.length !== KEY_BYTES) return refused(`key ${index} has not 32 bytes`)
    if (signature.length !== SIGNATURE_BYTES) return refused(`signature ${index} has not 64 bytes`)
    if (addressOfKey(publicKey) !== owners[index])
      return refused(`key ${index} is not of the address that it spends from`)
    if (!ed25519.verify(signature, bytes, publicKey, { zip215: false }))
      return refused(`signature ${index} is not of this transaction`)
  }
  return { kind: 'authorized' }
}

function refused(reason: string): AuthorizationVerdict {
  return { kind: 'refused', reason }
}
