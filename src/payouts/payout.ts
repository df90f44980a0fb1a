import { type Entry, type Leg, mergeLegs, minerAccount } from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { BatchState } from '../lib/db/schema.ts'
import { type AccountId, type BatchId, journalKey, type UnixMs } from '../lib/ids.ts'
import { type Millisats, millisats, msatsFromSats, type Sats } from '../lib/money.ts'
import type { RailBooks } from './rail.ts'

/** Accounts in one batch; planning stops there, and the rest is due in the next one. */
export const PAYOUTS_MAX = 1000

/** What happens to a batch, and with it to all its payouts. */
export type BatchEvent =
  | { readonly kind: 'approved' }
  /** An operator's no, or its time was up before anything was given to be signed. */
  | { readonly kind: 'rejected' | 'expired' }
  /** The signed bytes are stored, with this fee. */
  | { readonly kind: 'prepared'; readonly fee: Sats }
  /** The network has it. */
  | { readonly kind: 'seen' }
  /** A reply was lost, or nobody has it now. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'settled'; readonly fee: Sats }
  /** Proven: no version of it can ever confirm. */
  | { readonly kind: 'dead' }

/** The facts of a batch that its ledger entries are made of. */
export type BatchFacts = {
  readonly batch: BatchId
  readonly books: RailBooks
  readonly payouts: readonly { readonly account: AccountId; readonly amount: Sats }[]
  /** The fee booked when the signed bytes were stored; null before. */
  readonly feeBooked: Sats | null
}

export type Move =
  | { readonly kind: 'moved'; readonly state: BatchState; readonly entry: Entry | null }
  | { readonly kind: 'illegal' }

type Rule = Readonly<Partial<Record<BatchEvent['kind'], BatchState>>>

/**
 * Which event moves which state where; all else is illegal. An event that repeats the state it
 * leads to moves nothing.
 *
 * ```
 *            approved  rejected  expired   prepared  seen  lost       settled  dead
 * planned    approved  released  released
 * approved             released  released  prepared                            released
 * prepared                                           sent  uncertain  settled  released
 * sent                                               sent  uncertain  settled  released
 * uncertain                                          sent  uncertain  settled  released
 * settled
 * released
 * ```
 *
 * Once signed bytes exist, only evidence ends a batch: neither a rejection nor time releases it.
 * An approved batch is rejected, and expires, only while no version of it was given to be signed;
 * whoever moves it sees to that.
 */
const LEFT: Rule = { seen: 'sent', lost: 'uncertain', settled: 'settled', dead: 'released' }
const RULES: Readonly<Record<BatchState, Rule>> = {
  planned: { approved: 'approved', rejected: 'released', expired: 'released' },
  approved: { rejected: 'released', expired: 'released', prepared: 'prepared', dead: 'released' },
  prepared: LEFT,
  sent: LEFT,
  uncertain: LEFT,
  settled: {},
  released: {},
}

/** A batch's next state and the entry that books it, in the same commit. */
export function next(state: BatchState, event: BatchEvent, facts: BatchFacts, at: UnixMs): Move {
  const to = RULES[state][event.kind]
  if (to === undefined) return { kind: 'illegal' }
  return { kind: 'moved', state: to, entry: entryOf(event, facts, at) }
}

/** The entry of planning: what was payable is reserved. */
export function plannedEntry(facts: BatchFacts, at: UnixMs): Entry {
  return entry(facts, 'planned', payeesLegs(facts, 'payable', 'inflight'), at)
}

function entryOf(event: BatchEvent, facts: BatchFacts, at: UnixMs): Entry | null {
  switch (event.kind) {
    case 'approved':
    case 'seen':
    case 'lost':
      return null
    case 'prepared':
      return entry(facts, 'sent', sentLegs(facts, event.fee), at)
    case 'settled':
      return entry(facts, 'settled', settledLegs(facts, event.fee), at)
    case 'rejected':
    case 'expired':
    case 'dead':
      return entry(facts, 'released', releasedLegs(facts), at)
    default:
      return unreachable(event)
  }
}

function entry(facts: BatchFacts, what: string, legs: readonly Leg[], at: UnixMs): Entry {
  assert(
    legs.reduce((sum, leg) => sum + leg.amount, 0n) === 0n,
    'the legs of an entry of a batch sum to zero',
  )
  return {
    key: journalKey(`batch:${facts.batch}:${what}`),
    event: `payout ${what}`,
    legs: mergeLegs(legs),
    at,
  }
}

function totalOf({ payouts }: BatchFacts): bigint {
  assert(payouts.length > 0 && payouts.length <= PAYOUTS_MAX, 'a batch pays somebody')
  return payouts.reduce((sum, payout) => sum + msatsFromSats(payout.amount), 0n)
}

/** Debits one side of each miner and credits the other: what we owe only changes its name. */
function payeesLegs(
  { payouts }: BatchFacts,
  from: 'payable' | 'inflight',
  to: 'payable' | 'inflight',
): Leg[] {
  return payouts.flatMap(({ account, amount }) => [
    { account: minerAccount(account, from), amount: msatsFromSats(amount) },
    { account: minerAccount(account, to), amount: negated(msatsFromSats(amount)) },
  ])
}

function sentLegs(facts: BatchFacts, fee: Sats): Leg[] {
  const left = millisats(totalOf(facts) + msatsFromSats(fee))
  return [
    { account: facts.books.out, amount: left },
    { account: facts.books.float, amount: negated(left) },
  ]
}

/** With the fee of the version that paid; where another fee was booked, the float makes it up. */
function settledLegs(facts: BatchFacts, fee: Sats): Leg[] {
  assert(facts.feeBooked !== null, 'only what was booked as sent can settle')
  const booked = msatsFromSats(facts.feeBooked)
  return [
    ...facts.payouts.map(({ account, amount }) => ({
      account: minerAccount(account, 'inflight'),
      amount: msatsFromSats(amount),
    })),
    { account: facts.books.fee, amount: msatsFromSats(fee) },
    { account: facts.books.float, amount: millisats(booked - msatsFromSats(fee)) },
    { account: facts.books.out, amount: millisats(-(totalOf(facts) + booked)) },
  ]
}

/** We owe it again, and what was booked as sent is back in the float. */
function releasedLegs(facts: BatchFacts): Leg[] {
  const legs = payeesLegs(facts, 'inflight', 'payable')
  if (facts.feeBooked === null) return legs
  return [
    ...legs,
    ...sentLegs(facts, facts.feeBooked).map(({ account, amount }) => ({
      account,
      amount: negated(amount),
    })),
  ]
}

function negated(amount: Millisats): Millisats {
  return millisats(-amount)
}
