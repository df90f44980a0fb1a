import { assert } from '../lib/assert.ts'
import type { NamedPayee, PayeeKind } from './payee.ts'

/** Where a scheme is served, and on which rails it pays. */
export type Offer = {
  readonly scheme: string
  readonly ports: readonly number[]
  readonly rails: readonly string[]
  /** Set where coinbases pay their finder, who is then paid there and on no rail. */
  readonly finderFee: { readonly feeBasisPoints: number; readonly poolScript: Uint8Array } | null
}

/** Whom a rail pays by the payee's own address; settings may name another destination. */
const PAYS: ReadonlyMap<string, PayeeKind> = new Map([
  ['l1', 'bitcoin'],
  ['thunder', 'thunder'],
  ['lightning', 'lightning'],
])
/** A refusal is one line on a miner's console: it names no more schemes. */
const OTHERS_SHOWN_MAX = 3

/** The kind of payee that a rail pays by its own address; null for a rail that nobody knows. */
export function payeeKindOf(rail: string): PayeeKind | null {
  return PAYS.get(rail) ?? null
}

type Paying = Pick<Offer, 'rails' | 'finderFee'>

/** The kinds of payee that a scheme can pay, in the order of its rails; a coinbase pays addresses. */
export function kindsPaid({ rails, finderFee }: Paying): readonly PayeeKind[] {
  if (finderFee !== null) return ['bitcoin']
  return [...new Set(rails.flatMap(rail => payeeKindOf(rail) ?? []))]
}

/** Why a payee that a scheme cannot pay is refused, and where it is paid; for the miner. */
export function wrongSchemeReason(
  { payeeKind, destination }: Pick<NamedPayee, 'payeeKind' | 'destination'>,
  { scheme, rails, finderFee }: Offer,
  offers: readonly Offer[],
): string {
  assert(
    !kindsPaid({ rails, finderFee }).includes(payeeKind),
    'only whom a scheme cannot pay is refused',
  )
  const whose = { bitcoin: 'Bitcoin', thunder: 'Thunder', lightning: 'Lightning' }[payeeKind]
  const others = offers.filter(offer => kindsPaid(offer).includes(payeeKind))
  const [first, ...rest] = others
    .slice(0, OTHERS_SHOWN_MAX)
    .map(offer => `${offer.ports[0]} (${offer.scheme})`)
  const where =
    first === undefined
      ? 'no port of this pool pays those'
      : `connect to port ${[first, ...rest].join(' or ')}`
  const how =
    finderFee === null
      ? `pays by ${rails.join(', ')}`
      : 'pays in the coinbase of the block itself, which pays Bitcoin addresses only'
  return `'${destination}' is a ${whose} address, and ${scheme} ${how}: ${where}`
}
