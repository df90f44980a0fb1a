import { assert } from '../lib/assert.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { Coin, Fees } from './rail.ts'

/** Coins in one batch: each must be signed, and one unconfirmed batch should not hold them all. */
export const COINS_MAX = 100
/** What a batch leaves over is at least this, so that its change is never dust on any rail. */
export const CHANGE_MIN = sats(1000n)

/** The coins of a batch to be, the largest first, and what some of them are worth together. */
export type Purse = {
  readonly coins: readonly Coin[]
  /** Those that the batch's last coin may be taken from instead, the smallest last. */
  readonly others: readonly Coin[]
  /**
   * How many of the largest coins pay an amount and their own fees.
   *
   * @param from so many are known to be needed
   * @returns null when all of them do not
   */
  readonly countFor: (amount: bigint, from: number) => number | null
  /** The largest fees of so many coins. */
  readonly feesOf: (count: number) => bigint
  /** What a batch leaves over at least. */
  readonly changeMin: Sats
}

/** One balance: it has no coins, and leaves no change. */
export function balancePurse(free: Sats): Purse {
  return {
    ...{ coins: [], others: [], changeMin: sats(0n) },
    countFor: amount => (amount <= free ? 0 : null),
    feesOf: () => 0n,
  }
}

/** Sorts coins to pay with, leaving out those that their own fee could eat. */
export function purseOf(spendable: readonly Coin[], fees: Fees): Purse {
  const sorted = spendable
    .filter(coin => coin.value > fees.ofCoin(coin))
    .toSorted((a, b) => (a.value === b.value ? byPlace(a, b) : a.value > b.value ? -1 : 1))
  const coins = sorted.slice(0, COINS_MAX)
  const worths = [0n]
  const costs = [0n]
  for (const coin of coins) {
    const fee = fees.ofCoin(coin)
    worths.push((worths.at(-1) ?? 0n) + coin.value - fee)
    costs.push((costs.at(-1) ?? 0n) + fee)
  }
  return {
    coins,
    others: sorted,
    changeMin: CHANGE_MIN,
    countFor: (amount, from) => {
      for (let count = from; count < worths.length; count++) {
        if ((worths[count] ?? 0n) >= amount) return count
      }
      return null
    },
    feesOf: count => {
      const cost = costs[count]
      assert(cost !== undefined, 'a purse is asked for coins that it has')
      return cost
    },
  }
}

/**
 * The fewest coins that pay an amount. In place of the last of them the smallest that does as well
 * is taken, so that the large ones are there for the next batch.
 */
export function cheapestEnd(purse: Purse, count: number, amount: bigint, fees: Fees): Coin[] {
  const worth = (coin: Coin) => coin.value - fees.ofCoin(coin)
  const first = purse.coins.slice(0, count - 1)
  const last = purse.coins[count - 1]
  assert(last !== undefined, 'a batch has an anchor')
  const missing = first.reduce((left, coin) => left - worth(coin), amount)
  assert(worth(last) >= missing, 'so many coins pay what they were found to pay')
  const does = (coin: Coin) => worth(coin) >= missing && fees.ofCoin(coin) <= fees.ofCoin(last)
  return [...first, purse.others.slice(count - 1).findLast(does) ?? last]
}

function byPlace(a: Coin, b: Coin): number {
  return a.txid === b.txid ? a.vout - b.vout : a.txid < b.txid ? -1 : 1
}
