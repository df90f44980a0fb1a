import { assert } from '../../../lib/assert.ts'
import { toHex } from '../../../lib/bytes.ts'
import type { Txid } from '../../../lib/ids.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import type { Coin, InPoint, SpentCoin } from '../../../lib/thunder/json.ts'
import {
  type OutPoint,
  type Output,
  outputTotal,
  type ThunderTransaction,
  utxoHash,
} from '../../../lib/thunder/transaction.ts'

/** What a block changes, kept so that it can be undone. */
export type CoinChange =
  | { readonly kind: 'made'; readonly coin: Coin }
  | { readonly kind: 'spent'; readonly coin: SpentCoin }
  /** A withdrawal whose bundle failed is a coin again. */
  | { readonly kind: 'given back'; readonly coin: SpentCoin }

/** The coins of the side chain as its tip has them. */
export type Coins = {
  readonly find: (outPoint: OutPoint) => Coin | null
  readonly findSpent: (outPoint: OutPoint) => SpentCoin | null
  /** Whether an unspent coin has this hash: what the node's forest of hashes can prove. */
  readonly proves: (hash: Uint8Array) => boolean
  readonly all: () => readonly Coin[]
  readonly of: (addresses: ReadonlySet<ThunderAddress>) => readonly Coin[]
  readonly spentOf: (addresses: ReadonlySet<ThunderAddress>) => readonly SpentCoin[]
  readonly apply: (changes: readonly CoinChange[]) => void
  readonly undo: (changes: readonly CoinChange[]) => void
  /** What came by deposits and has not left by bundles, satoshis. */
  readonly wealth: () => bigint
}

/** A key for a map, and the order in which lists are given. */
export function keyOf({ kind, hash, vout }: OutPoint): string {
  return `${kind}:${hash}:${String(vout).padStart(10, '0')}`
}

export function coins(): Coins {
  const unspent = new Map<string, Coin>()
  const spent = new Map<string, SpentCoin>()
  const hashes = new Set<string>()

  function put(coin: Coin): void {
    unspent.set(keyOf(coin.outPoint), { outPoint: coin.outPoint, output: coin.output })
    spent.delete(keyOf(coin.outPoint))
    hashes.add(hashOf(coin))
  }
  function take(coin: Coin): void {
    assert(unspent.delete(keyOf(coin.outPoint)), 'a coin is there before it is taken')
    hashes.delete(hashOf(coin))
  }
  function spend(coin: SpentCoin): void {
    take(coin)
    spent.set(keyOf(coin.outPoint), coin)
  }
  function forward(change: CoinChange): void {
    if (change.kind === 'spent') spend(change.coin)
    else put(change.coin)
  }
  function back(change: CoinChange): void {
    if (change.kind === 'made') take(change.coin)
    else if (change.kind === 'spent') put(change.coin)
    else spend(change.coin)
  }
  return {
    find: outPoint => unspent.get(keyOf(outPoint)) ?? null,
    findSpent: outPoint => spent.get(keyOf(outPoint)) ?? null,
    proves: hash => hashes.has(toHex(hash)),
    all: () => inOrder([...unspent.values()]),
    of: addresses => inOrder([...unspent.values()].filter(isOf(addresses))),
    spentOf: addresses => inOrder([...spent.values()].filter(isOf(addresses))),
    apply: changes => changes.forEach(forward),
    undo: changes => [...changes].reverse().forEach(back),
    wealth() {
      let sum = 0n
      for (const coin of [...unspent.values(), ...spent.values()])
        if (coin.outPoint.kind === 'deposit') sum += outputTotal(coin.output)
      for (const coin of spent.values())
        if (coin.inPoint.kind === 'withdrawal') sum -= outputTotal(coin.output)
      return sum
    },
  }
}

/** The changes of a transaction that was judged and found right. */
export function changesOf(
  transaction: ThunderTransaction,
  id: Txid,
  find: (outPoint: OutPoint) => Coin | null,
): CoinChange[] {
  const spends = transaction.inputs.map(({ outPoint }, vin): CoinChange => {
    const coin = find(outPoint)
    assert(coin !== null, 'a transaction that was judged spends coins that are there')
    const inPoint: InPoint = { kind: 'regular', txid: id, vin }
    return { kind: 'spent', coin: { ...coin, inPoint } }
  })
  return [...spends, ...coinsMade('regular', id, transaction.outputs)]
}

/** The coins that a list of outputs becomes. */
export function coinsMade(
  kind: OutPoint['kind'],
  hash: string,
  outputs: readonly Output[],
): CoinChange[] {
  return outputs.map((output, vout) => ({
    kind: 'made',
    coin: { outPoint: { kind, hash, vout }, output },
  }))
}

function hashOf({ outPoint, output }: Coin): string {
  return toHex(utxoHash(outPoint, output))
}

function isOf(addresses: ReadonlySet<ThunderAddress>) {
  return ({ output }: Coin) => addresses.has(output.address)
}

/** The node lists coins in no order at all; a fixed one makes runs comparable. */
function inOrder<T extends Coin>(list: T[]): readonly T[] {
  return list.sort((a, b) => (keyOf(a.outPoint) < keyOf(b.outPoint) ? -1 : 1))
}
