import { assert } from '../lib/assert.ts'
import type { NamedPayee, PayeeKind } from './payee.ts'

/** Where a scheme is served, and on which rails it pays. */
export type Offer = {
  readonly scheme: string
  readonly ports: readonly number[]
  readonly rails: readonly string[]
}

/** Whom a rail pays by the payee's own address; settings may name another destination. */
const PAYS: ReadonlyMap<string, PayeeKind> = new Map([
  ['l1', 'bitcoin'],
  ['thunder', 'thunder'],
])
/** A refusal is one line on a miner's console: it names no more schemes. */
const OTHERS_SHOWN_MAX = 3

/** The kind of payee that a rail pays by its own address; null for a rail that nobody knows. */
export function payeeKindOf(rail: string): PayeeKind | null {
  return PAYS.get(rail) ?? null
}

/** The kinds of payee that a scheme can pay, in the order of its rails. */
export function kindsPaid({ rails }: Pick<Offer, 'rails'>): readonly PayeeKind[] {
  return [...new Set(rails.flatMap(rail => payeeKindOf(rail) ?? []))]
}

/** Why a payee that a scheme cannot pay is refused, and where it is paid; for the miner. */
export function wrongSchemeReason(
  { payeeKind, destination }: Pick<NamedPayee, 'payeeKind' | 'destination'>,
  { scheme, rails }: Offer,
  offers: readonly Offer[],
): string {
  assert(!kindsPaid({ rails }).includes(payeeKind), 'only whom a scheme cannot pay is refused')
  const whose = payeeKind === 'bitcoin' ? 'Bitcoin' : 'Thunder'
  const others = offers.filter(offer => kindsPaid(offer).includes(payeeKind))
  const [first, ...rest] = others
    .slice(0, OTHERS_SHOWN_MAX)
    .map(offer => `${offer.ports[0]} (${offer.scheme})`)
  const where =
    first === undefined
      ? 'no port of this pool pays those'
      : `connect to port ${[first, ...rest].join(' or ')}`
  return `'${destination}' is a ${whose} address, and ${scheme} pays by ${rails.join(', ')}: ${where}`
}
