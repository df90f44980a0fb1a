import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  chartAccount,
  EMPTY_BOOKS,
  type Entry,
  entryComplaint,
  kindOf,
  mayHold,
  mergeLegs,
  postAll,
  requestHash,
} from '../../src/ledger/index.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { millisats } from '../../src/lib/money.ts'
import { entryOf, miner, someEntries } from './entries.ts'
import { AFTER_THE_RUN, WORKED_RUN } from './worked-run.ts'

const l1 = chartAccount('l1Float')
const capital = chartAccount('treasuryCapital')
const legs = (...amounts: (readonly [typeof l1, bigint])[]) =>
  amounts.map(([account, amount]) => ({ account, amount: millisats(amount) }))
const raw = (parts: Partial<Entry>): Entry => ({ ...entryOf('k', []), ...parts })

test('the worked run ends in the balances worked out by hand', () => {
  const { outcomes, books } = postAll(EMPTY_BOOKS, WORKED_RUN)
  expect(outcomes.every(outcome => outcome.kind === 'posted')).toBe(true)
  for (const [account, amount] of books.balances)
    expect([account, amount]).toEqual([account, AFTER_THE_RUN.get(account) ?? 0n])
})

const illegal: readonly (readonly [string, Entry])[] = [
  ['no legs', raw({})],
  ['one leg', raw({ legs: legs([l1, 1n]) })],
  ['a sum above zero', raw({ legs: legs([l1, 2n], [capital, -1n]) })],
  ['a leg of zero', raw({ legs: legs([l1, 1n], [capital, -1n], [miner(1n, 'payable'), 0n]) })],
  ['an account twice', raw({ legs: legs([l1, 1n], [l1, -1n]) })],
  ['legs out of order', raw({ legs: legs([capital, -1n], [l1, 1n]) })],
  ['an event with a line feed', raw({ event: 'a\nb', legs: legs([l1, 1n], [capital, -1n]) })],
]
for (const [name, entry] of illegal) {
  test(`an entry with ${name} is illegal`, () => {
    expect(entryComplaint(entry)).toBeTypeOf('string')
    expect(() => postAll(EMPTY_BOOKS, [entry])).toThrow()
  })
}

test('legs of one account become one, and those that cancel out vanish', () => {
  const merged = mergeLegs(legs([l1, 5n], [capital, -3n], [l1, -2n], [miner(1n, 'payable'), 0n]))
  expect(merged).toEqual(legs([l1, 3n], [capital, -3n]))
})

test('a repeat comes later and is a repeat all the same; another amount is a conflict', () => {
  const entry = entryOf('k', [
    [l1, 5n],
    [capital, -5n],
  ])
  const other = entryOf('k', [
    [l1, 6n],
    [capital, -6n],
  ])
  const later = { ...entry, at: unixMs(entry.at + 1) }
  const { outcomes } = postAll(EMPTY_BOOKS, [entry, later, other, { ...entry, event: 'b' }])
  expect(outcomes.map(outcome => outcome.kind)).toEqual([
    'posted',
    'repeated',
    'conflict',
    'conflict',
  ])
})

test('an overdrawn entry changes nothing, and its key stays free', () => {
  const takes = entryOf('k', [
    [l1, -5n],
    [capital, 5n],
  ])
  const brings = entryOf('m', [
    [l1, 5n],
    [capital, -5n],
  ])
  const { outcomes, books } = postAll(EMPTY_BOOKS, [takes, brings, takes])
  expect(outcomes).toEqual([
    { kind: 'overdrawn', account: l1 },
    { kind: 'posted' },
    { kind: 'posted' },
  ])
  expect(books.balances.get(l1)).toBe(0n)
})

test('what is owed to a miner never passes below nothing', () => {
  const paid = miner(1n, 'payable')
  const { outcomes } = postAll(EMPTY_BOOKS, [
    entryOf('k', [
      [paid, 1n],
      [capital, -1n],
    ]),
  ])
  expect(outcomes).toEqual([{ kind: 'overdrawn', account: paid }])
})

test('whatever is posted, balances sum to zero and hold what their kind allows', () => {
  fc.assert(
    fc.property(someEntries, entries => {
      const { books, outcomes } = postAll(EMPTY_BOOKS, entries)
      const sum = [...books.balances.values()].reduce((a, b) => a + b, 0n)
      expect(sum).toBe(0n)
      for (const [account, amount] of books.balances)
        expect(mayHold(kindOf(account), amount)).toBe(true)
      const posted = outcomes.filter(outcome => outcome.kind === 'posted').length
      expect(books.entries.size).toBe(posted)
    }),
  )
})

test('posting all at once or one by one is the same, and repeating changes nothing', () => {
  fc.assert(
    fc.property(someEntries, entries => {
      const once = postAll(EMPTY_BOOKS, entries).books
      const stepwise = entries.reduce((books, entry) => postAll(books, [entry]).books, EMPTY_BOOKS)
      expect(stepwise).toEqual(once)
      const held = entries.filter(entry => once.entries.get(entry.key) === requestHash(entry))
      const again = postAll(once, held)
      expect(again.books).toEqual(once)
      expect(again.outcomes.every(outcome => outcome.kind === 'repeated')).toBe(true)
    }),
  )
})
