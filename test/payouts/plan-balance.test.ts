import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sats } from '../../src/lib/money.ts'
import { feeOfPayee, type Means, mergeByDestination, planBatch } from '../../src/payouts/plan.ts'
import type { FeesMax } from '../../src/payouts/rail.ts'
import { due, means, PLENTY } from './due.ts'

const anyAmounts = fc.array(fc.bigInt(1n, 100_000n), { maxLength: 40 })

/** What a payment over Lightning may cost: one satoshi, and a hundredth. */
const LINE_FEES: FeesMax = {
  ...{ base: sats(0n), whole: PLENTY, ofCoin: () => sats(0n), ofPayee: () => sats(1n) },
  ofAmount: amount => sats((amount + 99n) / 100n),
}
const ofBalance = (free: bigint, more: Partial<Means> = {}): Means =>
  means([], {
    source: { kind: 'balance', free: sats(free) },
    ...{ fees: LINE_FEES, expected: LINE_FEES },
    ...more,
  })

test('a balance pays without coins and change, to the last satoshi', () => {
  const all = [due(1, 1000n), due(2, 500n)]
  expect(planBatch(all, ofBalance(1517n)).plan).toMatchObject({
    ...{ coins: [], total: 1500n, feeMax: 17n },
  })
  expect(planBatch(all, ofBalance(1516n)).plan?.payouts).toHaveLength(1)
  expect(planBatch(all, ofBalance(505n)).plan).toBeNull()
  expect(planBatch(all, ofBalance(1517n, { booked: sats(1516n) })).plan?.total).toBe(1000n)
})

test('who is paid for itself is charged its own fee, however much the others get', () => {
  const all = [due(1, 100_000n, { paysFee: true }), due(2, 500n, { paysFee: true })]
  const { plan } = planBatch(all, ofBalance(1_000_000n))
  expect(plan?.payouts.map(({ amount, charge }) => [amount, charge])).toEqual([
    [98_999n, 1001n],
    [494n, 6n],
  ])
})

test('out of a balance no plan spends more than there is', () => {
  fc.assert(
    fc.property(anyAmounts, fc.bigInt(1n, 100_000n), (amounts, free) => {
      const dues = amounts.map((gross, index) =>
        due(index + 1, gross, { destination: `payee ${index % 7}` }),
      )
      const { plan } = planBatch(dues, ofBalance(free))
      if (plan === null) return
      expect(plan.total + plan.feeMax).toBeLessThanOrEqual(free)
      const merged = mergeByDestination(plan.payouts)
      expect(merged.reduce((sum, payee) => sum + feeOfPayee(payee, LINE_FEES), 0n)).toBe(
        plan.feeMax,
      )
    }),
  )
})

test('what several accounts get at one destination is no more than it is paid at once', () => {
  const to = { destination: 'one', most: sats(1500n) }
  const all = [due(1, 1000n, to), due(2, 501n, to), due(3, 500n, to), due(4, 900n)]
  const { plan, held } = planBatch(all, ofBalance(1_000_000n))
  expect(plan?.payouts.map(({ account }) => account)).toEqual([1n, 3n, 4n])
  expect(held).toEqual({ kind: 'at once' })
  expect(planBatch(all.slice(1, 2), ofBalance(1_000_000n)).plan?.total).toBe(501n)
})

test('over an invoice exactly that is paid, and its fee is of that', () => {
  const exact = sats(500n)
  const all = [
    due(1, 100_000n, { exact, least: exact, paysFee: true }),
    due(2, 900n, { exact, least: exact }),
  ]
  const { plan } = planBatch(all, ofBalance(1_000_000n))
  expect(plan?.payouts.map(({ amount, charge }) => [amount, charge])).toEqual([
    [500n, 6n],
    [500n, 0n],
  ])
  expect(plan?.feeMax).toBe(12n)
  // What is owed beside it takes no room.
  expect(planBatch(all, ofBalance(1012n)).plan?.payouts).toHaveLength(2)
  const tight = due(1, 505n, { exact, least: exact, paysFee: true })
  expect(planBatch([tight], ofBalance(1_000_000n))).toMatchObject({ plan: null, tooSmall: [1n] })
})
