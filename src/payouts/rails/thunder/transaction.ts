import { assert } from '../../../lib/assert.ts'
import { equalBytes } from '../../../lib/bytes.ts'
import { type Txid, txid } from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import { checkAuthorizations } from '../../../lib/thunder/authorization.ts'
import {
  type OutPoint,
  type Output,
  outputBytes,
  outputTotal,
  thunderTxid,
  transactionBytes,
  utxoHash,
} from '../../../lib/thunder/transaction.ts'
import { isSame, type Outpoint, spendsAll } from '../../outpoint.ts'
import { parseSigned } from './signed.ts'

/**
 * Outputs of one transaction: a batch has at most 1,000 payees and its change, so that the bytes of
 * the largest, with the coins that a batch may spend, are a hundredth of a block's 8 MiB.
 */
export const OUTPUTS_MAX = 2001

/** A coin on Thunder with all that its hash is made of. */
export type ThunderCoin = {
  readonly outPoint: OutPoint
  readonly address: ThunderAddress
  readonly value: Sats
}

/** All that a version of a batch is made of. */
export type Order = {
  readonly anchor: Outpoint
  /** The anchor is the first of them. */
  readonly coins: readonly ThunderCoin[]
  readonly payments: readonly Output[]
  readonly change: ThunderAddress
  /** Of the transaction, and of a withdrawal on the main chain, together. */
  readonly feeMax: Sats
}

export type BuildOutcome =
  | {
      readonly kind: 'built'
      /** What is signed: borsh, without any proof. */
      readonly bytes: Uint8Array
      readonly txid: Txid
    }
  /** The fee is more than was approved. */
  | { readonly kind: 'too dear' }
  /** Its coins do not pay it, or leave nothing to be change. */
  | { readonly kind: 'too poor' }

/** The core's name of a coin; the hashes of different kinds of coins never are the same. */
export function outpointOf({ outPoint }: Pick<ThunderCoin, 'outPoint'>): Outpoint {
  return { txid: txid(outPoint.hash), vout: outPoint.vout }
}

/** A coin as an output, which its hash is made of. */
export function outputOf({ address, value }: Omit<ThunderCoin, 'outPoint'>): Output {
  return { address, content: { kind: 'value', value } }
}

/**
 * Builds a version of a batch: the anchor first, the payments in their order, our change last.
 * Nothing here depends on chance, so the same order with the same fee is the same transaction.
 */
export function buildTransaction(order: Order, fee: Sats): BuildOutcome {
  const { coins, payments, change, anchor, feeMax } = order
  const [first] = coins
  assert(first && isSame(outpointOf(first), anchor), 'the first input of a version is its anchor')
  assert(payments.length < OUTPUTS_MAX, 'planning keeps a batch small')
  if (fee + mainFeeOf(payments) > feeMax) return { kind: 'too dear' }
  const left = valueOfCoins(coins) - paidBy(payments) - fee
  if (left <= 0n) return { kind: 'too poor' }
  const bytes = transactionBytes({
    inputs: coins.map(coin => ({
      outPoint: coin.outPoint,
      utxoHash: utxoHash(coin.outPoint, outputOf(coin)),
    })),
    outputs: [...payments, outputOf({ address: change, value: sats(left) })],
  })
  return { kind: 'built', bytes, txid: thunderTxid(bytes) }
}

/**
 * Whether signed bytes are the order and nothing else: the same coins with what they hold, each
 * payment exactly, the rest to our change, at most the approved fee, and every owner's signature.
 *
 * @returns what is wrong, or null
 */
export function transactionComplaint(raw: Uint8Array, order: Order): string | null {
  const signed = parseSigned(raw)
  if (signed === null) return 'the signed bytes are no transaction'
  const { transaction, bytes, authorizations } = signed
  const { inputs, outputs } = transaction
  const spent = inputs.map(({ outPoint }) => outpointOf({ outPoint }))
  if (!isSame(spent[0], order.anchor)) return 'its first input is not the anchor'
  if (!spendsAll(spent, order.coins.map(outpointOf))) return 'it does not spend the reserved coins'
  const isBound = order.coins.every((coin, at) => {
    const input = inputs[at]
    return input && equalBytes(input.utxoHash, utxoHash(coin.outPoint, outputOf(coin)))
  })
  if (!isBound) return 'it says something else of a coin than the books'
  if (outputs.length !== order.payments.length + 1) return 'its outputs are not the payments'
  const pays = order.payments.every((payment, at) => {
    const output = outputs[at]
    return output && equalBytes(outputBytes(output), outputBytes(payment))
  })
  if (!pays) return 'its outputs are not the payments'
  const change = outputs.at(-1)
  if (change?.address !== order.change || change.content.kind !== 'value')
    return 'its change is not ours'
  const fee = valueOfCoins(order.coins) - paidBy(outputs)
  if (fee < 0n || fee + mainFeeOf(outputs) > order.feeMax)
    return 'its fee is more than was approved'
  const owners = order.coins.map(({ address }) => address)
  const verdict = checkAuthorizations(bytes, owners, authorizations)
  return verdict.kind === 'refused' ? verdict.reason : null
}

/**
 * Whether any transaction pays what a version of a batch would, whatever else it does. Without
 * payments it cannot be told.
 */
export function paysAll(outputs: readonly Output[], payments: readonly Output[]): boolean {
  const written = new Set(outputs.map(output => String(outputBytes(output))))
  return payments.length > 0 && payments.every(each => written.has(String(outputBytes(each))))
}

/** What the main chain's miners get of what these outputs hold. */
export function mainFeeOf(outputs: readonly Output[]): Sats {
  const feeOf = ({ content }: Output) => (content.kind === 'withdrawal' ? content.mainFee : 0n)
  return sats(outputs.reduce((sum, output) => sum + feeOf(output), 0n))
}

function valueOfCoins(coins: readonly ThunderCoin[]): bigint {
  return coins.reduce((sum, { value }) => sum + value, 0n)
}

function paidBy(outputs: readonly Output[]): bigint {
  return outputs.reduce((sum, output) => sum + outputTotal(output), 0n)
}
