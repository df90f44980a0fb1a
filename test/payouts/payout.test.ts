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
import {
  type BatchEvent,
  type BatchFacts,
  next,
  plannedEntry,
  resettledEntry,
} from '../../src/payouts/payout.ts'

const AT = unixMs(5)
const [A, B] = [accountId(1n), accountId(2n)]
const PLANNED: BatchFacts = {
  batch: batchId(9n),
  books: {
    float: chartAccount('l1Float'),
    cold: chartAccount('l1Cold'),
    out: chartAccount('l1Unconfirmed'),
    transit: { deposit: chartAccount('thunderTransit') },
    fee: chartAccount('feeL1'),
  },
  payouts: [
    { account: A, amount: sats(1000n), charge: sats(0n) },
    { account: B, amount: sats(500n), charge: sats(0n) },
  ],
  wallet: 'hot',
  transferred: sats(0n),
  bridged: sats(0n),
  transit: null,
  feeBooked: null,
}
const SENT: BatchFacts = { ...PLANNED, feeBooked: sats(200n) }

const EVENTS: readonly BatchEvent[] = [
  { kind: 'approved' },
  { kind: 'rejected' },
  { kind: 'expired' },
  { kind: 'prepared', fee: sats(200n) },
  { kind: 'bumped', fee: sats(300n), version: 2 },
  { kind: 'seen' },
  { kind: 'lost' },
  { kind: 'settled', fee: sats(150n), version: 1 },
  { kind: 'dead' },
]
const NO = null
const TABLE: Readonly<Record<BatchState, readonly (BatchState | null)[]>> = {
  planned: ['approved', 'released', 'released', NO, NO, NO, NO, NO, NO],
  approved: [NO, 'released', 'released', 'prepared', NO, NO, NO, NO, 'released'],
  prepared: [NO, NO, NO, NO, NO, 'sent', 'uncertain', 'settled', 'released'],
  sent: [NO, NO, NO, NO, 'prepared', 'sent', 'uncertain', 'settled', 'released'],
  uncertain: [NO, NO, NO, NO, 'prepared', 'sent', 'uncertain', 'settled', 'released'],
  settled: [NO, NO, NO, NO, NO, NO, NO, NO, NO],
  released: [NO, NO, NO, NO, NO, NO, NO, NO, NO],
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
function after(...entries: readonly (Entry | null)[]): Record<string, bigint> {
  const opening = {
    ...OPENING,
    legs: OPENING.legs.toSorted((a, b) => (a.account < b.account ? -1 : 1)),
  }
  const { books, outcomes } = postAll(EMPTY_BOOKS, [
    opening,
    ...entries.filter(each => each !== null),
  ])
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
  const settled = entryOf('uncertain', { kind: 'settled', fee: sats(150n), version: 1 }, SENT)
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
  expect(() => next('sent', { kind: 'settled', fee: sats(1n), version: 1 }, PLANNED, AT)).toThrow(
    'booked as sent',
  )
})

test('a dearer version moves the rise of its fee, and whichever version paid is booked', () => {
  const bump: BatchEvent = { kind: 'bumped', fee: sats(900n), version: 2 }
  const bumped = entryOf('sent', bump, SENT)
  expect(after(planned, sent, bumped)).toMatchObject({
    'asset:l1': 7_600_000n,
    'asset:l1_out_unconfirmed': 2_400_000n,
  })
  const facts = { ...SENT, feeBooked: sats(900n) }
  for (const [fee, version] of [
    [200n, 1],
    [900n, 2],
  ] as const) {
    const settled = entryOf('sent', { kind: 'settled', fee: sats(fee), version }, facts)
    expect(after(planned, sent, bumped, settled)).toEqual({
      'asset:l1': 8_500_000n - fee * 1000n,
      'expense:fee_l1': fee * 1000n,
      'equity:treasury_capital': -8_500_000n,
    })
  }
  expect(() => next('sent', { ...bump, fee: sats(200n) }, SENT, AT)).toThrow('pays more')
})

test('another version that pays after settlement books the difference of the fees', () => {
  const settled = entryOf('sent', { kind: 'settled', fee: sats(150n), version: 1 }, SENT)
  const change = { from: sats(150n), to: sats(190n), version: 2 }
  expect(after(planned, sent, settled, resettledEntry(SENT, change, AT))).toEqual({
    'asset:l1': 8_310_000n,
    'expense:fee_l1': 190_000n,
    'equity:treasury_capital': -8_500_000n,
  })
})

test('what a payee is charged is no longer owed, and is income against the fee', () => {
  const charged = PLANNED.payouts.map(payout => ({
    ...payout,
    amount: sats(payout.amount - 60n),
    charge: sats(60n),
  }))
  const facts = { ...PLANNED, payouts: charged }
  const out = entryOf('approved', { kind: 'prepared', fee: sats(200n) }, facts)
  const paid = entryOf(
    'sent',
    { kind: 'settled', fee: sats(200n), version: 1 },
    { ...facts, feeBooked: sats(200n) },
  )
  expect(after(plannedEntry(facts, AT))).toEqual(after(planned))
  expect(after(plannedEntry(facts, AT), out, paid)).toEqual({
    'asset:l1': 8_420_000n,
    'expense:fee_l1': 200_000n,
    'income:payout_fees': -120_000n,
    'equity:treasury_capital': -8_500_000n,
  })
})

test('a transfer moves from one wallet to the other, and costs its fee', () => {
  const facts: BatchFacts = { ...PLANNED, payouts: [], transferred: sats(3000n) }
  expect(plannedEntry(facts, AT)).toBeNull()
  const out = entryOf('approved', { kind: 'prepared', fee: sats(100n) }, facts)
  const sentFacts = { ...facts, feeBooked: sats(100n) }
  const paid = entryOf('sent', { kind: 'settled', fee: sats(100n), version: 1 }, sentFacts)
  expect(after(out, paid)).toMatchObject({
    'asset:l1': 6_900_000n,
    'asset:l1_cold': 3_000_000n,
    'expense:fee_l1': 100_000n,
  })
  expect(after(out, entryOf('sent', { kind: 'dead' }, sentFacts))).toEqual(after())
})

test('what a bridge takes is in transit once it is final, and made anew at the same fee costs nothing', () => {
  const facts: BatchFacts = {
    ...PLANNED,
    payouts: [],
    bridged: sats(3000n),
    transit: chartAccount('thunderTransit'),
  }
  expect(plannedEntry(facts, AT)).toBeNull()
  const out = entryOf('approved', { kind: 'prepared', fee: sats(100n) }, facts)
  const sentFacts = { ...facts, feeBooked: sats(100n) }
  const anew = { kind: 'bumped', fee: sats(100n), version: 2 } as const
  expect(next('uncertain', anew, sentFacts, AT)).toMatchObject({ state: 'prepared', entry: null })
  const paid = entryOf('sent', { kind: 'settled', fee: sats(100n), version: 2 }, sentFacts)
  expect(after(out, paid)).toMatchObject({
    'asset:l1': 6_900_000n,
    'asset:thunder_transit': 3_000_000n,
    'expense:fee_l1': 100_000n,
  })
  expect(after(out, entryOf('sent', { kind: 'dead' }, sentFacts))).toEqual(after())
})

test('what pays nobody costs its fee and nothing else', () => {
  const facts: BatchFacts = { ...PLANNED, payouts: [] }
  expect(next('planned', { kind: 'rejected' }, facts, AT)).toMatchObject({ entry: null })
  const out = entryOf('approved', { kind: 'prepared', fee: sats(100n) }, facts)
  const settled = { kind: 'settled', fee: sats(100n), version: 1 } as const
  const paid = entryOf('sent', settled, { ...facts, feeBooked: sats(100n) })
  expect(after(out)).toMatchObject({ 'asset:l1_out_unconfirmed': 100_000n })
  expect(after(out, paid)).toMatchObject({ 'asset:l1': 9_900_000n, 'expense:fee_l1': 100_000n })
})
