import { assert } from '../lib/assert.ts'
import type { AccountId } from '../lib/ids.ts'
import { type Millisats, type Sats, sats, satsFloor } from '../lib/money.ts'
import { PAYOUTS_MAX } from './payout.ts'
import type { Coin, Destination, FeesMax } from './rail.ts'
import { isOver, type Moment, nextPayment, type Scheme } from './scheme.ts'

/** Coins in one batch: each must be signed, and one unconfirmed batch should not hold them all. */
export const COINS_MAX = 100
/** What a batch leaves over is at least this, so that its change is never dust on any rail. */
export const CHANGE_MIN = sats(1000n)

/** An account with no payout under way. */
export type Candidate = {
  readonly account: AccountId
  readonly destination: Destination
  readonly payable: Millisats
  /** The planning of its last unreleased payout, or else its first credit. */
  readonly since: Moment
}

export type DuePayout = {
  readonly account: AccountId
  readonly destination: string
  readonly amount: Sats
}

/** Who is paid with which coins; the first coin is the anchor. */
export type Plan = {
  readonly payouts: readonly DuePayout[]
  readonly coins: readonly Coin[]
  readonly total: Sats
  readonly feeMax: Sats
}

/**
 * Who is due, the one who has waited longest first: the interval is over, and what is payable
 * reaches the scheme's minimum and the destination's dust limit. What is below one satoshi, and
 * whoever is not due, stays payable.
 */
export function duePayouts(
  scheme: Scheme,
  candidates: readonly Candidate[],
  now: Moment,
): DuePayout[] {
  return candidates
    .filter(({ since }) => isOver(nextPayment(scheme.interval, since), now))
    .toSorted((a, b) => waitsLonger(scheme, a, b))
    .flatMap(({ account, destination, payable }) => {
      assert(payable >= 0n, 'we never owe less than nothing')
      if (destination.kind === 'unpayable') return []
      const amount = satsFloor(payable)
      if (amount === 0n || amount < scheme.minimum || amount < destination.dust) return []
      return [{ account, destination: destination.canonical, amount }]
    })
}

/**
 * As many of the due, in their order, as the coins can pay with the largest fee. One that is too
 * large is passed over, since it would else hold up everybody behind it; it stays the first in
 * line.
 *
 * @param booked what the ledger holds for the rail and no other batch has taken: a coin that is not
 *   booked yet pays nobody, since its spending could not be booked either
 * @returns null when nobody can be paid
 */
export function planBatch(
  due: readonly DuePayout[],
  spendable: readonly Coin[],
  fees: FeesMax,
  booked: Sats,
): Plan | null {
  const coins = worthSpending(spendable, fees)
  const worth = sum(coins.map(coin => coin.value - fees.ofCoin(coin)))
  const bookedWorth = booked - sum(coins.map(fees.ofCoin))
  const value = worth < bookedWorth ? worth : bookedWorth
  const payouts: DuePayout[] = []
  const destinations = new Set<string>()
  let needed = fees.base + CHANGE_MIN
  for (const payout of due) {
    if (payouts.length === PAYOUTS_MAX) break
    const isNew = !destinations.has(payout.destination)
    const cost = payout.amount + (isNew ? fees.ofPayee(payout.destination) : 0n)
    if (needed + cost > value) continue
    payouts.push(payout)
    destinations.add(payout.destination)
    needed += cost
  }
  if (payouts.length === 0) return null
  const total = sats(sum(payouts.map(({ amount }) => amount)))
  return withFewestCoins({ payouts, total, needed }, coins, fees)
}

/** Payouts to one destination are paid by one output: what a destination gets in all. */
export function mergeByDestination<T extends { destination: string; amount: Sats }>(
  payouts: readonly T[],
): { destination: string; amount: Sats; payouts: T[] }[] {
  const merged = Map.groupBy(payouts, payout => payout.destination)
  return [...merged]
    .map(([destination, parts]) => ({
      destination,
      amount: sats(sum(parts.map(part => part.amount))),
      payouts: parts,
    }))
    .toSorted((a, b) => (a.destination < b.destination ? -1 : 1))
}

function waitsLonger(scheme: Scheme, a: Candidate, b: Candidate): number {
  const of = ({ since }: Candidate) => (scheme.interval.kind === 'blocks' ? since.height : since.at)
  return of(a) - of(b) || (a.account < b.account ? -1 : 1)
}

/** The largest coins, without those that their own fee could eat. */
function worthSpending(coins: readonly Coin[], fees: FeesMax): Coin[] {
  return coins
    .filter(coin => coin.value > fees.ofCoin(coin))
    .toSorted((a, b) => Number(b.value - a.value) || byPlace(a, b))
    .slice(0, COINS_MAX)
}

function byPlace(a: Coin, b: Coin): number {
  return a.txid === b.txid ? a.vout - b.vout : a.txid < b.txid ? -1 : 1
}

function withFewestCoins(
  { payouts, total, needed }: Pick<Plan, 'payouts' | 'total'> & { needed: bigint },
  coins: readonly Coin[],
  fees: FeesMax,
): Plan {
  let left = needed
  const count = coins.findIndex(coin => {
    left -= coin.value - fees.ofCoin(coin)
    return left <= 0n
  })
  assert(count >= 0, 'all the coins pay what they were found to pay')
  const chosen = coins.slice(0, count + 1)
  const ofCoins = sum(chosen.map(fees.ofCoin))
  const feeMax = sats(needed - total - CHANGE_MIN + ofCoins)
  const value = sum(chosen.map(coin => coin.value))
  assert(value >= total + feeMax + CHANGE_MIN, 'the coins pay the batch, its fee and its change')
  return { payouts, coins: chosen, total, feeMax }
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((a, b) => a + b, 0n)
}
