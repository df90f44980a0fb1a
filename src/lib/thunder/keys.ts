import { ed25519 } from '@noble/curves/ed25519.js'
import { hmac } from '@noble/hashes/hmac.js'
import { pbkdf2 } from '@noble/hashes/pbkdf2.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { assert } from '../assert.ts'
import { concat, utf8 } from '../bytes.ts'
import type { ThunderAddress } from './address.ts'
import { addressOfKey } from './authorization.ts'

/** One key of a Thunder wallet. */
export type ThunderKey = {
  /** 32 bytes, which spend what the address holds. */
  readonly privateKey: Uint8Array
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly address: ThunderAddress
}

/** The path of a Thunder wallet, to which the index of the address is added. */
const WALLET_PATH = [1, 0, 0] as const
const INDEX_MAX = 0x7fff_ffff
const HARDENED = 0x8000_0000
const SEED_ROUNDS = 2048
const SEED_BYTES = 64
const KEY_BYTES = 32

/**
 * The seed of a mnemonic without a passphrase, 64 bytes. Its words are not looked up: a wrong one
 * gives another wallet, so whoever reads a seed compares the addresses that follow from it.
 *
 * @param mnemonic words separated by white space; null unless they are 12, 15, 18, 21 or 24
 * Source: BIP 39.
 */
export function seedOfMnemonic(mnemonic: string): Uint8Array | null {
  const words = mnemonic.trim().toLowerCase().normalize('NFKD').split(/\s+/)
  if (words.length % 3 !== 0 || words.length < 12 || words.length > 24) return null
  return pbkdf2(sha512, utf8(words.join(' ')), utf8('mnemonic'), {
    c: SEED_ROUNDS,
    dkLen: SEED_BYTES,
  })
}

/**
 * The key of a Thunder wallet's address: m/1'/0'/0'/index'. The node gives out index 1 first.
 *
 * Source: SLIP-0010; thunder-rust, lib/wallet.rs. Vectors: test/vectors/thunder/transactions.json.
 */
export function thunderKey(seed: Uint8Array, index: number): ThunderKey {
  const privateKey = deriveEd25519(seed, [...WALLET_PATH, index])
  const publicKey = ed25519.getPublicKey(privateKey)
  return { privateKey, publicKey, address: addressOfKey(publicKey) }
}

/**
 * The private key at a path, every step of which is hardened: ed25519 has no other.
 *
 * Source: SLIP-0010. Vectors: test/vectors/slip10.json.
 */
export function deriveEd25519(seed: Uint8Array, path: readonly number[]): Uint8Array {
  let node = hmac(sha512, utf8('ed25519 seed'), seed)
  for (const index of path) {
    assert(Number.isInteger(index) && index >= 0 && index <= INDEX_MAX, 'an index has 31 bits')
    const step = new Uint8Array(4)
    new DataView(step.buffer).setUint32(0, HARDENED + index)
    const [key, chainCode] = [node.subarray(0, KEY_BYTES), node.subarray(KEY_BYTES)]
    node = hmac(sha512, chainCode, concat(Uint8Array.of(0), key, step))
  }
  return node.slice(0, KEY_BYTES)
}
