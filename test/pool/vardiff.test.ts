import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unixMs } from '../../src/lib/ids.ts'
import {
  judgePace,
  log2AtLeast,
  log2Near,
  startVardiff,
  type VardiffRule,
} from '../../src/pool/vardiff.ts'

const RULE: VardiffRule = { minLog2: -10, maxLog2: 40, startLog2: 0, secondsPerShare: 5 }
const T0 = unixMs(1_000_000)

const after = (seconds: number, shares: number, log2 = 10, rule = RULE) =>
  judgePace({ sinceMs: T0, shares }, log2, rule, unixMs(T0 + seconds * 1000)).log2

describe('a pace', () => {
  const table: [string, number, number, number][] = [
    ['as wished changes nothing', 120, 24, 10],
    ['of nearly twice the wish changes nothing', 60, 23, 10],
    ['of twice the wish is one step up', 60, 24, 11],
    ['of a hundred times the wish goes up at once', 5, 100, 16],
    ['that a few shares show is chance', 5, 15, 10],
    ['of half the wish is one step down', 120, 12, 9],
    ['of a sixth of the wish is two steps down', 120, 4, 8],
    ['of few shares too soon is chance', 60, 4, 10],
    ['of silence falls by a timer alone', 40, 0, 8],
    ['of silence for a moment is chance', 39, 0, 10],
  ]
  for (const [name, seconds, shares, log2] of table)
    test(name, () => expect(after(seconds, shares)).toBe(log2))
})

test('a difficulty stays within its port', () => {
  fc.assert(
    fc.property(
      fc.nat(10_000),
      fc.nat(100_000),
      fc.integer({ min: -10, max: 40 }),
      (s, n, log2) => {
        const next = after(s, n, log2)
        expect(next).toBeGreaterThanOrEqual(RULE.minLog2)
        expect(next).toBeLessThanOrEqual(RULE.maxLog2)
        expect(Number.isInteger(next)).toBe(true)
      },
    ),
  )
})

test('silence brings any difficulty down to the minimum', () => {
  let [log2, vardiff, now] = [40, startVardiff(T0), T0 as number]
  for (let i = 0; i < 30; i++) {
    now += 40_000
    ;({ log2, vardiff } = judgePace(vardiff, log2, RULE, unixMs(now)))
  }
  expect(log2).toBe(RULE.minLog2)
})

test('a steady miner settles near the wish and stays', () => {
  // A miner that finds a share of difficulty 2^k every 2^(k - speed) wished intervals.
  fc.assert(
    fc.property(fc.double({ min: -5, max: 35, noNaN: true }), speed => {
      let [log2, vardiff, now, owed, changes] = [0, startVardiff(T0), T0 as number, 0, 0]
      for (let tick = 0; tick < 2000; tick++) {
        now += 5000
        owed += 2 ** (speed - log2)
        const shares = Math.floor(owed)
        owed -= shares
        vardiff = { ...vardiff, shares: vardiff.shares + shares }
        const next = judgePace(vardiff, log2, RULE, unixMs(now))
        if (next.log2 !== log2 && tick > 1000) changes++
        ;({ log2, vardiff } = next)
      }
      expect(Math.abs(speed - log2)).toBeLessThanOrEqual(1.1)
      expect(changes).toBe(0)
    }),
    { numRuns: 50 },
  )
})

describe('a wish is rounded up to a power of two', () => {
  const table: [number, number | null][] = [
    [1, 0],
    [1000, 10],
    [1024, 10],
    [1025, 11],
    [0.3, -1],
    [1e-300, -32],
    [1e300, 64],
    [0, null],
    [-1, null],
    [Number.NaN, null],
  ]
  for (const [wish, log2] of table) test(`${wish}`, () => expect(log2AtLeast(wish)).toBe(log2))
})

test('a wish is met within half of it, and from above where that is possible', () => {
  const wishes = fc.double({ min: 2 ** -32, max: 2 ** 64, noNaN: true })
  fc.assert(
    fc.property(wishes, wish => {
      const met = 2 ** (log2Near(wish) ?? Number.NaN)
      expect(Math.abs(met - wish)).toBeLessThanOrEqual(wish / 2)
      const above = 2 ** (log2AtLeast(wish) ?? Number.NaN)
      if (above <= wish * 1.5) expect(met).toBe(above)
    }),
  )
  expect([0, -1, Number.NaN].map(log2Near)).toEqual([null, null, null])
  expect(log2Near(2 ** -40)).toBe(-32)
})
