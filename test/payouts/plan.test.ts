import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Sats, sats } from '../../src/lib/money.ts'
import { PAYOUTS_MAX } from '../../src/payouts/payout.ts'
import { mergeByDestination, planBatch } from '../../src/payouts/plan.ts'
import { CHANGE_MIN, COINS_MAX } from '../../src/payouts/plan-coins.ts'
import { NOTHING_SPENT, type SpendRules } from '../../src/payouts/plan-limits.ts'
import type { Due } from '../../src/payouts/waiting.ts'
import { coin, due, FEES, means, NO_RULES } from './due.ts'

const accounts = (plan: ReturnType<typeof planBatch>) =>
  plan.plan?.payouts.map(({ account }) => account) ?? null
const rules = (limits: Partial<SpendRules['limits']>, allowList: string[] | null = null) => ({
  ...NO_RULES,
  limits: { ...NO_RULES.limits, ...limits },
  allowList: allowList && new Set(allowList),
})

test('who does not fit is passed over, and those behind are paid', () => {
  const all = [due(1, 5000n), due(2, 90_000n), due(3, 3000n)]
  const made = planBatch(all, means([coin(10_000n)]))
  expect(accounts(made)).toEqual([1n, 3n])
  expect(made.held).toEqual({ kind: 'coins' })
  expect(planBatch([due(2, 90_000n)], means([coin(10_000n)])).plan).toBeNull()
  expect(planBatch(all, means([])).plan).toBeNull()
})

test('the last satoshi counts', () => {
  const exact = 5000n + 50n + 70n + 30n + CHANGE_MIN
  expect(planBatch([due(1, 5000n)], means([coin(exact)])).plan?.feeMax).toBe(150n)
  expect(planBatch([due(1, 5000n)], means([coin(exact - 1n)])).plan).toBeNull()
})

test('a batch has an end, and so have its coins', () => {
  const many = Array.from({ length: PAYOUTS_MAX + 1 }, (_, index) => due(index + 1, 1000n))
  expect(accounts(planBatch(many, means([coin(1_000_000_000n)])))).toHaveLength(PAYOUTS_MAX)
  const coins = Array.from({ length: COINS_MAX + 50 }, (_, index) => coin(10_000n, index))
  const large = BigInt(COINS_MAX) * 9930n - CHANGE_MIN - 80n
  expect(planBatch([due(1, large)], means(coins)).plan?.coins).toHaveLength(COINS_MAX)
  expect(planBatch([due(1, large + 1n)], means(coins)).plan).toBeNull()
})

test('a batch grows to what the rail carries, and not by one payee more', () => {
  const all = [
    due(1, 1000n),
    due(2, 1000n),
    due(3, 1000n),
    due(4, 1000n, { destination: 'payee 1' }),
  ]
  const fees = { ...FEES, whole: sats(50n + 70n + 2n * 30n) }
  expect(accounts(planBatch(all, means([coin(100_000n)], { fees })))).toEqual([1n, 2n])
  const merged = [due(1, 1000n), due(2, 1000n), due(4, 1000n, { destination: 'payee 1' })]
  expect(accounts(planBatch(merged, means([coin(100_000n)], { fees })))).toEqual([1n, 2n, 4n])
})

test('the smallest coin that does it ends a batch, and the large one stays free', () => {
  const coins = [coin(900_000n, 0), coin(20_000n, 1), coin(8000n, 2), coin(3000n, 3)]
  const chosen = (gross: bigint) =>
    planBatch([due(1, gross)], means(coins)).plan?.coins.map(({ vout }) => vout)
  expect(chosen(5000n)).toEqual([2])
  expect(chosen(10_000n)).toEqual([1])
  expect(chosen(899_000n)).toEqual([0, 3])
})

test('payouts to one destination are one output', () => {
  const part = (amount: bigint, destination: string) => ({ amount: sats(amount), destination })
  const merged = mergeByDestination([part(10n, 'b'), part(20n, 'a'), part(30n, 'b')])
  expect(merged.map(({ destination, amount }) => [destination, amount])).toEqual([
    ['a', 20n],
    ['b', 40n],
  ])
})

test('coins that the ledger has not booked pay nobody', () => {
  const all = [due(1, 5000n), due(2, 4000n)]
  const coins = [coin(100_000n)]
  expect(planBatch(all, means(coins, { booked: sats(0n) })).plan).toBeNull()
  expect(accounts(planBatch(all, means(coins, { booked: sats(5149n) })))).toEqual([2n])
  expect(accounts(planBatch(all, means(coins, { booked: sats(5150n) })))).toEqual([1n])
  expect(accounts(planBatch(all, means(coins)))).toHaveLength(2)
})

test('a batch stops at its limit, and what alone is above it holds up nobody', () => {
  const all = [due(9, 50_000n), due(1, 5000n), due(2, 6000n), due(3, 100n)]
  // 11,000 and a fee of 180 are above it, so the second is for another batch, with those behind.
  const within = (perBatch: bigint) =>
    planBatch(all, means([coin(200_000n)], { rules: rules({ perBatch: sats(perBatch) }) }))
  expect(accounts(within(11_179n))).toEqual([1n])
  expect(accounts(within(11_180n))).toEqual([1n, 2n])
  expect(within(11_180n).held).toMatchObject({ kind: 'per batch', limit: 11_180n })
})

test('what the day has spent leaves the rest for those who fit', () => {
  const spent = { ...NOTHING_SPENT, day: sats(90_000n) }
  const all = [due(1, 9000n), due(2, 800n)]
  const within = (perDay: bigint) =>
    planBatch(all, means([coin(200_000n)], { rules: rules({ perDay: sats(perDay) }), spent }))
  expect(accounts(within(99_149n))).toEqual([2n])
  expect(within(99_149n).held?.kind).toBe('per day')
  expect(accounts(within(99_150n))).toEqual([1n])
  expect(within(90_000n).plan).toBeNull()
})

test('a destination has its own limit a day, and a list may name all that are paid', () => {
  const spent = { ...NOTHING_SPENT, byDestination: new Map([['payee 1', sats(600n)]]) }
  const all = [due(1, 300n), due(2, 500n), due(3, 200n, { destination: 'payee 1' })]
  const limit = rules({ perDestinationPerDay: sats(900n) })
  const limited = planBatch(all, means([coin(50_000n)], { rules: limit, spent }))
  expect(accounts(limited)).toEqual([1n, 2n])
  const listed = rules({}, ['payee 2'])
  expect(accounts(planBatch(all, means([coin(50_000n)], { rules: listed })))).toEqual([2n])
})

test('payees bear what the batch costs now by amount, and the pool bears the others’', () => {
  const paysFee = true
  const all = [due(1, 6000n, { paysFee }), due(2, 3000n), due(3, 1000n, { paysFee })]
  const expected = {
    base: sats(5n),
    ofCoin: () => sats(7n),
    ofPayee: () => sats(3n),
    ofAmount: () => sats(0n),
  }
  const made = planBatch(all, means([coin(50_000n)], { expected }))
  // 5 + 7 + 9 = 21: 12.6, 6.3 and 2.1, and what is left over goes to the largest remainder.
  expect(made.plan?.payouts.map(({ amount, charge }) => [amount, charge])).toEqual([
    [5987n, 13n],
    [3000n, 0n],
    [998n, 2n],
  ])
  expect(made.plan?.total).toBe(9985n)
})

test('whom the fee would leave too little is left out, and the rest divided again', () => {
  const paysFee = true
  const all = [due(1, 6000n, { paysFee }), due(2, 1000n, { paysFee, least: sats(1000n) })]
  const made = planBatch(all, means([coin(50_000n)]))
  expect(made.plan?.payouts.map(({ account, charge }) => [account, charge])).toEqual([[1n, 150n]])
  expect(made.tooSmall).toEqual([2n])
  expect(made.held).toEqual({ kind: 'fee' })
})

const amount = fc.bigInt(1n, 100_000n)
const anyDue = fc.array(
  fc.record({ gross: amount, least: fc.bigInt(1n, 2000n), paysFee: fc.boolean() }),
  { maxLength: 40 },
)
const anyLimit = fc.option(fc.bigInt(0n, 200_000n).map(sats), { nil: null })
const anyLimits = fc.record({
  perBatch: anyLimit,
  perDay: anyLimit,
  perDestinationPerDay: anyLimit,
})
const sum = (amounts: readonly bigint[]) => amounts.reduce((a, b) => a + b, 0n)

test('no plan pays more than is payable, than its coins hold, or than a limit allows', () => {
  fc.assert(
    fc.property(anyDue, fc.array(amount, { maxLength: 30 }), anyLimits, (dues, coins, limits) => {
      const all = dues.map(({ gross, least, paysFee }, index) =>
        due(index + 1, gross, {
          destination: `payee ${index % 7}`,
          least: sats(least < gross ? least : gross),
          paysFee,
        }),
      )
      const from = means(coins.map(coin), { rules: { ...NO_RULES, limits } })
      const { plan, tooSmall } = planBatch(all, from)
      if (plan === null) return
      const byAccount = new Map(all.map(each => [each.account, each]))
      for (const { account, amount, charge } of plan.payouts) {
        const one = byAccount.get(account)
        expect(amount + charge).toBe(one?.gross)
        expect(amount).toBeGreaterThanOrEqual(one?.least ?? 0n)
        expect(one?.paysFee || charge === 0n).toBe(true)
      }
      const merged = mergeByDestination(plan.payouts)
      const fee = 50n + 70n * BigInt(plan.coins.length) + 30n * BigInt(merged.length)
      expect(plan.feeMax).toBe(fee)
      const charges = sum(plan.payouts.map(({ charge }) => charge))
      expect(charges).toBeLessThanOrEqual(fee)
      expect(plan.total).toBe(sum(plan.payouts.map(payout => payout.amount)))
      const value = sum(plan.coins.map(each => each.value))
      expect(value).toBeGreaterThanOrEqual(plan.total + plan.feeMax + CHANGE_MIN)
      expect(new Set(plan.coins.map(({ vout }) => vout)).size).toBe(plan.coins.length)
      const most = (limit: Sats | null) => limit ?? sats(1_000_000_000n)
      expect(plan.total + plan.feeMax).toBeLessThanOrEqual(most(limits.perBatch))
      expect(plan.total + plan.feeMax).toBeLessThanOrEqual(most(limits.perDay))
      for (const payee of merged)
        expect(payee.amount).toBeLessThanOrEqual(most(limits.perDestinationPerDay))
      const order = plan.payouts.map(({ account }) => account)
      expect(order).toEqual(order.toSorted((a, b) => Number(a - b)))
      expect(order.some(account => tooSmall.includes(account))).toBe(false)
    }),
  )
})

test('batch after batch, everybody is paid whom coins and limits can pay at all', () => {
  fc.assert(
    fc.property(
      fc.array(fc.bigInt(100n, 5000n), { minLength: 1, maxLength: 60 }),
      fc.bigInt(700n, 8000n),
      (grosses, perBatch) => {
        let left: readonly Due[] = grosses.map((gross, index) => due(index + 1, gross))
        let coins = Array.from({ length: 200 }, (_, index) => coin(7000n, index))
        const limit = rules({ perBatch: sats(perBatch) })
        for (;;) {
          const { plan } = planBatch(left, means(coins, { rules: limit }))
          if (plan === null) break
          const paid = new Set(plan.payouts.map(({ account }) => account))
          const used = new Set(plan.coins.map(({ vout }) => vout))
          left = left.filter(({ account }) => !paid.has(account))
          coins = coins.filter(({ vout }) => !used.has(vout))
        }
        for (const { gross } of left) {
          const coinCount = gross + 80n + CHANGE_MIN > 6930n ? 2n : 1n
          expect(gross + 80n + 70n * coinCount).toBeGreaterThan(perBatch)
        }
      },
    ),
  )
})
