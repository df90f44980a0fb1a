import { assert } from '../lib/assert.ts'
import {
  COINBASE_SCRIPT_BYTES_MAX,
  PUSH_BYTES_MAX,
  pushData,
  pushHeight,
  readHeightPush,
} from '../lib/bitcoin/script.ts'
import {
  COINBASE_WITNESS_BYTES,
  compactSize,
  type Output,
  outputBytes,
  parseCoinbase,
} from '../lib/bitcoin/tx.ts'
import { concat, equalBytes, utf8 } from '../lib/bytes.ts'
import { type Sats, sats } from '../lib/money.ts'

/** Bytes that tell one session from another: the lease. */
export const EXTRANONCE1_BYTES = 4
/** Bytes that the miner counts through. 8 satisfies cgminer, Whatsminer and rental markets. */
export const EXTRANONCE2_BYTES = 8

/** A coinbase transaction without witness is coinbase1, extranonce1, extranonce2, coinbase2. */
export type CoinbaseHalves = {
  readonly coinbase1: Uint8Array
  readonly coinbase2: Uint8Array
}

const EXTRANONCE_BYTES = EXTRANONCE1_BYTES + EXTRANONCE2_BYTES
const VERSION = Uint8Array.of(2, 0, 0, 0)
/** The outpoint of no transaction, which only a coinbase spends. */
const NULL_OUTPOINT = concat(new Uint8Array(32), Uint8Array.of(0xff, 0xff, 0xff, 0xff))
const SEQUENCE_FINAL = Uint8Array.of(0xff, 0xff, 0xff, 0xff)
const LOCKTIME_NONE = new Uint8Array(4)

export type CoinbaseRequest = {
  readonly height: number
  /** Printable ASCII that names the pool. */
  readonly tag: string
  /** Makes each job's coinbase another one, so that a miner never hashes the same work twice. */
  readonly extraBytes: Uint8Array
  /** Output script that receives the whole value. */
  readonly payScript: Uint8Array
  readonly value: Sats
  /** Outputs that stand before ours, byte for byte and in this order. */
  readonly commitments: readonly Output[]
  /** Output script of the witness commitment; null when no transaction has a witness. */
  readonly witnessCommitment: Uint8Array | null
}

/** What a coinbase says when it has our layout; one that pays our script is ours. */
export type CoinbaseReading =
  | {
      readonly kind: 'ours' | 'paying others'
      readonly height: number
      readonly extranonce1: Uint8Array
      readonly extranonce2: Uint8Array
      /** What its outputs to our script sum to. */
      readonly value: Sats
      readonly outputs: readonly Output[]
    }
  | { readonly kind: 'foreign' }

/**
 * Builds the two halves around the extranonces, in the serialisation without witness that the wire
 * and the txid use:
 *
 *     scriptSig = push(height) push(tag, extra bytes) push(extranonce1, extranonce2)
 *
 * The extranonces stand last, so coinbase2 begins with the sequence. Source: BIP 34, BIP 141.
 */
export function buildCoinbase(request: CoinbaseRequest): CoinbaseHalves {
  const label = concat(utf8(request.tag), request.extraBytes)
  assert(label.length <= PUSH_BYTES_MAX, 'tag and extra bytes fit one push')
  const scriptStart = concat(
    pushHeight(request.height),
    pushData(label),
    Uint8Array.of(EXTRANONCE_BYTES),
  )
  const scriptLength = scriptStart.length + EXTRANONCE_BYTES
  assert(scriptLength <= COINBASE_SCRIPT_BYTES_MAX, 'a coinbase script has at most 100 bytes')
  const outputs = [...request.commitments, { value: request.value, script: request.payScript }]
  if (request.witnessCommitment) outputs.push({ value: 0n, script: request.witnessCommitment })

  const coinbase1 = concat(
    VERSION,
    compactSize(1),
    NULL_OUTPOINT,
    compactSize(scriptLength),
    scriptStart,
  )
  return { coinbase1, coinbase2: secondHalf(outputs) }
}

/** What stands after the extranonces. */
export function secondHalf(outputs: readonly Output[]): Uint8Array {
  const count = compactSize(outputs.length)
  return concat(SEQUENCE_FINAL, count, ...outputs.map(outputBytes), LOCKTIME_NONE)
}

/** How long the whole coinbase is, with its witness: what size limits of miners are about. */
export function coinbaseBytes({ coinbase1, coinbase2 }: CoinbaseHalves): number {
  return coinbase1.length + EXTRANONCE_BYTES + coinbase2.length + COINBASE_WITNESS_BYTES
}

/**
 * How much a coinbase weighs in a block.
 *
 * @param bytes from `coinbaseBytes`; all but the witness counts four times (BIP 141)
 */
export function coinbaseWeight(bytes: number): number {
  return 4 * (bytes - COINBASE_WITNESS_BYTES) + COINBASE_WITNESS_BYTES
}

/**
 * The inverse of `buildCoinbase`, for blocks found on the chain: whose extranonce stands in it.
 *
 * @param raw the transaction, with or without its witness
 * @param payScript ours; one that does not pay it may still pay its finder, or is a stranger's
 */
export function readCoinbase(raw: Uint8Array, payScript: Uint8Array): CoinbaseReading {
  const coinbase = parseCoinbase(raw)
  const toUs = coinbase?.outputs.filter(output => equalBytes(output.script, payScript)) ?? []
  const height = coinbase && readHeightPush(coinbase.scriptSig)
  if (!coinbase || !height) return { kind: 'foreign' }

  const labelAt = height.length
  const labelLength = coinbase.scriptSig[labelAt] ?? 0
  const pushAt = labelAt + 1 + labelLength
  const extranonces = coinbase.scriptSig.subarray(pushAt + 1)
  const isOurLayout =
    labelLength > 0 &&
    labelLength <= PUSH_BYTES_MAX &&
    coinbase.scriptSig[pushAt] === EXTRANONCE_BYTES &&
    extranonces.length === EXTRANONCE_BYTES
  if (!isOurLayout) return { kind: 'foreign' }
  return {
    kind: toUs.length > 0 ? 'ours' : 'paying others',
    height: height.height,
    extranonce1: extranonces.slice(0, EXTRANONCE1_BYTES),
    extranonce2: extranonces.slice(EXTRANONCE1_BYTES),
    value: sats(toUs.reduce((sum, output) => sum + output.value, 0n)),
    outputs: coinbase.outputs,
  }
}
