import { assert } from '../../../lib/assert.ts'
import { equalBytes } from '../../../lib/bytes.ts'
import type { Sats } from '../../../lib/money.ts'
import { sats } from '../../../lib/money.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import { authorize } from '../../../lib/thunder/authorization.ts'
import type { ProvenTransaction } from '../../../lib/thunder/block.ts'
import type { Coin, SignedTransaction } from '../../../lib/thunder/json.ts'
import { seedOfMnemonic, type ThunderKey, thunderKey } from '../../../lib/thunder/keys.ts'
import {
  type Output,
  outputTotal,
  transactionBytes,
  utxoHash,
} from '../../../lib/thunder/transaction.ts'
import { type Coins, keyOf } from './coins.ts'
import { WORDS } from './words.ts'

/** An answer of the wallet, or its words for why not. */
export type WalletOutcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused'; readonly text: string }

/** The wallet in a Thunder node: keys from a seed, and its own idea of which coins it has. */
export type Wallet = {
  readonly setSeed: (mnemonic: string) => WalletOutcome<null>
  readonly newAddress: () => WalletOutcome<ThunderAddress>
  /** Sorted as text. */
  readonly addresses: () => readonly ThunderAddress[]
  readonly coins: () => readonly Coin[]
  /** Satoshis; available leaves out what waits in withdrawals. Neither knows the mempool. */
  readonly balance: () => { readonly total: bigint; readonly available: bigint }
  /**
   * Learns the chain's coins. It adds and marks spent, and never takes back: coins of blocks that
   * were undone stay, which is a bug of the real one that clients must live with.
   */
  readonly update: (chain: Coins) => void
  /** Payee and change, spending the smallest coins first, those that wait in the mempool too. */
  readonly createTransfer: (
    chain: Coins,
    payment: { readonly address: ThunderAddress; readonly value: bigint; readonly fee: bigint },
  ) => WalletOutcome<ProvenTransaction>
  readonly createWithdrawal: (
    chain: Coins,
    withdrawal: {
      readonly mainScript: Uint8Array
      readonly value: bigint
      readonly mainFee: bigint
      readonly fee: bigint
    },
  ) => WalletOutcome<ProvenTransaction>
  readonly sign: (transaction: ProvenTransaction) => WalletOutcome<SignedTransaction>
}

const WORDS_MIN = 12

export function wallet(): Wallet {
  let seed: Uint8Array | null = null
  const keys = new Map<ThunderAddress, ThunderKey>()
  const unspent = new Map<string, Coin>()

  function setSeed(mnemonic: string): WalletOutcome<null> {
    const given = seedOfMnemonic(mnemonic)
    const count = mnemonic.split(/\s+/).filter(word => word !== '').length
    if (given === null || count < WORDS_MIN) return refused(WORDS.wordCount(count))
    if (seed !== null && !equalBytes(seed, given)) return refused(WORDS.otherSeed)
    seed = given
    return done(null)
  }
  function newAddress(): WalletOutcome<ThunderAddress> {
    if (seed === null) return refused(WORDS.noSeed)
    const key = thunderKey(seed, keys.size + 1)
    keys.set(key.address, key)
    return done(key.address)
  }

  /** Goes on until the sum is more than asked for, so that an exact match takes one coin more. */
  function select(value: bigint): WalletOutcome<readonly Coin[]> {
    const usable = [...unspent.values()].filter(({ output }) => output.content.kind === 'value')
    const bySize = usable.sort((a, b) => Number(outputTotal(a.output) - outputTotal(b.output)))
    const selected: Coin[] = []
    let total = 0n
    for (const coin of bySize) {
      if (total > value) break
      total += outputTotal(coin.output)
      selected.push(coin)
    }
    return total < value ? refused(WORDS.noFunds) : done(selected)
  }
  /** @param outputs draws the addresses that it needs; the change comes after them */
  function build(
    chain: Coins,
    spending: bigint,
    outputs: () => WalletOutcome<readonly Output[]>,
  ): WalletOutcome<ProvenTransaction> {
    const selected = select(spending)
    if (selected.kind === 'refused') return selected
    // The real one leaves their order to chance.
    const inputs = [...selected.value].sort(byOutPoint).map(({ outPoint, output }) => ({
      outPoint,
      utxoHash: utxoHash(outPoint, output),
    }))
    if (!inputs.every(input => chain.proves(input.utxoHash))) return refused(WORDS.noLeaf)
    const total = selected.value.reduce((sum, { output }) => sum + outputTotal(output), 0n)
    const payees = outputs()
    if (payees.kind === 'refused') return payees
    const change = newAddress()
    if (change.kind === 'refused') return change
    const rest = valueOutput(change.value, sats(total - spending))
    return done({ inputs, outputs: [...payees.value, rest], proof: NO_PROOF })
  }

  return {
    setSeed,
    newAddress,
    addresses: () => [...keys.keys()].sort((a, b) => (a < b ? -1 : 1)),
    coins: () => [...unspent.values()].sort(byOutPoint),
    balance() {
      const all = [...unspent.values()].map(({ output }) => output)
      const sum = (outputs: readonly Output[]) =>
        outputs.reduce((total, output) => total + outputTotal(output), 0n)
      return {
        total: sum(all),
        available: sum(all.filter(({ content }) => content.kind === 'value')),
      }
    },
    update(chain) {
      for (const [key, { outPoint }] of unspent)
        if (chain.findSpent(outPoint) !== null) unspent.delete(key)
      for (const coin of chain.of(new Set(keys.keys()))) unspent.set(keyOf(coin.outPoint), coin)
    },
    createTransfer: (chain, { address, value, fee }) =>
      build(chain, value + fee, () => done([valueOutput(address, sats(value))])),
    createWithdrawal: (chain, { mainScript, value, mainFee, fee }) =>
      build(chain, value + mainFee + fee, () => {
        const address = newAddress()
        if (address.kind === 'refused') return address
        const [paid, forMiners] = [sats(value), sats(mainFee)]
        const content = { kind: 'withdrawal', value: paid, mainFee: forMiners, mainScript } as const
        return done([{ address: address.value, content }])
      }),
    sign(transaction) {
      const bytes = transactionBytes(transaction)
      const signers: ThunderKey[] = []
      for (const { outPoint } of transaction.inputs) {
        const coin = unspent.get(keyOf(outPoint))
        const key = coin && keys.get(coin.output.address)
        if (key === undefined) return refused(WORDS.notOurCoin)
        signers.push(key)
      }
      assert(signers.length === transaction.inputs.length, 'each input has its signer')
      // A hash that is not the coin's is signed all the same.
      return done({
        transaction,
        authorizations: signers.map(key => authorize(bytes, key.privateKey)),
      })
    },
  }
}

/** Proofs are made by nodes for nodes, and this stand-in keeps no forest to make one from. */
export const NO_PROOF = { targets: [], hashes: [] } as const

function byOutPoint(a: Coin, b: Coin): number {
  return keyOf(a.outPoint) < keyOf(b.outPoint) ? -1 : 1
}

function valueOutput(address: ThunderAddress, value: Sats): Output {
  return { address, content: { kind: 'value', value } }
}

function done<T>(value: T): WalletOutcome<T> {
  return { kind: 'done', value }
}

function refused(text: string): { readonly kind: 'refused'; readonly text: string } {
  return { kind: 'refused', text }
}
