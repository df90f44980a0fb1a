import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sats } from '../../src/lib/money.ts'
import { type BumpView, decideBump, leastFee } from '../../src/payouts/rails/l1/bump.ts'

const there = (fee: bigint, withDescendants = fee, isNewest = true) => ({
  inMempool: { fee: sats(fee), withDescendants: sats(withDescendants), isNewest },
})

/** A version of 1,000 virtual bytes that pays 2 satoshis for each. */
const VIEW: BumpView = {
  sentFee: sats(2000n),
  ...there(2000n),
  vsize: 1000n,
  rates: { wanted: sats(5000n), floor: sats(1000n), increment: sats(1000n) },
  blocksWaited: 6,
  bumpAfterBlocks: 6,
  feeMax: sats(20_000n),
}
const rates = (change: Partial<BumpView['rates']>) => ({ rates: { ...VIEW.rates, ...change } })

const cases: readonly [string, Partial<BumpView>, bigint | string][] = [
  ['fees rose and it has waited', {}, 5000n],
  ['it has not waited long enough', { blocksWaited: 5 }, 'stays'],
  ['fees did not rise', rates({ wanted: sats(2000n) }), 'stays'],
  ['fees rose by less than a replacement costs', rates({ wanted: sats(2500n) }), 3000n],
  ['recipients spend it dearly', there(2000n, 9000n), 10_000n],
  ['recipients have pinned it', there(2000n, 19_500n), 'waits'],
  ['the wish is above what was approved', rates({ wanted: sats(90_000n) }), 20_000n],
  [
    'all that was approved is paid',
    { sentFee: sats(19_500n), ...there(19_500n), ...rates({ wanted: sats(90_000n) }) },
    'waits',
  ],
  [
    'the mempool dropped it for its fee',
    { inMempool: null, blocksWaited: 0, ...rates({ floor: sats(3000n) }) },
    5000n,
  ],
  [
    'the mempool has lost it, and would take it back',
    { inMempool: null, blocksWaited: 0 },
    'stays',
  ],
  [
    'the newest did not get in, and would now',
    { sentFee: sats(3000n), blocksWaited: 0, ...there(2000n, 2000n, false) },
    'send again',
  ],
  [
    'a child of the older one kept the newest out',
    { sentFee: sats(3000n), blocksWaited: 0, ...there(2000n, 6000n, false) },
    7000n,
  ],
  [
    'the older one is enough by now',
    {
      ...{ sentFee: sats(3000n), blocksWaited: 0, ...there(2000n, 6000n, false) },
      ...rates({ wanted: sats(2000n) }),
    },
    'stays',
  ],
]
for (const [name, change, expected] of cases)
  test(`where ${name}: ${typeof expected === 'bigint' ? `replaced for ${expected}` : expected}`, () => {
    const decision = decideBump({ ...VIEW, ...change })
    if (typeof expected === 'bigint') expect(decision).toEqual({ kind: 'bump', fee: expected })
    else expect(decision.kind).toBe(expected)
  })

test('whatever is asked, a replacement pays more than it replaces and no more than was approved', () => {
  const amount = (max: bigint) => fc.bigInt(0n, max).map(sats)
  const view = fc.record({
    sentFee: amount(30_000n),
    inMempool: fc.option(
      fc
        .record({ fee: amount(30_000n), more: amount(20_000n), isNewest: fc.boolean() })
        .map(({ fee, more, isNewest }) => ({ fee, withDescendants: sats(fee + more), isNewest })),
    ),
    vsize: fc.bigInt(100n, 50_000n),
    rates: fc.record({ wanted: amount(90_000n), floor: amount(9000n), increment: amount(3000n) }),
    blocksWaited: fc.nat(20),
    bumpAfterBlocks: fc.integer({ min: 1, max: 20 }),
    feeMax: amount(2_000_000n),
  })
  fc.assert(
    fc.property(view, each => {
      const decision = decideBump(each)
      if (decision.kind !== 'bump') return
      const added = (each.vsize * each.rates.increment) / 1000n
      expect(decision.fee).toBeLessThanOrEqual(each.feeMax)
      expect(decision.fee).toBeGreaterThanOrEqual(each.sentFee + added)
      expect(decision.fee).toBeGreaterThanOrEqual((each.inMempool?.withDescendants ?? 0n) + added)
      expect(decision.fee).toBeGreaterThanOrEqual(leastFee(each))
    }),
  )
})
