import type { LimitRefusal, OperatorKey } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { BatchState } from '../lib/db/schema.ts'
import { type AccountId, type BatchId, type PayeeId, type UnixMs, unixMs } from '../lib/ids.ts'
import { type Millisats, type Sats, sats, satsFloor } from '../lib/money.ts'
import { INVOICE_RAIL, type OpenInvoice } from './invoice.ts'
import type { Rail } from './rail.ts'
import { isOver, type Moment, type NextPayment, nextPayment, type Scheme } from './scheme.ts'
import type { PayoutSettings } from './settings.ts'

/** An account with a credit, and all that its next payout depends on. */
export type Candidate = {
  readonly account: AccountId
  readonly payee: PayeeId
  /** The payee itself: where it is paid unless its settings say otherwise. */
  readonly ownDestination: string
  readonly scheme: Scheme
  readonly payable: Millisats
  /** The planning of its last unreleased payout, or else its first credit. */
  readonly since: Moment
  /** Whether its payee asked not to wait for the interval. */
  readonly isAsked: boolean
  /** The one that it uploaded, and that it is paid by next; null where none is open. */
  readonly invoice: OpenInvoice | null
  /** Null where the payee never set any. */
  readonly settings: PayoutSettings | null
  /** Its newest payout that was tried and could not be made; null where none was in the last days. */
  readonly failed: (Trouble & { readonly rail: string }) | null
  /** Its payout that has not ended; an account has at most one. */
  readonly live: { readonly state: BatchState; readonly batch: BatchId } | null
}

/** Why a rail is passed over where another one can pay; for the miner. */
export type Trouble = { readonly reason: string; readonly at: UnixMs }

/** What planning needs to know of a rail without asking its node. */
export type RailRules = Pick<Rail, 'name' | 'parseDestination'> & {
  /** Destinations that kept what was sent to them from coming to its end. */
  readonly held?: ReadonlyMap<string, Trouble>
}

/** The rail and place that an account is paid on. */
export type Way = {
  readonly kind: 'way'
  readonly rail: string
  /** In the rail's canonical spelling. */
  readonly destination: string
  /** The smallest amount that is paid: minimum of the scheme, of the payee, and dust. */
  readonly least: Sats
  /** The largest amount that is paid at once; null where nothing bounds it. */
  readonly most: Sats | null
  /** What is paid there, no more and no less; null where it is what is payable. */
  readonly exact: Sats | null
  /** Null where it is not known to have any. */
  readonly trouble: Trouble | null
  /** The operator on whose word alone this destination stands, if it is one's. */
  readonly setBy: OperatorKey | null
}

/** The circumstances of a plan that are the same for every account. */
export type Circumstances = {
  readonly now: Moment
  readonly rails: readonly RailRules[]
  /** Why a rail moves nothing now; no entry for one that is open. */
  readonly frozen: ReadonlyMap<string, string>
  /** Expected fee rates by rail; what is not known keeps nobody waiting. */
  readonly feeRates: ReadonlyMap<string, Sats>
}

/** Why an account has not been paid yet. */
export type Waiting =
  | { readonly kind: 'under way'; readonly state: BatchState; readonly batch: BatchId }
  | { readonly kind: 'paused' }
  /** No rail that it may be paid on can pay its destination. */
  | { readonly kind: 'no destination'; readonly reason: string }
  /** It was tried not long ago, and there is no other rail; for the miner. */
  | { readonly kind: 'failed'; readonly reason: string; readonly until: UnixMs }
  /** A destination was changed not long ago. */
  | { readonly kind: 'cooling off'; readonly until: UnixMs }
  | { readonly kind: 'below minimum'; readonly minimum: Sats }
  | { readonly kind: 'interval'; readonly next: NextPayment }
  | { readonly kind: 'frozen'; readonly reason: string }
  | { readonly kind: 'fee above wish'; readonly feeRateSatPerKvb: Sats; readonly wish: Sats }
  | { readonly kind: 'limit'; readonly why: LimitRefusal }
  /** It is due: the next plan takes it, as far as the coins reach. */
  | { readonly kind: 'next plan' }

/** A payout that is due, before anything was found to pay it. */
export type Due = {
  readonly account: AccountId
  readonly payee: PayeeId
  readonly destination: string
  /** All whole satoshis that are payable, or as many of them as are paid at once. */
  readonly gross: Sats
  /** What must be left when the payee's part of the fee is taken off. */
  readonly least: Sats
  /** What its destination gets at once at most; null where nothing bounds it. */
  readonly most: Sats | null
  /** What its destination gets, no more and no less; null where it gets what is payable. */
  readonly exact: Sats | null
  /** Whether the payee bears its part of the fee. */
  readonly paysFee: boolean
  readonly setBy: OperatorKey | null
}

/** So long after it failed, or held, on the one rail that it has, an account is tried there again. */
const RETRY_AFTER_MS = 6 * 3_600_000

/**
 * On which rail an account is paid: the first that can, in the payee's order where it has one, else
 * in the scheme's. A rail that the scheme does not offer, or that is not there, is passed over, and
 * so is one that failed not long ago, whose destination held what it was sent, or that pays only a
 * part at once, where another can pay. An invoice that is open comes before all of them.
 */
export function wayOf(
  candidate: Candidate,
  rails: readonly RailRules[],
): Way | { readonly kind: 'none'; readonly reason: string } {
  if (candidate.invoice !== null) return wayBy(candidate.invoice, candidate.scheme, rails)
  const all = satsFloor(candidate.payable)
  const isGood = ({ trouble }: Way) => trouble === null
  const paysAll = ({ most }: Way) => most === null || all <= most
  const way = firstWay(candidate, rails, each => isGood(each) && paysAll(each))
  if (way.kind === 'way') return way
  const part = firstWay(candidate, rails, isGood)
  return part.kind === 'way' ? part : firstWay(candidate, rails, () => true)
}

function wayBy(
  { text: destination, amount }: OpenInvoice,
  { rails: offered }: Scheme,
  rails: readonly RailRules[],
): Way | { readonly kind: 'none'; readonly reason: string } {
  const isThere = rails.some(({ name }) => name === INVOICE_RAIL) && offered.includes(INVOICE_RAIL)
  if (!isThere) return { kind: 'none', reason: 'its invoice is not paid here any more' }
  const to = { rail: INVOICE_RAIL, destination, least: amount, exact: amount }
  return { kind: 'way', ...to, most: null, trouble: null, setBy: null }
}

function firstWay(
  candidate: Candidate,
  rails: readonly RailRules[],
  isTaken: (way: Way) => boolean,
): Way | { readonly kind: 'none'; readonly reason: string } {
  const { scheme, settings, ownDestination, failed } = candidate
  const none = { destination: null, minimum: sats(0n) }
  const wishes = settings?.rails ?? scheme.rails.map(rail => ({ rail, ...none }))
  let reason = 'none of its rails is offered here'
  for (const wish of wishes) {
    const rail = rails.find(({ name }) => name === wish.rail && scheme.rails.includes(name))
    if (!rail) continue
    const parsed = rail.parseDestination(wish.destination ?? ownDestination)
    if (parsed.kind === 'unpayable') {
      reason = `${rail.name}: ${parsed.reason}`
      continue
    }
    const { canonical: destination, dust, most = null } = parsed
    const least = largest([scheme.minimum, wish.minimum, dust, sats(1n)])
    if (most !== null && least > most) {
      reason = `${rail.name}: it pays ${most} sat at once at most`
      continue
    }
    const setBy = wish.destination === null ? null : (settings?.destinationsBy ?? null)
    const trouble = failed?.rail === rail.name ? failed : (rail.held?.get(destination) ?? null)
    const way = { destination, least, most, exact: null, trouble, setBy }
    const found: Way = { kind: 'way', rail: rail.name, ...way }
    if (isTaken(found)) return found
  }
  return { kind: 'none', reason }
}

/**
 * Why an account is not in the next plan, or that it is. Limits and coins are the plan's own
 * business, since they depend on who else is in it.
 */
export function waitingReason(candidate: Candidate, circumstances: Circumstances): Waiting {
  const reason = wayOrReason(candidate, circumstances)
  return reason.kind === 'way' ? { kind: 'next plan' } : reason
}

/** The way on which it is paid in the next plan, or why it is not in it. */
function wayOrReason(
  candidate: Candidate,
  { now, rails, frozen, feeRates }: Circumstances,
): Way | Exclude<Waiting, { readonly kind: 'next plan' }> {
  const { live, settings, scheme, since, invoice } = candidate
  assert(candidate.payable >= 0n, 'we never owe less than nothing')
  if (live !== null) return { kind: 'under way', ...live }
  if (settings?.paused) return { kind: 'paused' }
  const way = wayOf(candidate, rails)
  if (way.kind === 'none') return { kind: 'no destination', reason: way.reason }
  const { trouble } = way
  if (trouble !== null && now.at < trouble.at + RETRY_AFTER_MS)
    return { kind: 'failed', reason: trouble.reason, until: unixMs(trouble.at + RETRY_AFTER_MS) }
  const paysFrom = unixMs(Math.max(settings?.paysFrom ?? 0, invoice?.paysFrom ?? 0))
  if (now.at < paysFrom) return { kind: 'cooling off', until: paysFrom }
  if (satsFloor(candidate.payable) < way.least) return { kind: 'below minimum', minimum: way.least }
  const next = nextPayment(scheme.interval, since)
  if (!candidate.isAsked && invoice === null && !isOver(next, now))
    return { kind: 'interval', next }
  const reason = frozen.get(way.rail)
  if (reason !== undefined) return { kind: 'frozen', reason }
  const feeRateSatPerKvb = feeRates.get(way.rail)
  const wish = settings?.feeRateMax ?? null
  if (feeRateSatPerKvb !== undefined && wish !== null && feeRateSatPerKvb > wish)
    return { kind: 'fee above wish', feeRateSatPerKvb, wish }
  return way
}

/**
 * Who is due on a rail, the one who has waited longest first, and equals by account. What is below
 * one satoshi stays payable, and so does all of whoever is not due.
 */
export function dueOn(
  rail: string,
  candidates: readonly Candidate[],
  circumstances: Circumstances,
): Due[] {
  return candidates
    .flatMap(candidate => {
      const way = wayOrReason(candidate, circumstances)
      return way.kind === 'way' && way.rail === rail ? [{ candidate, way }] : []
    })
    .toSorted(({ candidate: a }, { candidate: b }) =>
      a.since.at === b.since.at ? (a.account < b.account ? -1 : 1) : a.since.at - b.since.at,
    )
    .map(({ candidate: { account, payee, payable, scheme }, way }) => {
      const { destination, least, most, exact, setBy } = way
      const paysFee = scheme.feePaidBy === 'payees'
      const gross = payableAtOnce(payable, most)
      return { account, payee, destination, gross, least, most, exact, paysFee, setBy }
    })
}

/** Whole satoshis that are payable, or as many of them as are paid at once. */
export function payableAtOnce(payable: Millisats, most: Sats | null): Sats {
  const all = satsFloor(payable)
  return most !== null && most < all ? most : all
}

/** Whether {@link dueOn} would answer with anybody. */
export function isAnyDueOn(
  rail: string,
  candidates: readonly Candidate[],
  circumstances: Circumstances,
): boolean {
  return candidates.some(candidate => {
    const way = wayOrReason(candidate, circumstances)
    return way.kind === 'way' && way.rail === rail
  })
}

function largest(amounts: readonly Sats[]): Sats {
  return amounts.reduce((a, b) => (a > b ? a : b))
}
