import {
  chartAccount,
  type Entry,
  type LedgerAccount,
  type Leg,
  mergeLegs,
  minerAccount,
} from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { BatchState, Wallet } from '../lib/db/schema.ts'
import { type AccountId, type BatchId, journalKey, type UnixMs } from '../lib/ids.ts'
import { type Millisats, millisats, msatsFromSats, type Sats, sats } from '../lib/money.ts'
import type { RailBooks } from './rail.ts'

/** Accounts in one batch; planning stops there, and the rest is due in the next one. */
export const PAYOUTS_MAX = 1000

/** What happens to a batch, and with it to all its payouts. */
export type BatchEvent =
  | { readonly kind: 'approved' }
  /** An operator's no, or its time was up before anything was signed. */
  | { readonly kind: 'rejected' | 'expired' }
  /** The signed bytes are stored, with this fee. */
  | { readonly kind: 'prepared'; readonly fee: Sats }
  /**
   * A further version is signed and stored, with this fee: a higher one, or at least the same where
   * it replaces what can no longer confirm.
   */
  | { readonly kind: 'bumped'; readonly fee: Sats; readonly version: number }
  /** The network has it. */
  | { readonly kind: 'seen' }
  /** A reply was lost, or nobody has it now. */
  | { readonly kind: 'lost' }
  /** This version paid, with this fee. */
  | { readonly kind: 'settled'; readonly fee: Sats; readonly version: number }
  /** Proven: no version of it can ever confirm. */
  | { readonly kind: 'dead' }
  /**
   * Its payees were paid each for itself: the last has come to its end, and of the largest fees so
   * much was not needed. Whether one of them at least was paid.
   */
  | { readonly kind: 'paid up' | 'none paid'; readonly left: Millisats }

/** The facts of a batch that its ledger entries are made of. */
export type BatchFacts = {
  readonly batch: BatchId
  readonly books: RailBooks
  /** Whose coins it spends. */
  readonly wallet: Wallet
  /** Empty unless miners are paid. */
  readonly payouts: readonly PayoutFacts[]
  /** What goes to our other wallet. */
  readonly transferred: Sats
  /**
   * What goes to another rail, which has it only once it is credited there; of a withdrawal with
   * what the main chain's miners get of it then.
   */
  readonly bridged: Sats
  /** Where that is meanwhile; null where nothing goes to another rail. */
  readonly transit: LedgerAccount | null
  /** The fee booked when the newest signed bytes were stored; null before. */
  readonly feeBooked: Sats | null
}

/** What is reserved, and no longer owed once settled, is both together. */
export type PayoutFacts = {
  readonly account: AccountId
  /** What the destination gets. */
  readonly amount: Sats
  /** The payee's part of the fee, fixed when planned; nothing where the pool pays. */
  readonly charge: Sats
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
 *            approved  rejected  expired   prepared  bumped    seen  lost       settled  dead
 * planned    approved  released  released
 * approved             released  released  prepared                                      released
 * prepared                                                     sent  uncertain  settled  released
 * sent                                               prepared  sent  uncertain  settled  released
 * uncertain                                          prepared  sent  uncertain  settled  released
 * settled
 * released
 * ```
 *
 * Where payees are paid each for itself, `paid up` leads where `settled` does and `none paid` where
 * `dead` does, once each of them has ended by itself.
 *
 * Once signed bytes exist, only evidence ends a batch: neither a rejection nor time releases it.
 * An approved batch is rejected only while no version of it was given to be signed, and expires only
 * then or where its one signer has closed it unsigned; whoever moves it sees to that.
 */
const LEFT: Rule = {
  ...{ seen: 'sent', lost: 'uncertain', settled: 'settled', dead: 'released' },
  ...{ 'paid up': 'settled', 'none paid': 'released' },
}
const RULES: Readonly<Record<BatchState, Rule>> = {
  planned: { approved: 'approved', rejected: 'released', expired: 'released' },
  approved: { rejected: 'released', expired: 'released', prepared: 'prepared', dead: 'released' },
  prepared: LEFT,
  sent: { ...LEFT, bumped: 'prepared' },
  uncertain: { ...LEFT, bumped: 'prepared' },
  settled: {},
  released: {},
}

/** A batch's next state and the entry that books it, in the same commit. */
export function next(state: BatchState, event: BatchEvent, facts: BatchFacts, at: UnixMs): Move {
  const to = RULES[state][event.kind]
  if (to === undefined) return { kind: 'illegal' }
  return { kind: 'moved', state: to, entry: entryOf(event, facts, at) }
}

/**
 * The entry of planning: what was payable is reserved. Null where nobody is paid but ourselves.
 *
 * The entries of a batch, with what a payout takes from a miner as `gross` = `amount` + `charge`:
 *
 * ```
 *           payout                                transfer, bridged       consolidation, cpfp
 * planned   payable gross → inflight gross
 * sent      float → out: amounts + fee            float → out: sum + fee  float → out: fee
 * bumped    float → out: the fee's rise           likewise                likewise
 * settled   inflight gross → out, fee, charges    out → other side, fee   out → fee
 * released  both back                             back                    back
 * ```
 *
 * The other side of a transfer is the other wallet's float; of a deposit, a withdrawal or a channel
 * what is in transit between rails. At settlement the fee of the version that paid is booked,
 * whichever it is: where another one was booked as sent, the float makes up the difference.
 */
export function plannedEntry(facts: BatchFacts, at: UnixMs): Entry | null {
  return entry(facts, 'planned', payeesLegs(facts, 'payable', 'inflight'), at)
}

/**
 * Where a reorganisation after settlement let another version of the batch pay: the difference of
 * the fees. Null where there is none.
 */
export function resettledEntry(
  facts: BatchFacts,
  { from, to, version }: { readonly from: Sats; readonly to: Sats; readonly version: number },
  at: UnixMs,
): Entry | null {
  const more = millisats(msatsFromSats(to) - msatsFromSats(from))
  const legs = [
    { account: facts.books.fee, amount: more },
    { account: floatOf(facts), amount: negated(more) },
  ]
  // It may come and go more than once, so the time tells one change from the next.
  return entry(facts, `resettled:${version}:${at}`, legs, at)
}

function entryOf(event: BatchEvent, facts: BatchFacts, at: UnixMs): Entry | null {
  switch (event.kind) {
    case 'approved':
    case 'seen':
    case 'lost':
      return null
    case 'prepared':
      return entry(facts, 'sent', sentLegs(facts, event.fee), at)
    case 'bumped':
      return entry(facts, `bumped:${event.version}`, bumpedLegs(facts, event.fee), at)
    case 'settled':
      return entry(facts, 'settled', settledLegs(facts, event.fee), at)
    case 'rejected':
    case 'expired':
    case 'dead':
      return entry(facts, 'released', releasedLegs(facts), at)
    case 'paid up':
    case 'none paid':
      return entry(facts, 'ended', movedOut(facts, -event.left), at)
    default:
      return unreachable(event)
  }
}

function entry(facts: BatchFacts, what: string, legs: readonly Leg[], at: UnixMs): Entry | null {
  assert(
    legs.reduce((sum, leg) => sum + leg.amount, 0n) === 0n,
    'the legs of an entry of a batch sum to zero',
  )
  const merged = mergeLegs(legs)
  if (merged.length === 0) return null
  return {
    key: journalKey(`batch:${facts.batch}:${what}`),
    event: `payout ${what.replace(/:.*/, '')}`,
    legs: merged,
    at,
  }
}

function totalOf({ payouts, transferred, bridged }: BatchFacts): bigint {
  assert(payouts.length <= PAYOUTS_MAX, 'a batch pays no more than one transaction carries')
  const own = transferred + bridged
  assert(payouts.length === 0 || own === 0n, 'a batch pays miners or ourselves')
  const paid = payouts.reduce((sum, payout) => sum + payout.amount, 0n) + own
  return msatsFromSats(sats(paid))
}

function floatOf({ books, wallet }: BatchFacts): LedgerAccount {
  if (wallet === 'hot') return books.float
  assert(books.cold !== null, 'a rail with a cold wallet books it')
  return books.cold
}

/** Where a transfer goes: from the one wallet to the other. */
function otherFloatOf(facts: BatchFacts): LedgerAccount {
  return floatOf({ ...facts, wallet: facts.wallet === 'hot' ? 'cold' : 'hot' })
}

function transitOf({ transit }: BatchFacts): LedgerAccount {
  assert(transit !== null, 'a rail that a bridge starts from books what is in transit')
  return transit
}

/** Debits one side of each miner and credits the other: what we owe only changes its name. */
function payeesLegs(
  { payouts }: BatchFacts,
  from: 'payable' | 'inflight',
  to: 'payable' | 'inflight',
): Leg[] {
  return payouts.flatMap(payout => [
    { account: minerAccount(payout.account, from), amount: grossOf(payout) },
    { account: minerAccount(payout.account, to), amount: negated(grossOf(payout)) },
  ])
}

function grossOf({ amount, charge }: PayoutFacts): Millisats {
  return msatsFromSats(sats(amount + charge))
}

function sentLegs(facts: BatchFacts, fee: Sats): Leg[] {
  return movedOut(facts, totalOf(facts) + msatsFromSats(fee))
}

function bumpedLegs(facts: BatchFacts, fee: Sats): Leg[] {
  const { feeBooked } = facts
  assert(feeBooked !== null && fee >= feeBooked, 'a replacement pays no less than it replaces')
  // Only a deposit that another one has overtaken is made anew at the same fee.
  assert(fee > feeBooked || facts.bridged > 0n, 'a replacement pays more than what it replaces')
  return movedOut(facts, msatsFromSats(fee) - msatsFromSats(feeBooked))
}

function movedOut(facts: BatchFacts, amount: bigint): Leg[] {
  const left = millisats(amount)
  return [
    { account: facts.books.out, amount: left },
    { account: floatOf(facts), amount: negated(left) },
  ]
}

function settledLegs(facts: BatchFacts, fee: Sats): Leg[] {
  assert(facts.feeBooked !== null, 'only what was booked as sent can settle')
  const booked = msatsFromSats(facts.feeBooked)
  const charged = sats(facts.payouts.reduce((sum, { charge }) => sum + charge, 0n))
  const legs: Leg[] = facts.payouts.map(payout => ({
    account: minerAccount(payout.account, 'inflight'),
    amount: grossOf(payout),
  }))
  legs.push({ account: facts.books.fee, amount: msatsFromSats(fee) })
  legs.push({ account: floatOf(facts), amount: millisats(booked - msatsFromSats(fee)) })
  legs.push({ account: facts.books.out, amount: millisats(-(totalOf(facts) + booked)) })
  if (charged > 0n)
    legs.push({ account: chartAccount('payoutFees'), amount: negated(msatsFromSats(charged)) })
  if (facts.transferred > 0n)
    legs.push({ account: otherFloatOf(facts), amount: msatsFromSats(facts.transferred) })
  if (facts.bridged > 0n)
    legs.push({ account: transitOf(facts), amount: msatsFromSats(facts.bridged) })
  return legs
}

/** We owe it again, and what was booked as sent is back in the float. */
function releasedLegs(facts: BatchFacts): Leg[] {
  const legs = payeesLegs(facts, 'inflight', 'payable')
  if (facts.feeBooked === null) return legs
  const back = sentLegs(facts, facts.feeBooked)
  return [...legs, ...back.map(({ account, amount }) => ({ account, amount: negated(amount) }))]
}

function negated(amount: Millisats): Millisats {
  return millisats(-amount)
}
