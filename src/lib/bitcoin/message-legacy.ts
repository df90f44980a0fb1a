import { crypto } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { assert } from '../assert.ts'
import { concat, equalBytes, utf8 } from '../bytes.ts'
import { sha256d } from './hash.ts'
import type { ParsedAddress } from './message.ts'
import { nestedScript } from './message-spend.ts'
import { compactSize } from './tx.ts'

/** What a header byte says of the key: from this one on, four of them by recovery id. */
const UNCOMPRESSED = 27
const COMPRESSED = 31
const NESTED_SEGWIT = 35
const SEGWIT = 39
const HEADER_MAX = 42

const MAGIC = utf8('Bitcoin Signed Message:\n')

/**
 * Checks a "Bitcoin Signed Message": a header byte and a compact ECDSA signature, from which the
 * public key is recovered and compared with the address.
 *
 * BIP 322 wants this for P2PKH alone. It counts here for P2WPKH and P2SH-P2WPKH as well, with the
 * header of BIP 137 (Trezor, Bitcoin-Qt's forks) or that of a P2PKH key (Electrum, Sparrow, Ledger),
 * because hardware wallets sign nothing else for such addresses. It proves no less: whoever forges
 * it needs a key that hashes to an address fixed before.
 *
 * @param signature 65 bytes
 * @returns null where it counts, or why it does not
 * Source: Bitcoin Core, MessageVerify; BIP 137.
 */
export function whyLegacyRefused(
  address: ParsedAddress,
  message: string,
  signature: Uint8Array,
): string | null {
  assert(signature.length === 65, 'a legacy signature has 65 bytes')
  const header = signature[0] ?? 0
  if (header < UNCOMPRESSED || header > HEADER_MAX) return 'the signature has an unknown header'
  const wanted = hashFor(address, header)
  if (wanted === null) return 'this kind of signature is not for this kind of address'
  const key = recoverKey(legacyHash(message), signature)
  const hash = key === null ? null : crypto.hash160(wanted.of(key))
  if (hash !== null && equalBytes(hash, wanted.hash)) return null
  return 'the signature is not of this message by this address'
}

/** What the address is the hash of, if a key with this header can have such an address. */
function hashFor({ type, script }: ParsedAddress, header: number) {
  const ofKey = (key: Uint8Array) => key
  const isCompressed = header >= COMPRESSED && header < NESTED_SEGWIT
  if (type === 'p2pkh' && header < NESTED_SEGWIT) return { hash: script.subarray(3, 23), of: ofKey }
  if (type === 'p2wpkh' && (isCompressed || header >= SEGWIT))
    return { hash: script.subarray(2), of: ofKey }
  const isNested = header >= NESTED_SEGWIT && header < SEGWIT
  if (type === 'p2sh' && (isCompressed || isNested))
    return { hash: script.subarray(2, 22), of: nestedScript }
  return null
}

function legacyHash(message: string): Uint8Array {
  const bytes = utf8(message)
  return sha256d(concat(compactSize(MAGIC.length), MAGIC, compactSize(bytes.length), bytes))
}

function recoverKey(hash: Uint8Array, signature: Uint8Array): Uint8Array | null {
  const header = signature[0] ?? 0
  const id = (header - UNCOMPRESSED) % 4
  if (id !== 0 && id !== 1 && id !== 2 && id !== 3) return null
  try {
    return secp256k1.recover(hash, signature.subarray(1), id, header >= COMPRESSED)
  } catch {
    // The library throws where the numbers cannot be a signature; a forger's bytes are an answer.
    return null
  }
}
