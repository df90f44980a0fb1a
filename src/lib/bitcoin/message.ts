import { sha256 } from '@noble/hashes/sha2.js'
import { Transaction } from 'bitcoinjs-lib'
import { concat, utf8 } from '../bytes.ts'
import type { AddressOutcome } from './address.ts'
import { whyLegacyRefused } from './message-legacy.ts'
import { whySpendRefused, withScriptSig } from './message-spend.ts'
import { opReturnAlone, readWitness } from './message-witness.ts'

/** An address as `parseAddress` gives it. */
export type ParsedAddress = Extract<AddressOutcome, { kind: 'address' }>

/** Whether the holder of an address signed a message. */
export type MessageVerdict =
  | {
      readonly kind: 'signed'
      readonly format: 'bip322' | 'legacy'
      /** Not before this height or time, and this age of a coin; both 0 is always. */
      readonly lockTime: number
      readonly sequence: number
    }
  /** The reason is for whoever signed. Also where a script is not one that is understood here. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Longer messages and signatures are refused before anything is hashed. */
export const MESSAGE_CHARACTERS_MAX = 4000
export const SIGNATURE_CHARACTERS_MAX = 4000

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const VARIANT = /^(smp|ful|pof)/
/** Legacy signatures have just this length, and no witness stack that could count has it. */
const LEGACY_BYTES = 65
/** A version of `to_sign` that consensus gives no further meaning. */
const VERSIONS = [0, 2]

/**
 * Checks a signed message: BIP 322, simple and full, of P2PKH, P2WPKH, P2SH-P2WPKH, P2TR by its key,
 * and multisig in P2SH, P2WSH or both; and the older "Bitcoin Signed Message" (message-legacy.ts).
 * A simple signature counts for P2SH-P2WPKH too, as wallets make it, since the script follows from
 * the key. Time-locked and other scripts, and proofs of funds, are refused: nothing here could tell
 * whether they hold.
 *
 * @param signature base64, with the variant before it (`smp`, `ful`) or without
 * Source: BIP 322, version 2.0.0. Vectors: test/vectors/bip322.json.
 */
export function verifyMessage(
  address: ParsedAddress,
  message: string,
  signature: string,
): MessageVerdict {
  if (message.length > MESSAGE_CHARACTERS_MAX) return refused('the message is too long')
  if (signature.length > SIGNATURE_CHARACTERS_MAX) return refused('the signature is too long')
  const variant = VARIANT.exec(signature)?.[1] ?? ''
  const bytes = fromBase64(signature.slice(variant.length))
  if (bytes === null) return refused('the signature is not base64')
  if (bytes.length === 0) return refused('the signature is empty')
  if (variant === 'pof') return refused('a proof of funds is not understood here')
  if (variant === 'ful') return checkFull(address, message, bytes)
  if (variant === 'smp') return checkSimple(address, message, bytes)
  if (bytes.length === LEGACY_BYTES) return checkLegacy(address, message, bytes)
  // Before the BIP was final nothing told the variants apart, and nodes still write them so. No
  // bytes are both: a version of 0 or 2 is a stack of items that ends long before its bytes do.
  const isTransaction = readWitness(bytes) === null && readTransaction(bytes) !== null
  return isTransaction ? checkFull(address, message, bytes) : checkSimple(address, message, bytes)
}

/**
 * The transaction that pays to the address and commits to the message.
 * Source: BIP 322, `to_spend`.
 */
export function transactionToSpend(script: Uint8Array, message: string): Transaction {
  const tx = new Transaction()
  tx.version = 0
  const scriptSig = concat(Uint8Array.of(0, 32), messageHash(message))
  tx.addInput(new Uint8Array(32), 0xffffffff, 0, scriptSig)
  tx.addOutput(script, 0n)
  return tx
}

/** The transaction that spends it and is worth nothing, not signed. Source: BIP 322, `to_sign`. */
export function transactionToSign(toSpend: Transaction): Transaction {
  const tx = new Transaction()
  tx.version = 0
  tx.addInput(toSpend.getHash(), 0, 0)
  tx.addOutput(opReturnAlone(), 0n)
  return tx
}

/** A hash that only messages have: 32 bytes. Source: BIP 322; BIP 340, "tagged hash". */
export function messageHash(message: string): Uint8Array {
  const tag = sha256(utf8('BIP0322-signed-message'))
  return sha256(concat(tag, tag, utf8(message)))
}

function checkSimple(address: ParsedAddress, message: string, bytes: Uint8Array): MessageVerdict {
  if (address.type === 'p2pkh') return refused('this address takes a legacy or full signature')
  const witness = readWitness(bytes)
  if (witness === null) return refused('the signature is no witness stack')
  const unsigned = transactionToSign(transactionToSpend(address.script, message))
  const toSign = withScriptSig(unsigned, address.type, witness)
  const reason = whySpendRefused(toSign, address)
  return reason === null ? signed('bip322', toSign) : refused(reason)
}

function checkFull(address: ParsedAddress, message: string, bytes: Uint8Array): MessageVerdict {
  const toSign = readTransaction(bytes)
  const [input] = toSign?.ins ?? []
  if (!toSign || !input) return refused('the signature is no transaction')
  const expected = transactionToSign(transactionToSpend(address.script, message))
  const reason = whyNotToSign(toSign, expected) ?? whySpendRefused(toSign, address)
  return reason === null ? signed('bip322', toSign) : refused(reason)
}

function checkLegacy(address: ParsedAddress, message: string, bytes: Uint8Array): MessageVerdict {
  const reason = whyLegacyRefused(address, message, bytes)
  if (reason !== null) return refused(reason)
  return { kind: 'signed', format: 'legacy', lockTime: 0, sequence: 0 }
}

/** Everything of the transaction but its signatures. */
function whyNotToSign(given: Transaction, expected: Transaction): string | null {
  if (!VERSIONS.includes(given.version)) return 'the signature has an unknown version'
  if (given.ins.length !== 1) return 'a signature with further inputs is not understood here'
  const bare = given.clone()
  bare.version = expected.version
  bare.locktime = expected.locktime
  for (const input of bare.ins) {
    input.script = new Uint8Array()
    input.sequence = 0
  }
  // The id leaves the witness out, and commits to the spent output and the only output.
  return bare.getId() === expected.getId() ? null : WRONG
}

const WRONG = 'the signature is not of this message by this address'

function readTransaction(bytes: Uint8Array): Transaction | null {
  try {
    return Transaction.fromBuffer(bytes)
  } catch {
    // The library says by throwing that bytes are no transaction; here that is an answer.
    return null
  }
}

function fromBase64(text: string): Uint8Array | null {
  return BASE64.test(text) ? Uint8Array.from(atob(text), char => char.charCodeAt(0)) : null
}

function signed(format: 'bip322', { locktime, ins: [input] }: Transaction): MessageVerdict {
  return { kind: 'signed', format, lockTime: locktime, sequence: input?.sequence ?? 0 }
}

function refused(reason: string): MessageVerdict {
  return { kind: 'refused', reason }
}
