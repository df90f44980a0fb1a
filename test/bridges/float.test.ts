import fc from 'fast-check'
import { expect, test } from 'vitest'
import { refill, shortage } from '../../src/bridges/float.ts'
import { sats } from '../../src/lib/money.ts'

const RULE = { low: sats(100n), target: sats(300n), cap: sats(1000n) }
const need = (float: bigint, coming: bigint, due: bigint, leaving = 0n) => ({
  ...{ float: sats(float), coming: sats(coming), leaving: sats(leaving), due: sats(due) },
})
const enough = { kind: 'enough' }
const fills = (amount: bigint) => ({ kind: 'fill', amount })
const waits = (reason: RegExp) => ({ kind: 'waits', reason: expect.stringMatching(reason) })

test.each<[string, ReturnType<typeof need>, object]>([
  ['an empty float is filled to its target', need(0n, 0n, 0n), fills(300n)],
  ['a float at its low mark is left alone', need(100n, 0n, 0n), enough],
  ['one below it is filled', need(99n, 0n, 0n), fills(201n)],
  ['what is on its way counts', need(0n, 100n, 0n), enough],
  ['what is on its way counts, and is not enough', need(20n, 70n, 0n), fills(210n)],
  ['what is owed comes on top', need(300n, 0n, 250n), fills(250n)],
  ['what is owed and there is left alone', need(300n, 0n, 200n), enough],
  ['never more than the cap', need(0n, 0n, 5000n), fills(1000n)],
  ['nothing at the cap, whoever is owed what', need(600n, 400n, 5000n), waits(/cap/)],
  ['nothing above the cap', need(2000n, 0n, 5000n), waits(/cap/)],
  ['as much as lies between the marks, just below the cap', need(800n, 0n, 5000n), fills(200n)],
  ['and not for less', need(801n, 0n, 5000n), waits(/cap/)],
  ['while something comes back, an empty float waits', need(0n, 0n, 0n, 1n), waits(/withdrawal/)],
  ['whoever is owed what', need(0n, 0n, 5000n, 500n), waits(/withdrawal/)],
  ['and one that is not too small is enough', need(100n, 0n, 0n, 500n), enough],
  ['what comes back is not on its way there', need(99n, 0n, 0n, 500n), waits(/withdrawal/)],
])('%s', (_name, what, verdict) => {
  expect(refill(what, RULE)).toEqual(verdict)
})

const amount = fc.bigInt(0n, 10_000n)

test('a refill never goes above the cap, and once it has arrived there is no other', () => {
  fc.assert(
    fc.property(amount, amount, amount, (float, coming, due) => {
      const verdict = refill(need(float, coming, due), RULE)
      if (verdict.kind !== 'fill') return true
      const moved = verdict.amount
      const after = float + coming + moved
      const again = refill(need(float, coming + moved, due), RULE)
      return moved > 0n && after <= RULE.cap && again.kind !== 'fill'
    }),
  )
})

test('the next refill comes only when at least what lies between the marks is used or owed', () => {
  fc.assert(
    fc.property(amount, amount, amount, amount, (float, due, used, owed) => {
      const first = refill(need(float, 0n, due), RULE)
      if (first.kind !== 'fill') return true
      const held = float + first.amount
      const left = held > used ? held - used : 0n
      const second = refill(need(left, 0n, due + owed), RULE)
      return second.kind !== 'fill' || used + owed >= RULE.target - RULE.low
    }),
  )
})

test('nothing goes there by itself while something comes back', () => {
  fc.assert(
    fc.property(amount, amount, amount, amount, (float, coming, due, leaving) => {
      const { kind } = refill(need(float, coming, due, leaving + 1n), RULE)
      return kind !== 'fill'
    }),
  )
})

test('marks out of order are a bug', () => {
  expect(() => refill(need(0n, 0n, 0n), { ...RULE, low: RULE.target })).toThrow('in order')
  expect(() => refill(need(0n, 0n, 0n), { ...RULE, cap: RULE.low })).toThrow('in order')
})

test.each<[string, ReturnType<typeof need>, typeof RULE | null, string | null]>([
  ['holds its low mark', need(100n, 0n, 0n), RULE, null],
  ['is below it', need(99n, 0n, 0n), RULE, 'should hold 100'],
  ['is below it while more comes', need(50n, 50n, 0n), RULE, null],
  ['is low, and filled by people', need(1n, 0n, 0n), null, null],
  ['holds less than is owed', need(499n, 0n, 500n), null, '500 are owed'],
  ['holds less than is owed while more comes', need(499n, 900n, 500n), RULE, '500 are owed'],
])('a float that %s', (_name, what, rule, reason) => {
  const found = shortage(what, rule)
  if (reason === null) expect(found).toBeNull()
  else expect(found).toContain(reason)
})
