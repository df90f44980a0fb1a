import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { dryRun, type PastBatch, type RulesToTry, rulesToTry } from '../../src/treasury/dry-run.ts'
import { rulesSchema } from '../../src/treasury/rules.ts'
import { type BatchRow, DAY_MS, manifestOfRow, NOW_MS } from '../payouts/batch-rows.ts'

const RULES: RulesToTry = rulesToTry(
  rulesSchema.parse({
    version: 1,
    bands: [
      { upToSats: '1000', approvals: 1 },
      { upToSats: null, approvals: 2 },
    ],
    auto: null,
    limits: { perBatchSats: null, perDaySats: null, perDestinationPerDaySats: null },
    allowList: null,
  }),
)
const past = (row: Omit<BatchRow, 'number'>, more: Partial<PastBatch> = {}): PastBatch => ({
  manifest: manifestOfRow({ number: 1, feeMax: 0n, ...row }),
  approvers: [],
  releasedAt: null,
  ...more,
})
const of = (amount: bigint, row: Omit<BatchRow, 'number'> = {}) =>
  past({ payees: [['a', amount]], ...row })
const verdicts = (rules: RulesToTry, ...batches: readonly PastBatch[]) =>
  dryRun(rules, batches).map(({ verdict }) => verdict)
const auto = (perBatch: bigint, perDay: bigint): RulesToTry => ({
  ...RULES,
  auto: { perBatch: sats(perBatch), perDay: sats(perDay) },
})
const perDay = (limit: bigint): RulesToTry => ({
  ...RULES,
  limits: { ...RULES.limits, perDay: sats(limit) },
})

test('people are counted without those whose batch it was', () => {
  const batch = past(
    { payees: [['a', 5000n]], excluded: ['alice'] },
    { approvers: ['alice', 'bob'] },
  )
  expect(verdicts(RULES, batch)).toEqual([
    { kind: 'people', needed: 2, approvers: ['bob'], isEnough: false },
  ])
  expect(verdicts(RULES, { ...of(900n), approvers: ['alice'] })).toEqual([
    { kind: 'people', needed: 1, approvers: ['alice'], isEnough: true },
  ])
})

test("the pool's band is used up batch by batch, and free again a day later", () => {
  const later = of(600n, { createdMs: NOW_MS + DAY_MS })
  const kinds = verdicts(auto(600n, 1000n), of(600n), of(600n), of(400n), later)
  expect(kinds.map(({ kind }) => kind)).toEqual(['pool', 'people', 'pool', 'pool'])
})

test('what is refused, or was released before, takes no part of the day', () => {
  const released = { ...of(900n), releasedAt: unixMs(NOW_MS + 5) }
  const after = (ms: number, amount: bigint) => of(amount, { createdMs: NOW_MS + ms })
  const kinds = (...batches: readonly PastBatch[]) =>
    verdicts(perDay(1000n), ...batches).map(({ kind }) => kind)
  expect(kinds(of(1001n), of(1000n))).toEqual(['refused', 'people'])
  expect(kinds(of(900n), of(101n))).toEqual(['people', 'refused'])
  expect(kinds(released, after(4, 900n))).toEqual(['people', 'refused'])
  expect(kinds(released, after(5, 900n))).toEqual(['people', 'people'])
})

test("a destination's part of the day is its own", () => {
  const limits = { ...RULES.limits, perDestinationPerDay: sats(1000n) }
  const both = past({
    payees: [
      ['a', 1n],
      ['b', 1000n],
    ],
  })
  expect(verdicts({ ...RULES, limits }, of(1000n), of(1n, { payees: [['b', 1n]] }), both)).toEqual([
    expect.objectContaining({ kind: 'people' }),
    expect.objectContaining({ kind: 'people' }),
    { kind: 'refused', why: { kind: 'per destination', destination: 'a', limit: 1000n } },
  ])
})

test('whatever the past was, no day holds more than its limit, nor the pool more than its band', () => {
  const batch = fc.record({
    amount: fc.bigInt(1n, 2000n),
    after: fc.integer({ min: 0, max: DAY_MS }),
  })
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 30 }), drawn => {
      let at = NOW_MS
      const batches = drawn.map(({ amount, after }) => {
        at += Math.floor(after / 3)
        return of(amount, { createdMs: at })
      })
      const rules = { ...perDay(3000n), auto: auto(1000n, 1500n).auto }
      const lines = dryRun(rules, batches)
      for (const { createdAt } of lines) {
        const day = lines.filter(
          line => line.createdAt <= createdAt && line.createdAt > createdAt - DAY_MS,
        )
        const sum = (kinds: readonly string[]) =>
          day
            .filter(({ verdict }) => kinds.includes(verdict.kind))
            .reduce((all, { spend }) => all + spend, 0n)
        expect(sum(['pool', 'people'])).toBeLessThanOrEqual(3000n)
        expect(sum(['pool'])).toBeLessThanOrEqual(1500n)
      }
    }),
  )
})
