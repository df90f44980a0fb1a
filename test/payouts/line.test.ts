import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  chartAccount,
  EMPTY_BOOKS,
  mergeLegs,
  minerAccount,
  postAll,
} from '../../src/ledger/index.ts'
import { accountId, batchId, journalKey, unixMs } from '../../src/lib/ids.ts'
import { millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import { type Line, lineEntry } from '../../src/payouts/line.ts'
import { type BatchFacts, next, plannedEntry } from '../../src/payouts/payout.ts'
import { LIGHTNING_BOOKS } from '../../src/payouts/rails/lightning/lightning-books.ts'

const AT = unixMs(5)
const [A, B] = [accountId(1n), accountId(2n)]
const BATCH = batchId(9n)
const payout = (account: typeof A, amount: bigint, charge: bigint) => ({
  account,
  amount: sats(amount),
  charge: sats(charge),
})
const lineOf = (...payouts: Line['payouts']): Line => ({
  ...{ batch: BATCH, payee: 0, books: LIGHTNING_BOOKS },
  payouts,
})
const legsOf = (line: Line, end: Parameters<typeof lineEntry>[1]) =>
  Object.fromEntries(lineEntry(line, end, AT).legs.map(({ account, amount }) => [account, amount]))

test('a payment that the pool bears costs its fee', () => {
  expect(legsOf(lineOf(payout(A, 1000n, 0n)), { kind: 'settled', fee: millisats(1500n) })).toEqual({
    'miner:1:inflight': 1_000_000n,
    'asset:lightning_out': -1_001_500n,
    'expense:fee_lightning': 1500n,
  })
})

test('a payee is charged what its payment cost, and gets back the rest', () => {
  expect(legsOf(lineOf(payout(A, 990n, 10n)), { kind: 'settled', fee: millisats(1500n) })).toEqual({
    'miner:1:inflight': 1_000_000n,
    'miner:1:payable': -8500n,
    'asset:lightning_out': -991_500n,
    'expense:fee_lightning': 1500n,
    'income:payout_fees': -1500n,
  })
})

test('a payee is never charged more than was planned', () => {
  expect(legsOf(lineOf(payout(A, 990n, 1n)), { kind: 'settled', fee: millisats(1500n) })).toEqual({
    'miner:1:inflight': 991_000n,
    'asset:lightning_out': -991_500n,
    'expense:fee_lightning': 1500n,
    'income:payout_fees': -1000n,
  })
})

test('what could not be paid is owed again, and back in the float', () => {
  expect(legsOf(lineOf(payout(A, 990n, 10n), payout(B, 5n, 0n)), { kind: 'released' })).toEqual({
    'miner:1:inflight': 1_000_000n,
    'miner:1:payable': -1_000_000n,
    'miner:2:inflight': 5000n,
    'miner:2:payable': -5000n,
    'asset:lightning': 995_000n,
    'asset:lightning_out': -995_000n,
  })
})

const anyLine = fc.record({
  payouts: fc.array(fc.record({ amount: fc.bigInt(1n, 100_000n), charge: fc.bigInt(0n, 500n) }), {
    minLength: 1,
    maxLength: 3,
  }),
  feeMax: fc.bigInt(0n, 1000n),
  /** Of the largest fee so many thousandths are paid; null: the payee is not paid. */
  spent: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: null }),
})

test('whatever ends how, a batch of lines leaves nothing in flight and nothing out', () => {
  fc.assert(
    fc.property(fc.array(anyLine, { minLength: 1, maxLength: 8 }), drawn => {
      let account = 0n
      const lines = drawn.map(({ payouts, ...rest }) => ({
        ...rest,
        payouts: payouts.map(each => payout(accountId(++account), each.amount, each.charge)),
      }))
      const all = lines.flatMap(({ payouts }) => payouts)
      const feeMax = lines.reduce((sum, each) => sum + each.feeMax, 0n)
      const facts: BatchFacts = {
        ...{ batch: BATCH, books: LIGHTNING_BOOKS, wallet: 'hot', payouts: all, feeBooked: null },
        ...{ transferred: sats(0n), bridged: sats(0n), transit: null },
      }
      const capital = sats(all.reduce((sum, { amount }) => sum + amount, 0n) + feeMax)
      const owed = all.map(each => ({
        account: minerAccount(each.account, 'payable'),
        amount: millisats(-msatsFromSats(sats(each.amount + each.charge))),
      }))
      const first = {
        key: journalKey('seed'),
        event: 'seed',
        legs: mergeLegs([
          ...owed,
          { account: LIGHTNING_BOOKS.float, amount: msatsFromSats(capital) },
          {
            account: chartAccount('treasuryCapital'),
            amount: millisats(
              -owed.reduce((sum, { amount }) => sum + amount, 0n) - msatsFromSats(capital),
            ),
          },
        ]),
        at: AT,
      }
      const prepared = next('approved', { kind: 'prepared', fee: sats(feeMax) }, facts, AT)
      let fees = 0n
      const ends = lines.map(({ payouts, feeMax: most, spent }, payee) => {
        const fee = spent === null ? null : millisats(most * BigInt(spent))
        fees += fee ?? 0n
        const end =
          fee === null ? ({ kind: 'released' } as const) : ({ kind: 'settled', fee } as const)
        return lineEntry({ batch: BATCH, payee, books: LIGHTNING_BOOKS, payouts }, end, AT)
      })
      const isPaid = lines.some(({ spent }) => spent !== null)
      const left = millisats(feeMax * 1000n - fees)
      const none = { ...facts, payouts: [] }
      const closed = next('sent', { kind: isPaid ? 'paid up' : 'none paid', left }, none, AT)
      const planned = plannedEntry(facts, AT)
      if (prepared.kind !== 'moved' || closed.kind !== 'moved') throw new Error('it moves')
      expect(closed.state).toBe(isPaid ? 'settled' : 'released')
      const entries = [first, planned, prepared.entry, ...ends, closed.entry].filter(
        each => each !== null,
      )
      const posted = postAll(EMPTY_BOOKS, entries)
      for (const outcome of posted.outcomes) expect(outcome.kind).toBe('posted')
      const balance = (name: string) => posted.books.balances.get(name as never) ?? 0n
      expect(balance(LIGHTNING_BOOKS.out)).toBe(0n)
      for (const { account: id } of all) expect(balance(minerAccount(id, 'inflight'))).toBe(0n)
      const paid = lines
        .filter(({ spent }) => spent !== null)
        .flatMap(({ payouts }) => payouts)
        .reduce((sum, { amount }) => sum + amount * 1000n, 0n)
      expect(balance(LIGHTNING_BOOKS.float)).toBe(msatsFromSats(capital) - paid - fees)
    }),
  )
})
