import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  lookAt,
  type MainSight,
  nextStep,
  type SideSight,
  type Withdrawal,
  type WithdrawalState,
  withdrawalOf,
} from '../../src/bridges/withdrawal.ts'
import { EMPTY_BOOKS, postAll } from '../../src/ledger/index.ts'
import { batchId, txid, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { bareAddress } from '../../src/lib/thunder/address.ts'

const AT = unixMs(5)
const FINALITY = 6
const AMOUNT = sats(300_000n)
const MAIN_FEE = sats(1500n)
const QUEUED = withdrawalOf({
  batch: batchId(7n),
  output: { txid: txid('ee'.repeat(32)), vout: 0 },
  owner: bareAddress(new Uint8Array(20).fill(7)),
  ...{ amount: AMOUNT, mainFee: MAIN_FEE, mainAddress: 'bcrt1qours' },
})
const COIN = { txid: txid('ab'.repeat(32)), vout: 2, value: AMOUNT }
/** The same withdrawal, paid from another treasury coin, and with what a stranger added. */
const OTHER = { txid: txid('cd'.repeat(32)), vout: 2, value: sats(AMOUNT + 10n) }
const [FIRST, SECOND] = ['11'.repeat(32), '22'.repeat(32)]
const VOTES = { count: 3, above: 5 }

const queued: SideSight = { kind: 'queued' }
const bundled: SideSight = { kind: 'bundled' }
const voting = (m6id = FIRST, votes: typeof VOTES | null = VOTES): SideSight => ({
  ...{ kind: 'voting', m6id, votes },
})
const behind: SideSight = { kind: 'unknown' }
const unpaid: MainSight = { kind: 'not paid' }
const paid = (confirmations: number, coin: typeof COIN = COIN): MainSight => ({
  ...{ kind: 'paid', coin, confirmations },
})

const VOTING: Withdrawal = { ...QUEUED, state: 'voting', m6id: FIRST, bundles: 1, votes: VOTES }
const FAILED: Withdrawal = { ...VOTING, state: 'queued', votes: null }
const PAID: Withdrawal = { ...VOTING, state: 'paid', votes: null, coin: COIN }
const ARRIVED: Withdrawal = { ...PAID, state: 'arrived', turn: 1 }

const look = (withdrawal: Withdrawal, side: SideSight, main: MainSight) =>
  lookAt(withdrawal, { side, main }, { finality: FINALITY, at: AT })

type Booked = 'arrived' | 'undone' | null
test.each<[string, Withdrawal, SideSight, MainSight, Partial<Withdrawal> | null, Booked]>([
  ['is in the bundle of now', QUEUED, bundled, unpaid, { state: 'bundled' }, null],
  ['is voted on', QUEUED, voting(), unpaid, { ...VOTING }, null],
  ['has another vote', VOTING, voting(FIRST, { count: 4, above: 5 }), unpaid, {}, null],
  ['has votes that nobody counts', VOTING, voting(FIRST, null), unpaid, { votes: null }, null],
  ['has no news', VOTING, voting(), unpaid, null, null],
  ['is on a node that is behind', VOTING, behind, unpaid, null, null],
  ['is in a bundle that failed', VOTING, queued, unpaid, { ...FAILED }, null],
  ['is in the bundle after that', FAILED, bundled, unpaid, { state: 'bundled' }, null],
  ['is voted on again', FAILED, voting(SECOND), unpaid, { m6id: SECOND, bundles: 2 }, null],
  ['is in an M3 that was undone', FAILED, voting(FIRST), unpaid, { bundles: 1 }, null],
  ['is in a block', VOTING, voting(), paid(1), { ...PAID }, null],
  ['is in a block, and Thunder is behind', QUEUED, behind, paid(5), { state: 'paid' }, null],
  ['is almost final', PAID, voting(), paid(5), null, null],
  ['is in a block that is gone', PAID, voting(), unpaid, { ...VOTING }, null],
  ['was in a block, Thunder behind', PAID, behind, unpaid, { state: 'voting', coin: null }, null],
  ['is in another block now', PAID, voting(), paid(1, OTHER), { coin: OTHER }, null],
  ['is final', PAID, voting(), paid(6), { ...ARRIVED }, 'arrived'],
  ['is final at the first look', QUEUED, behind, paid(9), { state: 'arrived' }, 'arrived'],
  ['has arrived', ARRIVED, voting(), paid(50), null, null],
  ['has arrived, in a block mined again', ARRIVED, voting(), paid(1), null, null],
  ['lies deep', ARRIVED, behind, paid(106), { state: 'final' }, null],
  ['was undone', ARRIVED, voting(), unpaid, { state: 'voting', coin: null, turn: 1 }, 'undone'],
  ['came by another coin', ARRIVED, voting(), paid(9, OTHER), { state: 'paid' }, 'undone'],
  ['is unknown to the wallet', ARRIVED, queued, { kind: 'unknown' }, null, null],
])('a withdrawal that %s', (_, before, side, main, after, booked) => {
  const change = look(before, side, main)
  if (after === null) return expect(change).toBeNull()
  expect(change?.withdrawal).toMatchObject(after)
  expect(change?.entry?.event ?? null).toBe(booked && `withdrawal ${booked}`)
  expect(change?.coin).toBe(booked === 'arrived' ? 'note' : 'keep')
})

test('what arrives is float there, and the main fee is an expense only then', () => {
  const { entry } = look(PAID, voting(), paid(FINALITY)) ?? {}
  expect(entry).toEqual({
    key: 'withdrawal:7:arrived:1',
    event: 'withdrawal arrived',
    at: AT,
    legs: [
      { account: 'asset:l1', amount: 300_000_000n },
      { account: 'asset:thunder_withdrawal', amount: -301_500_000n },
      { account: 'expense:fee_l1', amount: 1_500_000n },
    ],
  })
  const undone = look(ARRIVED, voting(), unpaid)
  expect(undone?.entry?.key).toBe('withdrawal:7:undone:1')
  expect(undone?.entry?.legs).toEqual(
    entry?.legs.map(({ account, amount }) => ({ account, amount: -amount })),
  )
  const again = look(undone?.withdrawal ?? PAID, voting(), paid(FINALITY, OTHER))
  expect(again?.entry?.key).toBe('withdrawal:7:arrived:2')
  expect(again?.entry?.legs).toContainEqual({
    account: 'equity:treasury_capital',
    amount: -10_000n,
  })
})

test('each state says what happens next, and how far the votes are', () => {
  const states = ['queued', 'bundled', 'voting', 'paid', 'arrived', 'final'] as const
  for (const state of states) expect(nextStep({ ...VOTING, state })).not.toBe('')
  expect(nextStep(VOTING)).toContain('3 blocks have, more than 5 must')
  expect(nextStep(QUEUED)).not.toBe(nextStep(FAILED))
})

test('whatever is seen in whatever order, what left is in transit or has arrived, once', () => {
  const side = fc.constantFrom(queued, bundled, voting(FIRST), voting(SECOND), behind)
  const depth = fc.integer({ min: 1, max: 20 })
  const main = fc.oneof(
    fc.constantFrom<MainSight>(unpaid, { kind: 'unknown' }),
    fc.tuple(depth, fc.constantFrom(COIN, OTHER)).map(([n, coin]) => paid(n, coin)),
  )
  const left = msat(AMOUNT + MAIN_FEE)
  fc.assert(
    fc.property(fc.array(fc.tuple(side, main), { maxLength: 40 }), steps => {
      let at = QUEUED
      const entries = []
      for (const [seen, there] of steps) {
        const change = look(at, seen, there)
        if (change === null) continue
        if (change.entry) entries.push(change.entry)
        at = change.withdrawal
      }
      const balances = new Map([['asset:thunder_withdrawal', left]])
      const { outcomes, books } = postAll({ ...EMPTY_BOOKS, balances } as never, entries)
      expect(outcomes.every(({ kind }) => kind === 'posted')).toBe(true)
      const held = (name: string) => books.balances.get(name as never) ?? 0n
      const isBooked = (['arrived', 'final'] as WithdrawalState[]).includes(at.state)
      expect(held('asset:thunder_withdrawal')).toBe(isBooked ? 0n : left)
      expect(held('asset:l1')).toBe(isBooked ? msat(at.coin?.value ?? 0n) : 0n)
      expect(held('expense:fee_l1')).toBe(isBooked ? msat(MAIN_FEE) : 0n)
    }),
  )
})

function msat(amount: bigint): bigint {
  return 1000n * amount
}
