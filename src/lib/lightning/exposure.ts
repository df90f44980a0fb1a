import { type Sats, sats } from '../money.ts'
import { parseLightningAddress } from './destination.ts'

/** A payment that has left and has not come to its end: whoever gets it can hold it for days. */
export type OnTheWay = {
  /** As the manifest names it: a Lightning address, or an invoice. */
  readonly destination: string
  /** The node that its invoice is of. */
  readonly payeeKey: string
  readonly amount: Sats
}

/** What may be on its way to one destination at once. */
export const DESTINATION_SATS_MAX = sats(5_000_000n)
const DESTINATION_PAYMENTS_MAX = 3
/**
 * What may be on its way to all addresses of one domain, or to one node: an honest one is paid in
 * seconds and never sees it. Of the 483 places that a channel has, the most stay free.
 */
const GROUP_SATS_MAX = sats(20_000_000n)
const GROUP_PAYMENTS_MAX = 100
/** Whoever holds so many by many names has lnd full by then. */
const PAYMENTS_MAX = 1000

/** Whether one more payment may leave, beside those that are on their way. */
export type Exposure<T extends OnTheWay> =
  | { readonly kind: 'room' }
  /** For people; the rivals are those that take the room. */
  | { readonly kind: 'too much'; readonly reason: string; readonly rivals: readonly T[] }

/**
 * Bounds what one payee can keep from everybody else by neither taking money nor sending it back.
 * Who has many domains and many nodes is not one payee here; but held money is the holder's own.
 */
export function exposureOf<T extends OnTheWay>(next: OnTheWay, others: readonly T[]): Exposure<T> {
  const domain = domainOf(next)
  const ofPayee = { sats: DESTINATION_SATS_MAX, payments: DESTINATION_PAYMENTS_MAX }
  const ofGroup = { sats: GROUP_SATS_MAX, payments: GROUP_PAYMENTS_MAX }
  if (others.length >= PAYMENTS_MAX)
    return { kind: 'too much', reason: 'too much is on its way in all', rivals: others }
  return (
    excess(next, others, 'this destination', ofPayee, each => each.destination) ??
    (domain === null ? null : excess(next, others, 'its domain', ofGroup, domainOf)) ??
    excess(next, others, 'its node', ofGroup, each => each.payeeKey) ?? { kind: 'room' }
  )
}

function excess<T extends OnTheWay>(
  next: OnTheWay,
  others: readonly T[],
  whom: string,
  most: { readonly sats: Sats; readonly payments: number },
  groupOf: (each: OnTheWay) => string | null,
): Extract<Exposure<T>, { kind: 'too much' }> | null {
  const group = groupOf(next)
  const rivals = others.filter(each => groupOf(each) === group)
  const total = rivals.reduce((sum, { amount }) => sum + amount, next.amount as bigint)
  if (total <= most.sats && rivals.length < most.payments) return null
  return { kind: 'too much', reason: `too much is on its way to ${whom}`, rivals }
}

function domainOf({ destination }: OnTheWay): string | null {
  return parseLightningAddress(destination)?.domain ?? null
}
