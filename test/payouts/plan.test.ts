import fc from 'fast-check'
import { expect, test } from 'vitest'
import { accountId, txid, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { PAYOUTS_MAX } from '../../src/payouts/payout.ts'
import {
  type Candidate,
  CHANGE_MIN,
  COINS_MAX,
  type DuePayout,
  duePayouts,
  mergeByDestination,
  planBatch,
} from '../../src/payouts/plan.ts'
import type { Coin, FeesMax } from '../../src/payouts/rail.ts'
import { isOver, nextPayment, type Scheme } from '../../src/payouts/scheme.ts'

const MINUTES: Scheme = {
  name: 'hourly',
  rewardPool: 'pplns',
  interval: { kind: 'minutes', minutes: 60 },
  rails: ['l1'],
  minimum: sats(1000n),
  feeBasisPoints: 0,
}
const BLOCKS: Scheme = { ...MINUTES, interval: { kind: 'blocks', blocks: 10 } }
const NOW = { height: 100, at: unixMs(10_000_000) }
const DUE = { height: 90, at: unixMs(10_000_000 - 3_600_000) }

const candidate = (id: number, more: Partial<Candidate> = {}): Candidate => ({
  account: accountId(BigInt(id)),
  destination: { kind: 'payable', canonical: `payee ${id}`, dust: sats(294n) },
  payable: millisats(1_000_000n),
  since: DUE,
  ...more,
})
const isDue = (scheme: Scheme, more: Partial<Candidate>) =>
  duePayouts(scheme, [candidate(1, more)], NOW).length === 1

/** More than the coins of any case: the ledger bounds nothing. */
const PLENTY = sats(1_000_000_000_000n)

test('an account is due when its interval is over, and not an instant before', () => {
  expect(isDue(MINUTES, {})).toBe(true)
  expect(isDue(MINUTES, { since: { ...DUE, at: unixMs(DUE.at + 1) } })).toBe(false)
  expect(isDue(MINUTES, { since: { ...DUE, height: 100 } })).toBe(true)
  expect(isDue(BLOCKS, {})).toBe(true)
  expect(isDue(BLOCKS, { since: { ...DUE, height: 91 } })).toBe(false)
  expect(isDue(BLOCKS, { since: { ...DUE, at: NOW.at } })).toBe(true)
})

test('what an account is told agrees with when it is due', () => {
  expect(nextPayment(BLOCKS.interval, DUE)).toEqual({ kind: 'height', height: 100 })
  expect(nextPayment(MINUTES.interval, DUE)).toEqual({ kind: 'time', at: NOW.at })
  expect(isOver({ kind: 'height', height: 101 }, NOW)).toBe(false)
})

test('minimum, dust and destination keep an account waiting; fractions stay payable', () => {
  expect(isDue(MINUTES, { payable: millisats(999_999n) })).toBe(false)
  const dust = sats(1001n)
  expect(isDue(MINUTES, { destination: { kind: 'payable', canonical: 'x', dust } })).toBe(false)
  expect(isDue(MINUTES, { destination: { kind: 'unpayable', reason: 'x' } })).toBe(false)
  const [due] = duePayouts(MINUTES, [candidate(1, { payable: millisats(1_000_999n) })], NOW)
  expect(due?.amount).toBe(1000n)
  expect(isDue({ ...MINUTES, minimum: sats(0n) }, { payable: millisats(999n) })).toBe(false)
})

test('who has waited longest is paid first, and equals by account', () => {
  const older = { ...DUE, at: unixMs(DUE.at - 1) }
  const due = duePayouts(MINUTES, [candidate(3), candidate(2), candidate(9, { since: older })], NOW)
  expect(due.map(({ account }) => account)).toEqual([9n, 2n, 3n])
})

const FEES: FeesMax = { base: sats(50n), ofCoin: () => sats(70n), ofPayee: () => sats(30n) }
const coin = (value: bigint, vout = 0): Coin => ({
  txid: txid('ab'.repeat(32)),
  vout,
  value: sats(value),
  script: new Uint8Array(),
})
const payout = (id: number, amount: bigint, destination = `payee ${id}`): DuePayout => ({
  account: accountId(BigInt(id)),
  destination,
  amount: sats(amount),
})

test('who does not fit is passed over, and those behind are paid', () => {
  const due = [payout(1, 5000n), payout(2, 90_000n), payout(3, 3000n)]
  const plan = planBatch(due, [coin(10_000n)], FEES, PLENTY)
  expect(plan?.payouts.map(({ account }) => account)).toEqual([1n, 3n])
  expect(planBatch([payout(2, 90_000n)], [coin(10_000n)], FEES, PLENTY)).toBeNull()
  expect(planBatch(due, [], FEES, PLENTY)).toBeNull()
})

test('the last satoshi counts', () => {
  const exact = 5000n + 50n + 70n + 30n + CHANGE_MIN
  expect(planBatch([payout(1, 5000n)], [coin(exact)], FEES, PLENTY)?.feeMax).toBe(150n)
  expect(planBatch([payout(1, 5000n)], [coin(exact - 1n)], FEES, PLENTY)).toBeNull()
})

test('a batch has an end, and so have its coins', () => {
  const due = Array.from({ length: PAYOUTS_MAX + 1 }, (_, index) => payout(index + 1, 1000n))
  expect(planBatch(due, [coin(1_000_000_000n)], FEES, PLENTY)?.payouts).toHaveLength(PAYOUTS_MAX)
  const coins = Array.from({ length: COINS_MAX + 50 }, (_, index) => coin(10_000n, index))
  const large = payout(1, BigInt(COINS_MAX) * 9930n - CHANGE_MIN - 80n)
  expect(planBatch([large], coins, FEES, PLENTY)?.coins).toHaveLength(COINS_MAX)
  expect(planBatch([payout(1, large.amount + 1n)], coins, FEES, PLENTY)).toBeNull()
})

test('payouts to one destination are one output', () => {
  const merged = mergeByDestination([payout(1, 10n, 'b'), payout(2, 20n, 'a'), payout(3, 30n, 'b')])
  expect(merged.map(({ destination, amount }) => [destination, amount])).toEqual([
    ['a', 20n],
    ['b', 40n],
  ])
})

test('every plan is paid by its coins, with the largest fee and change that is no dust', () => {
  const amounts = fc.array(fc.bigInt(1n, 100_000n), { maxLength: 30 })
  fc.assert(
    fc.property(amounts, amounts, (payouts, coins) => {
      const due = payouts.map((amount, index) => payout(index + 1, amount, `payee ${index % 7}`))
      const plan = planBatch(due, coins.map(coin), FEES, PLENTY)
      if (plan === null) return
      const value = plan.coins.reduce((sum, each) => sum + each.value, 0n)
      const payees = BigInt(mergeByDestination(plan.payouts).length)
      expect(plan.feeMax).toBe(50n + 70n * BigInt(plan.coins.length) + 30n * payees)
      expect(value).toBeGreaterThanOrEqual(plan.total + plan.feeMax + CHANGE_MIN)
      const order = plan.payouts.map(({ account }) => account)
      expect(order).toEqual(order.toSorted((a, b) => Number(a - b)))
    }),
  )
})

test('coins that the ledger has not booked pay nobody', () => {
  const due = [payout(1, 5000n), payout(2, 4000n)]
  const coins = [coin(100_000n)]
  expect(planBatch(due, coins, FEES, sats(0n))).toBeNull()
  expect(planBatch(due, coins, FEES, sats(8000n))?.payouts).toHaveLength(1)
  expect(planBatch(due, coins, FEES, PLENTY)?.payouts).toHaveLength(2)
})
