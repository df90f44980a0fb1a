import { blake3 } from '@noble/hashes/blake3.js'
import { assert, unreachable } from '../assert.ts'
import { concat, fromHex, reversed, toHex } from '../bytes.ts'
import { type Txid, txid } from '../ids.ts'
import { MAX_MONEY_SATS, type Sats, sats } from '../money.ts'
import {
  addressPayload,
  bareAddress,
  THUNDER_ADDRESS_BYTES,
  type ThunderAddress,
} from './address.ts'
import { type BorshReader, borshReader, u32Bytes, u64Bytes, vecBytes } from './borsh.ts'

/** Where a coin of Thunder was made: by a transaction, by a block's fees, or by a deposit. */
export type OutPoint = {
  readonly kind: 'regular' | 'coinbase' | 'deposit'
  /**
   * 64 lower-case hex digits as Thunder writes them: a txid or a Merkle root in the order of its
   * bytes, the main chain's txid of a deposit in display order. No two kinds share a hash.
   */
  readonly hash: string
  readonly vout: number
}

/** What an output holds: coins, or coins that wait to leave for the main chain. */
export type OutputContent =
  | { readonly kind: 'value'; readonly value: Sats }
  | {
      readonly kind: 'withdrawal'
      readonly value: Sats
      /** Of the bundle's transaction on the main chain; the sender pays it on top of the value. */
      readonly mainFee: Sats
      /** The output script on the main chain. */
      readonly mainScript: Uint8Array
    }

/** An output, or a coin once it is in a block. */
export type Output = { readonly address: ThunderAddress; readonly content: OutputContent }

/** A coin to spend, and the hash that binds the transaction to what the coin holds. */
export type Input = {
  readonly outPoint: OutPoint
  /** 32 bytes, from `utxoHash`. */
  readonly utxoHash: Uint8Array
}

/** What is signed and hashed; the proof that its inputs are unspent is no part of it. */
export type ThunderTransaction = {
  readonly inputs: readonly Input[]
  readonly outputs: readonly Output[]
}

const HASH_BYTES = 32
const KINDS = ['regular', 'coinbase', 'deposit'] as const
const VALUE_TAG = 0
const WITHDRAWAL_TAG = 1
/** The largest block body while the chain is young; longer bytes are not looked at. */
const TRANSACTION_BYTES_MAX = 8 * 1024 * 1024

/** 37 bytes: tag ‖ hash in the order of its own chain's bytes ‖ index. */
export function outPointBytes({ kind, hash, vout }: OutPoint): Uint8Array {
  const bytes = fromHex(hash)
  assert(bytes.length === HASH_BYTES, 'an outpoint names a hash of 32 bytes')
  const internal = kind === 'deposit' ? reversed(bytes) : bytes
  return concat(Uint8Array.of(KINDS.indexOf(kind)), internal, u32Bytes(vout))
}

/** Address ‖ tag ‖ value, for a withdrawal with ‖ main fee ‖ length ‖ script. */
export function outputBytes({ address, content }: Output): Uint8Array {
  const payload = addressPayload(address)
  switch (content.kind) {
    case 'value':
      return concat(payload, Uint8Array.of(VALUE_TAG), u64Bytes(content.value))
    case 'withdrawal': {
      const { value, mainFee, mainScript } = content
      const amounts = concat(u64Bytes(value), u64Bytes(mainFee))
      const script = concat(u32Bytes(mainScript.length), mainScript)
      return concat(payload, Uint8Array.of(WITHDRAWAL_TAG), amounts, script)
    }
    default:
      return unreachable(content)
  }
}

/** What spending this output takes from its coins: of a withdrawal, with the main chain's fee. */
export function outputTotal({ content }: Output): Sats {
  return content.kind === 'value' ? content.value : sats(content.value + content.mainFee)
}

/** The hash by which an input names the coin that it spends, with its owner and its amount. */
export function utxoHash(outPoint: OutPoint, output: Output): Uint8Array {
  return blake3(concat(outPointBytes(outPoint), outputBytes(output)))
}

/**
 * The bytes that are hashed for the txid and that every owner of an input signs.
 *
 * Source: thunder-rust, types/transaction.rs, in borsh. Vectors: test/vectors/thunder-tx.json,
 * test/vectors/thunder/transactions.json.
 */
export function transactionBytes({ inputs, outputs }: ThunderTransaction): Uint8Array {
  const spends = inputs.map(input => {
    assert(input.utxoHash.length === HASH_BYTES, "a coin's hash has 32 bytes")
    return concat(outPointBytes(input.outPoint), input.utxoHash)
  })
  return concat(vecBytes(spends), vecBytes(outputs.map(outputBytes)))
}

/** The transaction's id, in the order of its bytes as Thunder writes it; known before signing. */
export function thunderTxid(bytes: Uint8Array): Txid {
  return txid(toHex(blake3(bytes)))
}

/**
 * Reads what `transactionBytes` writes; the same bytes come out again.
 *
 * @returns null when the bytes are anything else, or an amount is more than all bitcoin
 */
export function parseTransaction(bytes: Uint8Array): ThunderTransaction | null {
  if (bytes.length > TRANSACTION_BYTES_MAX) return null
  const reader = borshReader(bytes)
  const inputs = reader.vec(() => readInput(reader))
  const outputs = inputs && reader.vec(() => readOutput(reader))
  return inputs && outputs && reader.left() === 0 ? { inputs, outputs } : null
}

function readInput(reader: BorshReader): Input | null {
  const kind = KINDS[reader.u8() ?? KINDS.length]
  const hash = reader.bytes(HASH_BYTES)
  const vout = reader.u32()
  const coinHash = reader.bytes(HASH_BYTES)
  if (kind === undefined || hash === null || vout === null || coinHash === null) return null
  const shown = toHex(kind === 'deposit' ? reversed(hash) : hash)
  return { outPoint: { kind, hash: shown, vout }, utxoHash: coinHash }
}

function readOutput(reader: BorshReader): Output | null {
  const payload = reader.bytes(THUNDER_ADDRESS_BYTES)
  const content = readContent(reader)
  return payload && content && { address: bareAddress(payload), content }
}

function readContent(reader: BorshReader): OutputContent | null {
  const tag = reader.u8()
  const value = readSats(reader)
  if (value === null) return null
  if (tag === VALUE_TAG) return { kind: 'value', value }
  if (tag !== WITHDRAWAL_TAG) return null
  const mainFee = readSats(reader)
  const scriptBytes = reader.u32()
  const mainScript = scriptBytes === null ? null : reader.bytes(scriptBytes)
  if (mainFee === null || mainScript === null) return null
  return value + mainFee > MAX_MONEY_SATS
    ? null
    : { kind: 'withdrawal', value, mainFee, mainScript }
}

function readSats(reader: BorshReader): Sats | null {
  const amount = reader.u64()
  return amount === null || amount > MAX_MONEY_SATS ? null : sats(amount)
}
