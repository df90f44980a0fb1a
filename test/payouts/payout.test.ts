import { expect, test } from 'vitest'
import {
  chartAccount,
  EMPTY_BOOKS,
  type Entry,
  minerAccount,
  postAll,
} from '../../src/ledger/index.ts'
import type { BatchState } from '../../src/lib/db/schema.ts'
import { accountId, batchId, journalKey, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { type BatchEvent, type BatchFacts, next, plannedEntry } from '../../src/payouts/payout.ts'

const AT = unixMs(5)
const [A, B] = [accountId(1n), accountId(2n)]
const PLANNED: BatchFacts = {
  batch: batchId(9n),
  books: {
    float: chartAccount('l1Float'),
    out: chartAccount('l1Unconfirmed'),
    fee: chartAccount('feeL1'),
  },
  payouts: [
    { account: A, amount: sats(1000n) },
    { account: B, amount: sats(500n) },
  ],
  feeBooked: null,
}
const SENT: BatchFacts = { ...PLANNED, feeBooked: sats(200n) }

const EVENTS: readonly BatchEvent[] = [
  { kind: 'approved' },
  { kind: 'rejected' },
  { kind: 'expired' },
  { kind: 'prepared', fee: sats(200n) },
  { kind: 'seen' },
  { kind: 'lost' },
  { kind: 'settled', fee: sats(150n) },
  { kind: 'dead' },
]
const NO = null
const TABLE: Readonly<Record<BatchState, readonly (BatchState | null)[]>> = {
  planned: ['approved', 'released', 'released', NO, NO, NO, NO, NO],
  approved: [NO, 'released', 'released', 'prepared', NO, NO, NO, 'released'],
  prepared: [NO, NO, NO, NO, 'sent', 'uncertain', 'settled', 'released'],
  sent: [NO, NO, NO, NO, 'sent', 'uncertain', 'settled', 'released'],
  uncertain: [NO, NO, NO, NO, 'sent', 'uncertain', 'settled', 'released'],
  settled: [NO, NO, NO, NO, NO, NO, NO, NO],
  released: [NO, NO, NO, NO, NO, NO, NO, NO],
}
const STATES = [
  'planned',
  'approved',
  'prepared',
  'sent',
  'uncertain',
  'settled',
  'released',
] as const

for (const state of STATES)
  for (const [index, event] of EVENTS.entries()) {
    const to = TABLE[state][index] ?? null
    test(`${state} on ${event.kind} ${to === null ? 'is illegal' : `becomes ${to}`}`, () => {
      const move = next(state, event, ['planned', 'approved'].includes(state) ? PLANNED : SENT, AT)
      expect(move.kind === 'moved' ? move.state : null).toBe(to)
    })
  }

function entryOf(state: BatchState, event: BatchEvent, facts: BatchFacts): Entry {
  const move = next(state, event, facts, AT)
  if (move.kind !== 'moved' || move.entry === null) throw new Error('it books something')
  return move.entry
}

const OPENING: Entry = {
  key: journalKey('opening'),
  event: 'opening',
  legs: [
    { account: chartAccount('l1Float'), amount: millisats(10_000_000n) },
    { account: chartAccount('treasuryCapital'), amount: millisats(-8_500_000n) },
    { account: minerAccount(A, 'payable'), amount: millisats(-1_000_000n) },
    { account: minerAccount(B, 'payable'), amount: millisats(-500_000n) },
  ],
  at: AT,
}

/** Balances that are not zero, after the opening and these entries. */
function after(...entries: readonly Entry[]): Record<string, bigint> {
  const opening = {
    ...OPENING,
    legs: OPENING.legs.toSorted((a, b) => (a.account < b.account ? -1 : 1)),
  }
  const { books, outcomes } = postAll(EMPTY_BOOKS, [opening, ...entries])
  expect(outcomes.every(({ kind }) => kind === 'posted')).toBe(true)
  return Object.fromEntries([...books.balances].filter(([, amount]) => amount !== 0n))
}

const planned = plannedEntry(PLANNED, AT)
const sent = entryOf('approved', { kind: 'prepared', fee: sats(200n) }, PLANNED)

test('planning moves what is payable into flight and nothing else', () => {
  expect(after(planned)).toEqual({
    'asset:l1': 10_000_000n,
    'equity:treasury_capital': -8_500_000n,
    'miner:1:inflight': -1_000_000n,
    'miner:2:inflight': -500_000n,
  })
})

test('storing the signed bytes books amounts and fee out of the float', () => {
  expect(after(planned, sent)).toMatchObject({
    'asset:l1': 8_300_000n,
    'asset:l1_out_unconfirmed': 1_700_000n,
    'miner:1:inflight': -1_000_000n,
  })
})

test('settling books the fee of the version that paid', () => {
  const settled = entryOf('uncertain', { kind: 'settled', fee: sats(150n) }, SENT)
  expect(after(planned, sent, settled)).toEqual({
    'asset:l1': 8_350_000n,
    'expense:fee_l1': 150_000n,
    'equity:treasury_capital': -8_500_000n,
  })
})

for (const [state, kind] of [
  ['planned', 'rejected'],
  ['planned', 'expired'],
  ['approved', 'rejected'],
  ['approved', 'expired'],
  ['approved', 'dead'],
] as const)
  test(`${state} and then ${kind} leaves the books as if nothing had been planned`, () => {
    expect(after(planned, entryOf(state, { kind }, PLANNED))).toEqual(after())
  })

for (const state of ['prepared', 'sent', 'uncertain'] as const)
  test(`${state} and then dead leaves the books as if nothing had been planned`, () => {
    expect(after(planned, sent, entryOf(state, { kind: 'dead' }, SENT))).toEqual(after())
  })

test('what was never booked as sent cannot settle', () => {
  expect(() => next('sent', { kind: 'settled', fee: sats(1n) }, PLANNED, AT)).toThrow(
    'booked as sent',
  )
})
