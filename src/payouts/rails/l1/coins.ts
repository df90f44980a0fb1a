import { Transaction } from 'bitcoinjs-lib'
import { assert } from '../../../lib/assert.ts'
import { equalBytes, toHex } from '../../../lib/bytes.ts'
import type { Wallet } from '../../../lib/db/schema.ts'
import { type JournalKey, type Txid, txid } from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import type { Coin } from '../../rail.ts'

/** How a coin came to us. */
export type CoinOrigin = 'coinbase' | 'change' | 'transfer' | 'capital' | 'withdrawal'

/** A coin that is ours to spend, with the entry of the ledger that booked it. */
export type NotedCoin = Coin & {
  readonly wallet: Wallet
  readonly origin: CoinOrigin
  readonly journalKey: JournalKey
}

/** What signed bytes of ours spend and pay. */
export type Effect = {
  readonly txid: Txid
  readonly spends: readonly { readonly txid: Txid; readonly vout: number }[]
  readonly outputs: readonly Coin[]
}

/** @param raw bytes that were checked before they were stored */
export function effectOf(raw: Uint8Array): Effect {
  const transaction = Transaction.fromBuffer(raw)
  const id = txid(transaction.getId())
  return {
    txid: id,
    spends: transaction.ins.map(({ hash, index }) => ({
      txid: txid(toHex(hash.slice().reverse())),
      vout: index,
    })),
    outputs: transaction.outs.map(({ script, value }, vout) => ({
      txid: id,
      vout,
      value: sats(BigInt(value)),
      script: new Uint8Array(script),
    })),
  }
}

/** Which outputs of a batch's transaction are ours again. */
export type OwnScripts = {
  readonly wallet: Wallet
  readonly changeScript: Uint8Array
  /** Where a transfer pays our other wallet; null for any other batch. */
  readonly transferScript: Uint8Array | null
}

/**
 * The coins that a transaction of ours leaves to us: its change, which is the last output to that
 * script, and what a transfer pays.
 */
export function leftToUs(
  { outputs }: Effect,
  { wallet, changeScript, transferScript }: OwnScripts,
): readonly (Coin & { readonly wallet: Wallet; readonly origin: 'change' | 'transfer' })[] {
  const change = outputs.findLast(({ script }) => equalBytes(script, changeScript))
  const paid =
    transferScript === null
      ? undefined
      : outputs.find(({ script }) => equalBytes(script, transferScript))
  assert(change === undefined || change !== paid, 'a transfer does not pay its own change')
  return [
    ...(change ? [{ ...change, wallet, origin: 'change' as const }] : []),
    ...(paid ? [{ ...paid, wallet: otherWallet(wallet), origin: 'transfer' as const }] : []),
  ]
}

export function otherWallet(wallet: Wallet): Wallet {
  return wallet === 'hot' ? 'cold' : 'hot'
}

/** What is known of a coinbase that pays us. */
export type BookedBlock = {
  readonly journalKey: JournalKey
  /** Which wallet's account the ledger put it into, and how much. */
  readonly wallet: Wallet
  readonly value: Sats
}

/** What an output of a wallet is to us; only `noted` and `to note` may ever be spent. */
export type OutputKind =
  | { readonly kind: 'noted' }
  | { readonly kind: 'to note'; readonly coin: NotedCoin }
  /** Of a transaction or a block of ours that the books have not ended yet. */
  | { readonly kind: 'on its way' }
  /** Somebody pushed it into the wallet: never spent, never counted. */
  | { readonly kind: 'foreign' }

export type OutputFacts = {
  readonly wallet: Wallet
  readonly isNoted: boolean
  /**
   * Whether a version of a batch that has not ended in the books made it, or it lies where a
   * withdrawal of ours is awaited.
   */
  readonly isOnItsWay: boolean
  /** Null unless it is the coinbase of a block that we found. */
  readonly block: 'not mature in our books' | BookedBlock | null
}

/** Says what an unspent output of a wallet is. */
export function classifyOutput(output: Coin, facts: OutputFacts): OutputKind {
  if (facts.isNoted) return { kind: 'noted' }
  const { block, wallet } = facts
  if (block === 'not mature in our books') return { kind: 'on its way' }
  if (block !== null) {
    const isBooked = block.wallet === wallet && block.value === output.value
    if (!isBooked) return { kind: 'foreign' }
    const { txid, vout, value, script } = output
    const { journalKey } = block
    const coin: NotedCoin = {
      ...{ txid, vout, value, script, wallet, journalKey },
      origin: 'coinbase',
    }
    return { kind: 'to note', coin }
  }
  return { kind: facts.isOnItsWay ? 'on its way' : 'foreign' }
}
