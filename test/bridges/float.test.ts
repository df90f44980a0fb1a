import fc from 'fast-check'
import { expect, test } from 'vitest'
import { refill } from '../../src/bridges/float.ts'
import { sats } from '../../src/lib/money.ts'

const RULE = { low: sats(100n), target: sats(300n), cap: sats(1000n) }
const need = (float: bigint, coming: bigint, due: bigint) => ({
  ...{ float: sats(float), coming: sats(coming), due: sats(due) },
})

test.each<[string, bigint, bigint, bigint, bigint | null]>([
  ['an empty float is filled to its target', 0n, 0n, 0n, 300n],
  ['a float at its low mark is left alone', 100n, 0n, 0n, null],
  ['one below it is filled', 99n, 0n, 0n, 201n],
  ['what is on its way counts', 0n, 100n, 0n, null],
  ['what is on its way counts, and is not enough', 20n, 70n, 0n, 210n],
  ['what is owed comes on top', 300n, 0n, 250n, 250n],
  ['what is owed and there is left alone', 300n, 0n, 200n, null],
  ['never more than the cap', 0n, 0n, 5000n, 1000n],
  ['nothing at the cap, whoever is owed what', 600n, 400n, 5000n, null],
  ['nothing above the cap', 2000n, 0n, 5000n, null],
])('%s', (_name, float, coming, due, amount) => {
  expect(refill(need(float, coming, due), RULE)).toBe(amount)
})

test('a refill never goes above the cap, and once it has arrived there is no other', () => {
  const amount = fc.bigInt(0n, 10_000n)
  fc.assert(
    fc.property(amount, amount, amount, (float, coming, due) => {
      const moved = refill(need(float, coming, due), RULE)
      if (moved === null) return true
      const after = float + coming + moved
      const again = refill(need(float, coming + moved, due), RULE)
      return (moved > 0n && after <= RULE.cap && again === null) || after === RULE.cap
    }),
  )
})

test('marks out of order are a bug', () => {
  expect(() => refill(need(0n, 0n, 0n), { ...RULE, low: RULE.target })).toThrow('in order')
  expect(() => refill(need(0n, 0n, 0n), { ...RULE, cap: RULE.low })).toThrow('in order')
})
