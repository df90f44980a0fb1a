import { script as codec, crypto, Transaction } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { unreachable } from '../assert.ts'
import { concat, equalBytes } from '../bytes.ts'
import type { ScriptType } from './address.ts'
import { sha256 } from './hash.ts'
import type { ParsedAddress } from './message.ts'
import { pushData } from './script.ts'

const NO_BYTES = new Uint8Array()
const COMPRESSED_KEY_BYTES = 33
const SCHNORR_BYTES = 64
const OP_1_MINUS_1 = 0x50
const OP_CHECKMULTISIG = 0xae
/** Keys of one multisig script. Source: Bitcoin Core, a standard P2SH or P2WSH one. */
const MULTISIG_KEYS_MAX = 15

const WRONG = 'the signature is not of this message by this address'
const UNKNOWN_SCRIPT = 'the address has a script that is not understood here'

/** The script inside P2SH that wraps a segwit key. Source: BIP 141, P2WPKH nested in P2SH. */
export function nestedScript(key: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(0, 20), crypto.hash160(key))
}

/** With a simple signature's witness, and the scriptSig that a wrapped key's address needs. */
export function withScriptSig(
  unsigned: Transaction,
  type: ScriptType,
  witness: readonly Uint8Array[],
): Transaction {
  const tx = unsigned.clone()
  tx.setWitness(0, [...witness])
  const [, key] = witness
  if (type === 'p2sh' && key) tx.setInputScript(0, pushData(nestedScript(key)))
  return tx
}

/**
 * Whether the only input of `to_sign` is signed as the address demands.
 *
 * @returns null where it is, or why it is not
 */
export function whySpendRefused(toSign: Transaction, address: ParsedAddress): string | null {
  const { script, type } = address
  const input = toSign.ins[0]
  if (!input) return WRONG
  const { witness, script: scriptSig } = input
  const isNative = type === 'p2wpkh' || type === 'p2wsh' || type === 'p2tr'
  if (isNative && scriptSig.length > 0) return 'a segwit address is signed by a witness alone'
  switch (type) {
    case 'p2pkh':
      return witness.length > 0 ? WRONG : p2pkh(toSign, script)
    case 'p2sh':
      return p2sh(toSign, script)
    case 'p2wpkh':
      return p2wpkh(toSign, script.subarray(2))
    case 'p2wsh':
      return p2wsh(toSign, script.subarray(2))
    case 'p2tr':
      return p2tr(toSign, script)
    case 'future witness':
      return 'nobody can sign for an address of that version yet'
    default:
      return unreachable(type)
  }
}

function p2pkh(tx: Transaction, script: Uint8Array): string | null {
  const [signature, key, ...more] = pushesOf(tx) ?? []
  if (!signature || !key || more.length > 0) return WRONG
  if (!equalBytes(crypto.hash160(key), script.subarray(3, 23))) return WRONG
  const hash = tx.hashForSignature(0, script, Transaction.SIGHASH_ALL)
  return isSigned(hash, key, signature) ? null : WRONG
}

function p2wpkh(tx: Transaction, program: Uint8Array): string | null {
  const [signature, key, ...more] = tx.ins[0]?.witness ?? []
  if (!signature || !key || more.length > 0) return WRONG
  if (key.length !== COMPRESSED_KEY_BYTES) return WRONG
  if (!equalBytes(crypto.hash160(key), program)) return WRONG
  // Source: BIP 143, the scriptCode of P2WPKH.
  const code = concat(Uint8Array.of(0x76, 0xa9, 20), program, Uint8Array.of(0x88, 0xac))
  const hash = tx.hashForWitnessV0(0, code, 0n, Transaction.SIGHASH_ALL)
  return isSigned(hash, key, signature) ? null : WRONG
}

function p2wsh(tx: Transaction, program: Uint8Array): string | null {
  const stack = tx.ins[0]?.witness ?? []
  const script = stack.at(-1)
  if (!script || !equalBytes(sha256(script), program)) return WRONG
  const hash = tx.hashForWitnessV0(0, script, 0n, Transaction.SIGHASH_ALL)
  return multisig(script, stack.slice(0, -1), hash)
}

/** By its key only: what a script path proves depends on the script. */
function p2tr(tx: Transaction, script: Uint8Array): string | null {
  const [signature, ...more] = tx.ins[0]?.witness ?? []
  if (!signature) return WRONG
  if (more.length > 0) return UNKNOWN_SCRIPT
  const type = signature.length > SCHNORR_BYTES ? signature[SCHNORR_BYTES] : undefined
  const isAll = type === Transaction.SIGHASH_ALL && signature.length === SCHNORR_BYTES + 1
  if (signature.length !== SCHNORR_BYTES && !isAll) return WRONG
  const hashType = isAll ? Transaction.SIGHASH_ALL : Transaction.SIGHASH_DEFAULT
  const hash = tx.hashForWitnessV1(0, [script], [0n], hashType)
  const key = script.subarray(2)
  return secp256k1.verifySchnorr(hash, key, signature.subarray(0, SCHNORR_BYTES)) ? null : WRONG
}

function p2sh(tx: Transaction, script: Uint8Array): string | null {
  const pushes = pushesOf(tx)
  const redeem = pushes?.at(-1)
  if (!pushes || !redeem) return WRONG
  if (!equalBytes(crypto.hash160(redeem), script.subarray(2, 22))) return WRONG
  const isWitness = redeem[0] === 0 && redeem[1] === redeem.length - 2
  if (isWitness && pushes.length !== 1) return WRONG
  if (isWitness && redeem.length === 22) return p2wpkh(tx, redeem.subarray(2))
  if (isWitness && redeem.length === 34) return p2wsh(tx, redeem.subarray(2))
  if ((tx.ins[0]?.witness.length ?? 0) > 0) return WRONG
  const hash = tx.hashForSignature(0, redeem, Transaction.SIGHASH_ALL)
  return multisig(redeem, pushes.slice(0, -1), hash)
}

/** @param stack the empty item that OP_CHECKMULTISIG takes off, and the signatures */
function multisig(
  script: Uint8Array,
  [dummy, ...signatures]: readonly Uint8Array[],
  hash: Uint8Array,
): string | null {
  const wanted = readMultisig(script)
  if (wanted === null) return UNKNOWN_SCRIPT
  if (dummy?.length !== 0 || signatures.length !== wanted.threshold) return WRONG
  // Signatures stand in the order of their keys, so one walk over the keys meets them all.
  const left = [...signatures]
  for (const key of wanted.keys) if (left[0] && isSigned(hash, key, left[0])) left.shift()
  return left.length === 0 ? null : WRONG
}

function readMultisig(script: Uint8Array): { threshold: number; keys: Uint8Array[] } | null {
  const threshold = (script[0] ?? 0) - OP_1_MINUS_1
  const count = (script.at(-2) ?? 0) - OP_1_MINUS_1
  if (threshold < 1 || threshold > count || count > MULTISIG_KEYS_MAX) return null
  const keys = Array.from({ length: count }, (_, index) => {
    const at = 2 + index * (COMPRESSED_KEY_BYTES + 1)
    return script.subarray(at, at + COMPRESSED_KEY_BYTES)
  })
  const same = concat(
    Uint8Array.of(OP_1_MINUS_1 + threshold),
    ...keys.map(key => concat(Uint8Array.of(COMPRESSED_KEY_BYTES), key)),
    Uint8Array.of(OP_1_MINUS_1 + count, OP_CHECKMULTISIG),
  )
  return equalBytes(same, script) ? { threshold, keys } : null
}

/** What the scriptSig pushes, or null unless it is pushes in their shortest form and no more. */
function pushesOf(tx: Transaction): Uint8Array[] | null {
  const scriptSig = tx.ins[0]?.script ?? NO_BYTES
  const chunks = codec.decompile(scriptSig)
  if (chunks === null || !equalBytes(codec.compile(chunks), scriptSig)) return null
  const pushes = chunks.map(chunk => (chunk === 0 ? NO_BYTES : chunk))
  return pushes.every(push => typeof push !== 'number') ? pushes : null
}

/** Strict DER, a low S and SIGHASH_ALL, as BIP 322 requires. */
function isSigned(hash: Uint8Array, key: Uint8Array, signature: Uint8Array): boolean {
  try {
    const { hashType, signature: compact } = codec.signature.decode(signature)
    if (hashType !== Transaction.SIGHASH_ALL) return false
    return secp256k1.verify(hash, key, compact, true)
  } catch {
    // The libraries throw where bytes cannot be a key or a signature; here that is an answer.
    return false
  }
}
