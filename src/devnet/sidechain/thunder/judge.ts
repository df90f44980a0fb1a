import { equalBytes, toHex } from '../../../lib/bytes.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import { addressOfKey, checkAuthorizations } from '../../../lib/thunder/authorization.ts'
import { type Body, thunderMerkleRoot } from '../../../lib/thunder/block.ts'
import type { Coin, SignedTransaction } from '../../../lib/thunder/json.ts'
import {
  type OutPoint,
  outputTotal,
  transactionBytes,
  utxoHash,
} from '../../../lib/thunder/transaction.ts'
import { type CoinChange, type Coins, changesOf, coinsMade, keyOf } from './coins.ts'
import { txidOf } from './mempool.ts'
import { WORDS } from './words.ts'

/** What a node makes of a transaction against the coins of its tip. */
export type Judgement =
  | { readonly kind: 'valid'; readonly fee: Sats }
  /** In the node's words. */
  | { readonly kind: 'refused'; readonly text: string }

/**
 * Judges a transaction as the node does on `submit_transaction`, in its order: first the proof is
 * made anew, so an input that is unknown, spent or named with a wrong hash is one and the same
 * text, whatever else is wrong. Only coins of blocks count, never those of the mempool.
 *
 * Source: thunder-rust, lib/state/mod.rs, validate_transaction.
 */
export function judgeTransaction(coins: Coins, signed: SignedTransaction): Judgement {
  const { transaction, authorizations } = signed
  if (!transaction.inputs.every(input => coins.proves(input.utxoHash)))
    return refused(WORDS.noLeafOnSubmit)
  const spends: Coin[] = []
  for (const { outPoint } of transaction.inputs) {
    const coin = coins.find(outPoint)
    if (coin === null) return refused(WORDS.noCoin(textOf(outPoint)))
    spends.push(coin)
  }
  const owners = spends.map(({ output }) => output.address)
  const isWrongKey = (at: number) => {
    const authorization = authorizations[at]
    return authorization !== undefined && addressOfKey(authorization.publicKey) !== owners[at]
  }
  if (owners.some((_, at) => isWrongKey(at))) return refused(WORDS.wrongKey)
  const verdict = checkAuthorizations(transactionBytes(transaction), owners, authorizations)
  if (verdict.kind === 'refused') return refused(WORDS.notAuthorized)
  return judgeAmounts(signed, spends)
}

function judgeAmounts({ transaction }: SignedTransaction, spends: readonly Coin[]): Judgement {
  for (const [at, { outPoint, output }] of spends.entries()) {
    const computed = utxoHash(outPoint, output)
    const given = transaction.inputs[at]?.utxoHash ?? new Uint8Array()
    if (!equalBytes(computed, given))
      return refused(WORDS.wrongHash(toHex(computed), textOf(outPoint), toHex(given)))
    if (output.content.kind === 'withdrawal')
      return refused(WORDS.spendsWithdrawal(textOf(outPoint)))
  }
  const sum = (amounts: readonly bigint[]) => amounts.reduce((a, b) => a + b, 0n)
  const valueIn = sum(spends.map(({ output }) => outputTotal(output)))
  const valueOut = sum(transaction.outputs.map(outputTotal))
  if (valueOut > valueIn) return refused(WORDS.valueIn)
  return { kind: 'valid', fee: sats(valueIn - valueOut) }
}

function refused(text: string): Judgement {
  return { kind: 'refused', text }
}

/** How an outpoint reads in the node's errors. */
function textOf({ kind, hash, vout }: OutPoint): string {
  return `${kind} ${hash} ${vout}`
}

/** The transactions of a body, each with its own authorizations. */
export function signedOf({ transactions, authorizations }: Body): SignedTransaction[] {
  let at = 0
  return transactions.map(transaction => {
    const from = at
    at += transaction.inputs.length
    return { transaction, authorizations: authorizations.slice(from, at) }
  })
}

/**
 * What a block's body changes, or null when it is not valid on these coins. All transactions are
 * judged against the coins before the block, so none can spend what another one makes. Roots and
 * proofs of the forest are taken as they are: this stand-in keeps no forest.
 */
export function judgeBody(coins: Coins, merkleRoot: string, body: Body): CoinChange[] | null {
  const all = signedOf(body)
  const counted = all.reduce((sum, { authorizations }) => sum + authorizations.length, 0)
  if (counted !== body.authorizations.length) return null
  const fees: Sats[] = []
  for (const signed of all) {
    const judgement = judgeTransaction(coins, signed)
    if (judgement.kind === 'refused') return null
    fees.push(judgement.fee)
  }
  const spent = all.flatMap(({ transaction }) => transaction.inputs.map(i => keyOf(i.outPoint)))
  if (new Set(spent).size < spent.length) return null
  if (merkleRootOf(body, fees) !== merkleRoot) return null
  const collected = body.coinbase.reduce((sum, output) => sum + outputTotal(output), 0n)
  if (collected > fees.reduce((sum, fee) => sum + fee, 0n)) return null
  return [
    ...coinsMade('coinbase', merkleRoot, body.coinbase),
    ...all.flatMap(({ transaction }) => changesOf(transaction, txidOf(transaction), coins.find)),
  ]
}

/** @param fees of the transactions, in their order: they are part of the tree */
export function merkleRootOf(body: Body, fees: readonly Sats[]): string {
  const leaves = body.transactions.map((transaction, at) => ({
    fee: fees[at] ?? sats(0n),
    bytes: transactionBytes(transaction),
  }))
  return thunderMerkleRoot(body.coinbase, leaves)
}
