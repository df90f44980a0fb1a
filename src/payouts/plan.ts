import type { LimitRefusal, OperatorKey, Spent } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { AccountId } from '../lib/ids.ts'
import { allot, type Sats, sats } from '../lib/money.ts'
import { PAYOUTS_MAX } from './payout.ts'
import { balancePurse, cheapestEnd, type Purse, purseOf } from './plan-coins.ts'
import { growthRefusal, type SpendRules } from './plan-limits.ts'
import type { Coin, Fees, FeesMax } from './rail.ts'
import type { Due } from './waiting.ts'

/**
 * A payout with its fee settled: amount and charge are all that was payable in whole satoshis, or
 * what an invoice is over, and its fee.
 */
export type PlannedPayout = {
  readonly account: AccountId
  readonly destination: string
  /** What the destination gets. */
  readonly amount: Sats
  /** The payee's part of the fee; never computed again. */
  readonly charge: Sats
  readonly setBy: OperatorKey | null
}

/** Who is paid with which coins; the first coin is the anchor. Without coins each is paid for itself. */
export type Plan = {
  readonly payouts: readonly PlannedPayout[]
  readonly coins: readonly Coin[]
  readonly total: Sats
  readonly feeMax: Sats
}

/** What a batch may be made of. */
export type Means = {
  /** Free coins that the rail can spend, or what it has in one balance. */
  readonly source:
    | { readonly kind: 'coins'; readonly coins: readonly Coin[] }
    | { readonly kind: 'balance'; readonly free: Sats }
  readonly fees: FeesMax
  /** What it costs at the fee rate of now: payees are charged by it. */
  readonly expected: Fees
  /**
   * What the ledger holds for the rail and no other batch has taken: a coin that is not booked yet
   * pays nobody, since its spending could not be booked either.
   */
  readonly booked: Sats
  readonly rules: SpendRules
  readonly spent: Spent
}

/** Why somebody due is not in a batch. */
export type Held =
  | { readonly kind: 'coins' }
  | { readonly kind: 'fee' }
  /** More than its destination is paid at once. */
  | { readonly kind: 'at once' }
  | LimitRefusal

export type PlanVerdict = {
  /** Null when nobody can be paid. */
  readonly plan: Plan | null
  /** Those whose part of the fee leaves them too little, in whatever company they were. */
  readonly tooSmall: readonly AccountId[]
  /** Why the first who was passed over was, if the reason is not that the batch was full. */
  readonly held: Held | null
  /** So many of the due, from the first, were looked at before the batch ended. */
  readonly looked: number
}

/**
 * As many of the due, in their order, as coins, limits and the rail's size allow. One that is too
 * large for them is passed over, since it would else hold up everybody behind it; it stays the
 * first in line. A batch ends where the next payout would fit only into another one.
 */
export function planBatch(due: readonly Due[], means: Means): PlanVerdict {
  const { source } = means
  const isOfCoins = source.kind === 'coins'
  const purse = isOfCoins ? purseOf(source.coins, means.fees) : balancePurse(source.free)
  const draft = grow(due, means, purse)
  const { looked } = draft
  if (draft.payouts.length === 0) return { plan: null, tooSmall: [], held: draft.held, looked }
  const { coinCount, needed } = draft
  const coins = isOfCoins ? cheapestEnd(purse, coinCount, needed, means.fees) : []
  const divide = isOfCoins ? sharesOfOne : sharesOfEach
  const { payouts, tooSmall } = charge(draft.payouts, due => divide(due, coins, means.expected))
  const held = draft.held ?? (tooSmall.length > 0 ? { kind: 'fee' as const } : null)
  if (payouts.length === 0) return { plan: null, tooSmall, held, looked }
  return { plan: planOf(payouts, { coins, purse, fees: means.fees }), tooSmall, held, looked }
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

type Draft = {
  readonly payouts: readonly Due[]
  /** With the largest fees and the smallest change, but without the fees of coins. */
  readonly needed: bigint
  /** So many of the purse's coins, from its first, pay for it. */
  readonly coinCount: number
  readonly held: Held | null
  readonly looked: number
}

function grow(due: readonly Due[], means: Means, purse: Purse): Draft {
  const { fees, booked, rules, spent } = means
  const payouts: Due[] = []
  const toDestination = new Map<string, bigint>()
  let needed: bigint = fees.base + purse.changeMin
  let paid = 0n
  let coinCount = 0
  let held: Held | null = null
  let smallest: bigint | null = null
  let looked = 0
  for (; looked < due.length && payouts.length < PAYOUTS_MAX; looked++) {
    const payout = due[looked]
    assert(payout !== undefined, 'an index below the length is there')
    const { destination, most } = payout
    const gross = takenBy(payout)
    const earlier = toDestination.get(destination)
    // Its other accounts fill the payment: it is the first in the next batch.
    if (most !== null && (earlier ?? 0n) + gross > most) {
      held ??= { kind: 'at once' }
      continue
    }
    const ofPayee = earlier === undefined ? fees.ofPayee(destination) : 0n
    const cost = gross + fees.ofAmount(gross) + ofPayee
    const count = purse.countFor(needed + cost, coinCount)
    const left = needed - purse.changeMin
    if (count === null || left + cost + purse.feesOf(count) > booked) {
      held ??= { kind: 'coins' }
      smallest ??= due.map(takenBy).reduce((least, each) => (each < least ? each : least), gross)
      if (purse.countFor(needed + smallest, coinCount) === null || left + smallest > booked) break
      continue
    }
    const spend = left + cost + purse.feesOf(count)
    // The rail carries no more, and whoever comes next is about as large.
    if (spend - paid - gross > fees.whole) break
    const growth = { destination, toDestination: (earlier ?? 0n) + gross, spend }
    const why = growthRefusal(rules, spent, growth)
    if (why?.kind === 'per batch' && fitsAlone(payout, means, purse)) break
    if (why !== null) {
      held ??= why
      continue
    }
    payouts.push(payout)
    toDestination.set(destination, growth.toDestination)
    needed += cost
    paid += gross
    coinCount = count
  }
  return { payouts, needed, coinCount, held, looked }
}

/** What a payout takes, but for the fee of one over an exact amount. */
function takenBy({ gross, exact }: Due): Sats {
  return exact ?? gross
}

/** Whether a payout is within the limit of a batch when it has one of its own. */
function fitsAlone(due: Due, { fees, rules }: Means, purse: Purse): boolean {
  const { destination } = due
  const gross = takenBy(due)
  const cost = fees.base + gross + fees.ofAmount(gross) + fees.ofPayee(destination)
  const count = purse.countFor(cost + purse.changeMin, 0)
  const limit = rules.limits.perBatch
  return count !== null && limit !== null && cost + purse.feesOf(count) <= limit
}

/**
 * Divides what the batch costs now among all its payouts; who pays fees is charged the part, and the
 * pool bears the others'. Whoever would be left with too little is taken out, and the rest divided
 * again.
 */
function charge(
  payouts: readonly Due[],
  divide: (payouts: readonly Due[]) => readonly bigint[],
): { readonly payouts: readonly PlannedPayout[]; readonly tooSmall: readonly AccountId[] } {
  const tooSmall: AccountId[] = []
  let left = payouts
  while (left.some(({ paysFee }) => paysFee)) {
    const parts = divide(left)
    const stays = left.filter(
      (due, index) => !due.paysFee || due.gross - (parts[index] ?? 0n) >= due.least,
    )
    if (stays.length === left.length) break
    const staying = new Set(stays)
    tooSmall.push(...left.filter(due => !staying.has(due)).map(({ account }) => account))
    left = stays
  }
  const parts = left.length === 0 ? [] : divide(left)
  const charged = left.map((due, index) => {
    const { account, destination, gross, least, exact, setBy } = due
    const part = sats(due.paysFee ? (parts[index] ?? 0n) : 0n)
    const amount = exact ?? sats(gross - part)
    assert(amount >= least, 'what is left of a payout is worth paying')
    assert(amount + part <= gross, 'no more is taken than is payable')
    return { account, destination, amount, charge: part, setBy }
  })
  return { payouts: charged, tooSmall }
}

/** One transaction pays all: its fee is divided by amount. */
function sharesOfOne(payouts: readonly Due[], coins: readonly Coin[], fees: Fees): bigint[] {
  const amounts = payouts.map(due => ({ destination: due.destination, amount: takenBy(due) }))
  return allot(feeOf(amounts, coins, fees), payouts.map(takenBy))
}

/** Each is paid for itself, and has a fee of its own. */
function sharesOfEach(payouts: readonly Due[], _coins: readonly Coin[], fees: Fees): bigint[] {
  return payouts.map(due => fees.ofPayee(due.destination) + fees.ofAmount(takenBy(due)))
}

/** The largest fee of each destination's part is the whole of it where nothing else costs. */
function feeOf(
  payouts: readonly { readonly destination: string; readonly amount: Sats }[],
  coins: readonly Coin[],
  fees: Fees,
): bigint {
  const payees = mergeByDestination(payouts).map(payee => feeOfPayee(payee, fees))
  return fees.base + sum(coins.map(fees.ofCoin)) + sum(payees)
}

/** What it costs at most to pay a destination its whole part. */
export function feeOfPayee(
  { destination, amount }: { readonly destination: string; readonly amount: Sats },
  fees: Fees,
): Sats {
  return sats(fees.ofPayee(destination) + fees.ofAmount(amount))
}

function planOf(
  payouts: readonly PlannedPayout[],
  {
    coins,
    purse,
    fees,
  }: { readonly coins: readonly Coin[]; readonly purse: Purse; readonly fees: FeesMax },
): Plan {
  const total = sats(sum(payouts.map(({ amount }) => amount)))
  const feeMax = sats(feeOf(payouts, coins, fees))
  const value = sum(coins.map(coin => coin.value))
  const spend = total + feeMax + purse.changeMin
  assert(payouts.length <= PAYOUTS_MAX, 'a batch has an end')
  const pays = coins.length === 0 ? purse.countFor(spend, 0) !== null : value >= spend
  assert(pays, 'what is there pays the batch, its fee and its change')
  return { payouts, coins, total, feeMax }
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((a, b) => a + b, 0n)
}
