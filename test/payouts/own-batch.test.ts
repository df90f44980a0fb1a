import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Wallet } from '../../src/lib/db/schema.ts'
import { batchId, txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import {
  floatMove,
  planChild,
  planConsolidation,
  planTransfer,
} from '../../src/payouts/own-batch.ts'
import { feeRateNow } from '../../src/payouts/rails/l1/fee-rate.ts'
import { feeFor } from '../../src/payouts/rails/l1/transaction.ts'

const P2WPKH = Uint8Array.of(0, 20, ...new Uint8Array(20))
const LEGACY = new Uint8Array(25)
const RATE = sats(1000n)

const coin = (value: bigint, vout = 0, script = P2WPKH) => ({
  txid: txid('c'.repeat(64)),
  vout,
  value: sats(value),
  script,
})
const coins = (values: readonly bigint[]) => values.map((value, vout) => coin(value, vout))
const purse = (wallet: Wallet, free: readonly ReturnType<typeof coin>[]) => ({
  ...{ wallet, free, multisigWeight: null },
})
const sum = (list: readonly { value: bigint }[]) => list.reduce((all, { value }) => all + value, 0n)

describe('a consolidation', () => {
  test('makes one coin of the smallest that are worth their own fee, the largest of them first', () => {
    const made = planConsolidation(purse('hot', coins([50n, 9000n, 68n, 5000n, 7000n])), RATE)
    if (made.kind !== 'plan') throw new Error(made.reason)
    expect(made.plan.coins.map(({ value }) => value)).toEqual([9000n, 7000n, 5000n])
    expect(made.plan.feeMax).toBe(260n)
  })
  test('takes a hundred coins at most, and leaves the large ones', () => {
    const many = coins(Array.from({ length: 150 }, (_, n) => BigInt(10_000 + n)))
    const made = planConsolidation(purse('cold', many), RATE)
    if (made.kind !== 'plan') throw new Error(made.reason)
    expect(made.plan.coins).toHaveLength(100)
    expect(made.plan.coins[0]?.value).toBe(10_099n)
  })
  test('of one coin, of dust, or of coins that cannot be spent is not made', () => {
    expect(planConsolidation(purse('hot', coins([10_000n])), RATE).kind).toBe('nothing')
    expect(planConsolidation(purse('hot', coins([550n, 550n])), RATE).kind).toBe('nothing')
    const legacy = [coin(10_000n, 0, LEGACY), coin(10_000n, 1, LEGACY)]
    expect(planConsolidation(purse('hot', legacy), RATE).kind).toBe('nothing')
  })
})

test('whatever the coins, a plan spends each once and always pays amount, fee and change', () => {
  const values = fc.array(fc.bigInt(1n, 1_000_000n), { maxLength: 150 })
  const rates = fc.bigInt(1n, 100_000n).map(sats)
  fc.assert(
    fc.property(values, rates, fc.bigInt(1n, 5_000_000n), (list, rate, amount) => {
      const free = coins(list)
      const plans = [
        planConsolidation(purse('hot', free), rate),
        planTransfer(purse('hot', free), sats(amount), rate),
      ]
      for (const made of plans) {
        if (made.kind === 'nothing') continue
        const { plan } = made
        expect(new Set(plan.coins.map(({ vout }) => vout)).size).toBe(plan.coins.length)
        expect(plan.coins.length).toBeLessThanOrEqual(100)
        expect(sum(plan.coins)).toBeGreaterThanOrEqual((plan.amount ?? 0n) + plan.feeMax + 1000n)
      }
    }),
  )
})

test('a transfer takes as few coins as do it, and none where they do not suffice', () => {
  const made = planTransfer(purse('cold', coins([5000n, 90_000n, 40_000n])), sats(100_000n), RATE)
  if (made.kind !== 'plan') throw new Error(made.reason)
  expect(made.plan.coins.map(({ value }) => value)).toEqual([90_000n, 40_000n])
  expect(made.plan).toMatchObject({ purpose: 'transfer', wallet: 'cold', amount: 100_000n })
  expect(planTransfer(purse('cold', coins([100_000n])), sats(100_000n), RATE).kind).toBe('nothing')
})

describe('a child that pays for its parent', () => {
  const parent = {
    parent: batchId(1n),
    wallet: 'hot' as const,
    multisigWeight: null,
    weight: 4000,
    fee: sats(1000n),
    coin: coin(100_000n),
  }
  test('makes the package pay the wanted rate, exactly', () => {
    const made = planChild(parent, sats(5000n))
    if (made.kind !== 'plan') throw new Error(made.reason)
    const childWeight = 494
    expect(made.plan.feeMax + parent.fee).toBe(feeFor(4000 + childWeight, sats(5000n)))
  })
  test('is not made where it pays enough, or has not the coin for it', () => {
    expect(planChild(parent, sats(1000n)).kind).toBe('nothing')
    const poor = { ...parent, coin: coin(5000n) }
    expect(planChild(poor, sats(5000n)).kind).toBe('nothing')
  })
})

describe('the float', () => {
  const rule = { low: sats(100n), target: sats(500n), cap: sats(1000n) }
  test('is filled below its low mark, emptied above its cap, and left alone between', () => {
    expect(floatMove(99n, rule)).toEqual({ from: 'cold', amount: 401n })
    expect(floatMove(100n, rule)).toBeNull()
    expect(floatMove(1000n, rule)).toBeNull()
    expect(floatMove(1001n, rule)).toEqual({ from: 'hot', amount: 501n })
    expect(floatMove(1001n, { ...rule, cap: null })).toBeNull()
  })
})

test('a fee rate keeps to floor and ceiling, and never below what mempools take', () => {
  const rates = { feeRateMin: sats(1000n), feeRateMax: sats(50_000n) }
  const at = (estimate: bigint | null, mempoolMin: bigint) =>
    feeRateNow({
      ...rates,
      estimate: estimate === null ? null : sats(estimate),
      mempoolMin: sats(mempoolMin),
    })
  expect(at(null, 0n)).toBe(1000n)
  expect(at(7000n, 0n)).toBe(7000n)
  expect(at(90_000n, 0n)).toBe(50_000n)
  expect(at(7000n, 9000n)).toBe(9000n)
  expect(at(7000n, 90_000n)).toBe(90_000n)
})
