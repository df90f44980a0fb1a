import { Transaction } from 'bitcoinjs-lib'
import { assert } from '../assert.ts'
import { concat } from '../bytes.ts'
import { HEADER_BYTES } from './header.ts'

/** An output: value in satoshis, and its script. */
export type Output = { readonly value: bigint; readonly script: Uint8Array }

const SEGWIT_MARKER_AND_FLAG = Uint8Array.of(0, 1)
/** One stack item of 32 zero bytes: the witness reserved value. Source: BIP 141. */
const COINBASE_WITNESS = concat(Uint8Array.of(1, 32), new Uint8Array(32))
const VERSION_BYTES = 4
const LOCKTIME_BYTES = 4

/** Bitcoin's variable length integer, 1 to 5 bytes. Source: Bitcoin Core, WriteCompactSize. */
export function compactSize(n: number): Uint8Array {
  assert(n >>> 0 === n, 'a compact size of ours has 32 bits')
  if (n < 0xfd) return Uint8Array.of(n)
  const bytes = new Uint8Array(n <= 0xffff ? 3 : 5)
  bytes[0] = n <= 0xffff ? 0xfd : 0xfe
  const view = new DataView(bytes.buffer)
  if (n <= 0xffff) view.setUint16(1, n, true)
  else view.setUint32(1, n, true)
  return bytes
}

/**
 * Reads a compact size at the start of the bytes.
 *
 * @returns null when they are too short, or it needs more than 32 bits
 */
export function readCompactSize(
  bytes: Uint8Array,
): { readonly n: number; readonly length: number } | null {
  const [first] = bytes
  if (first === undefined) return null
  if (first < 0xfd) return { n: first, length: 1 }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (first === 0xfd && bytes.length >= 3) return { n: view.getUint16(1, true), length: 3 }
  if (first === 0xfe && bytes.length >= 5) return { n: view.getUint32(1, true), length: 5 }
  return null
}

/** An output as a transaction has it: value in 8 bytes, script with its length. */
export function outputBytes({ value, script }: Output): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return concat(bytes, compactSize(script.length), script)
}

/**
 * Adds the witness that a block's coinbase must have when the block commits to witnesses.
 *
 * @param coinbase the transaction as its txid sees it: one input, no witness
 */
export function withCoinbaseWitness(coinbase: Uint8Array): Uint8Array {
  const locktimeAt = coinbase.length - LOCKTIME_BYTES
  return concat(
    coinbase.subarray(0, VERSION_BYTES),
    SEGWIT_MARKER_AND_FLAG,
    coinbase.subarray(VERSION_BYTES, locktimeAt),
    COINBASE_WITNESS,
    coinbase.subarray(locktimeAt),
  )
}

/** Bytes of a coinbase's witness that no block carries without need: marker, flag, one item. */
export const COINBASE_WITNESS_BYTES = SEGWIT_MARKER_AND_FLAG.length + COINBASE_WITNESS.length

/**
 * Transactions as a job keeps them: their count, then each one raw.
 * The count is that of the transactions after the coinbase.
 */
export function packTransactions(transactions: readonly Uint8Array[]): Uint8Array {
  return concat(compactSize(transactions.length), ...transactions)
}

/**
 * The bytes of a block as it goes over the network.
 *
 * @param coinbase with its witness when the block commits to witnesses
 * @param packed the other transactions, from `packTransactions`
 */
export function assembleBlockBytes(
  header: Uint8Array,
  coinbase: Uint8Array,
  packed: Uint8Array,
): Uint8Array {
  assert(header.length === HEADER_BYTES, 'a header has 80 bytes')
  const count = readCompactSize(packed)
  assert(count !== null, 'packed transactions begin with their count')
  return concat(header, compactSize(count.n + 1), coinbase, packed.subarray(count.length))
}

/** What the pool reads of a coinbase that it found in a block. */
export type ParsedCoinbase = {
  readonly scriptSig: Uint8Array
  readonly outputs: readonly Output[]
}

/** Null unless the bytes are one whole transaction, and a coinbase. */
export function parseCoinbase(bytes: Uint8Array): ParsedCoinbase | null {
  const transaction = readTransaction(bytes, 'whole')
  const [input] = transaction?.ins ?? []
  if (!transaction?.isCoinbase() || !input) return null
  const outputs = transaction.outs.map(out => ({ value: out.value, script: out.script }))
  return { scriptSig: input.script, outputs }
}

/** The first transaction of a raw block, with its witness. Null when the bytes are no block. */
export function coinbaseOfBlock(block: Uint8Array): Uint8Array | null {
  const count = readCompactSize(block.subarray(HEADER_BYTES))
  if (count === null) return null
  const rest = block.subarray(HEADER_BYTES + count.length)
  return readTransaction(rest, 'first of several')?.toBuffer() ?? null
}

function readTransaction(
  bytes: Uint8Array,
  extent: 'whole' | 'first of several',
): Transaction | null {
  try {
    return Transaction.fromBuffer(bytes, extent === 'first of several')
  } catch {
    // The library says by throwing that bytes are no transaction; here that is an answer.
    return null
  }
}
