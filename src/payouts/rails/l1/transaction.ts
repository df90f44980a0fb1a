import { Psbt, Transaction } from 'bitcoinjs-lib'
import { assert } from '../../../lib/assert.ts'
import { equalBytes, fromHex, toHex } from '../../../lib/bytes.ts'
import { type Txid, txid } from '../../../lib/ids.ts'
import { ceilDiv, type Sats, sats } from '../../../lib/money.ts'
import { isSame, type Outpoint, spendsAll } from '../../outpoint.ts'
import type { Coin } from '../../rail.ts'

/** A batch stays well under the 400,000 that nodes relay, so that it can still be replaced. */
export const WEIGHT_MAX = 200_000
/** Replaceable, and without a lock time. Source: BIP 125. */
const SEQUENCE = 0xfffffffd
/** Version, lock time, marker and the counts, where more than 252 outputs take two bytes more. */
const BASE_WEIGHT = 50
/** Outpoint, empty script, sequence; then a signature of at most 72 bytes and a key. */
const P2WPKH_INPUT_WEIGHT = 272
/** Outpoint, empty script, sequence; then a signature of at most 65 bytes. */
const P2TR_INPUT_WEIGHT = 231
/** Outpoint, empty script, sequence, and the count of a witness with nothing in it. */
const TREASURY_INPUT_WEIGHT = 165
/** No script of ours asks for more before a node relays an output to it. Source: payouts of dust. */
const CHANGE_DUST = 330n
/** Change goes to a script of at most 34 bytes. */
const CHANGE_SCRIPT_BYTES_MAX = 34

export type Payment = { readonly script: Uint8Array; readonly amount: Sats }

/**
 * The coin that holds all that a sidechain has on the main chain (its CTIP). Every deposit spends it
 * and makes the next one; nobody signs for it. Source: BIP 300.
 */
export type TreasuryCoin = Coin & {
  /** The whole transaction that made it, so that its value need not be believed. */
  readonly madeBy: Uint8Array
}

/** All that a version of a batch is made of. */
export type Order = {
  readonly anchor: Outpoint
  /** Our own, the anchor first. */
  readonly coins: readonly Coin[]
  /** What a deposit spends behind them; null for the first one of a sidechain and all else. */
  readonly treasury: TreasuryCoin | null
  /** What a coin of the wallet weighs as an input where it needs several signatures, or null. */
  readonly multisigWeight: number | null
  readonly payments: readonly Payment[]
  readonly changeScript: Uint8Array
  readonly feeMax: Sats
}

export type BuildOutcome =
  | {
      readonly kind: 'built'
      /** BIP 174, unsigned. */
      readonly psbt: Uint8Array
      /** Holds for the signed transaction too, since its inputs are native segwit. */
      readonly txid: Txid
    }
  /** The fee is more than was approved. */
  | { readonly kind: 'too dear' }
  /** Its coins do not pay it, or leave less than can be change. */
  | { readonly kind: 'too poor' }

/**
 * What a coin weighs as an input at most.
 *
 * @param multisigWeight what it is where the wallet's coins need several signatures, or null
 * @returns null for a coin that we do not spend: only native segwit keeps a txid when signed
 */
export function inputWeight(script: Uint8Array, multisigWeight: number | null): number | null {
  if (script.length === 22 && script[0] === 0x00 && script[1] === 20) return P2WPKH_INPUT_WEIGHT
  if (script.length !== 34 || script[1] !== 32) return null
  if (script[0] === 0x51) return multisigWeight ?? P2TR_INPUT_WEIGHT
  return script[0] === 0x00 ? multisigWeight : null
}

/** Everything that a version spends, in the order of its inputs. */
export function spentBy({ coins, treasury }: Pick<Order, 'coins' | 'treasury'>): readonly Coin[] {
  return treasury === null ? coins : [...coins, treasury]
}

/** What the treasury's coin weighs as an input. */
export function treasuryWeight(): number {
  return TREASURY_INPUT_WEIGHT
}

export function outputWeight(scriptBytes: number): number {
  assert(scriptBytes < 253, 'a script we pay to has a length of one byte')
  return 4 * (8 + 1 + scriptBytes)
}

/** The weight with nothing in it but change. */
export function bareWeight(): number {
  return BASE_WEIGHT + outputWeight(CHANGE_SCRIPT_BYTES_MAX)
}

/** Rounded up, both to whole virtual bytes and to whole satoshis. */
export function feeFor(weight: number, feeRateSatPerKvb: Sats): Sats {
  return sats(ceilDiv(ceilDiv(BigInt(weight), 4n) * feeRateSatPerKvb, 1000n))
}

/**
 * Builds a version of a batch: the anchor first, the payments in their order, our change last.
 * Nothing here depends on chance, so the same order with the same fee is the same transaction.
 */
export function buildTransaction(order: Order, fee: Sats): BuildOutcome {
  const { coins, treasury, payments, changeScript } = order
  assert(isSame(coins[0], order.anchor), 'the first input of every version is the anchor')
  assert(weightOf(order) <= WEIGHT_MAX, 'planning keeps a batch small')
  if (fee > order.feeMax) return { kind: 'too dear' }
  const change = valueOfCoins(spentBy(order)) - paidBy(payments) - fee
  if (change < CHANGE_DUST) return { kind: 'too poor' }
  const psbt = new Psbt()
  psbt.setVersion(2).setLocktime(0)
  for (const { txid, vout, value, script } of coins) {
    const witnessUtxo = { script, value }
    psbt.addInput({ hash: txid, index: vout, sequence: SEQUENCE, witnessUtxo })
  }
  if (treasury !== null) {
    const { txid: hash, vout: index, madeBy: nonWitnessUtxo } = treasury
    psbt.addInput({ hash, index, sequence: SEQUENCE, nonWitnessUtxo })
  }
  for (const { script, amount } of payments) psbt.addOutput({ script, value: amount })
  psbt.addOutput({ script: changeScript, value: sats(change) })
  const unsigned = Transaction.fromBuffer(psbt.data.getTransaction())
  return { kind: 'built', psbt: psbt.toBuffer(), txid: txid(unsigned.getId()) }
}

/**
 * Whether signed bytes are the order and nothing else: the same coins, each payment exactly, the
 * rest to our change, at most the approved fee.
 *
 * @returns what is wrong, or null
 */
export function transactionComplaint(raw: Uint8Array, order: Order): string | null {
  const transaction = parse(raw)
  if (transaction === null) return 'the signed bytes are no transaction'
  const { outs } = transaction
  const spent = transaction.ins.map(({ hash, index }) => ({
    txid: txid(toHex(hash.slice().reverse())),
    vout: index,
  }))
  if (!isSame(spent[0], order.anchor)) return 'its first input is not the anchor'
  if (!spendsAll(spent, spentBy(order))) return 'it does not spend the reserved coins'
  if (outs.length !== order.payments.length + 1) return 'its outputs are not the payments'
  const pays = order.payments.every(({ script, amount }, at) => {
    const out = outs[at]
    return out !== undefined && out.value === amount && equalBytes(out.script, script)
  })
  if (!pays) return 'its outputs are not the payments'
  const change = outs.at(-1)
  if (!change || !equalBytes(change.script, order.changeScript)) return 'its change is not ours'
  const fee = valueOfCoins(spentBy(order)) - paidBy(order.payments) - change.value
  return fee >= 0n && fee <= order.feeMax ? null : 'its fee is more than was approved'
}

/**
 * Whether any transaction pays what a version of a batch would, whatever else it does. Without
 * payments it cannot be told.
 */
export function paysAll(raw: Uint8Array, payments: readonly Payment[]): boolean {
  const outs = parse(raw)?.outs ?? []
  return (
    payments.length > 0 &&
    payments.every(({ script, amount }) =>
      outs.some(out => out.value === amount && equalBytes(out.script, script)),
    )
  )
}

/** The id of signed bytes of our own. */
export function txidOf(raw: Uint8Array): Txid {
  return txid(Transaction.fromBuffer(raw).getId())
}

/** What signed bytes of our own weigh. */
export function signedWeight(raw: Uint8Array): number {
  return Transaction.fromBuffer(raw).weight()
}

/** The highest rate a node may let these bytes through with, so that no slip pays more. */
export function feeRateOf(raw: Uint8Array, fee: Sats): Sats {
  const vsize = BigInt(Transaction.fromBuffer(raw).virtualSize())
  return sats(ceilDiv(fee * 1000n, vsize))
}

/** @returns null where the text is not plain hex of a transaction */
export function parseRaw(hex: string): Uint8Array | null {
  if (!/^(?:[0-9a-f]{2})+$/.test(hex)) return null
  const raw = fromHex(hex)
  return parse(raw) === null ? null : raw
}

/** What a version weighs at most once it is signed. */
export function weightOf(order: Order): number {
  const { coins, treasury, payments, changeScript, multisigWeight } = order
  const inputs = coins.map(({ script }) => {
    const weight = inputWeight(script, multisigWeight)
    assert(weight !== null, 'only native segwit coins are reserved')
    return weight
  })
  const outputs = [...payments.map(({ script }) => script), changeScript]
  return [...inputs, ...outputs.map(script => outputWeight(script.length))].reduce(
    (sum, weight) => sum + weight,
    BASE_WEIGHT + (treasury === null ? 0 : TREASURY_INPUT_WEIGHT),
  )
}

/** The library throws where bytes are no transaction; here that is an answer. */
function parse(raw: Uint8Array): Transaction | null {
  try {
    return Transaction.fromBuffer(raw)
  } catch {
    return null
  }
}

function valueOfCoins(coins: readonly Coin[]): bigint {
  return coins.reduce((sum, coin) => sum + coin.value, 0n)
}

function paidBy(payments: readonly Payment[]): bigint {
  return payments.reduce((sum, payment) => sum + payment.amount, 0n)
}
