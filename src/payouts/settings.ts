import type { OperatorKey } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { Destination } from './rail.ts'

/** On which rail a payee wants to be paid, where to, and from what amount on. */
export type RailSetting = {
  readonly rail: string
  /** In the rail's canonical spelling; null is the payee itself. */
  readonly destination: string | null
  /** Counts where it is above the scheme's minimum. */
  readonly minimum: Sats
}

/** How a payee wants to be paid. */
export type PayoutWishes = {
  /** By preference, each rail once; a rail that is not named is not used. */
  readonly rails: readonly RailSetting[]
  /** Nothing is planned while it holds. */
  readonly paused: boolean
  /** No payout is planned while the expected fee is above it; satoshis a thousand virtual bytes. */
  readonly feeRateMax: Sats | null
}

/** The wishes in force. A payee without any is paid on its scheme's rails, to itself. */
export type PayoutSettings = PayoutWishes & {
  /** From 1; each change takes the next. */
  readonly number: number
  /** Before it nothing is paid: a destination was changed not long ago. */
  readonly paysFrom: UnixMs
  /** The operator on whose word alone the destinations stand; null once the payee signed them. */
  readonly destinationsBy: OperatorKey | null
}

/** How each rail that the pool has reads a destination. */
export type Destinations = ReadonlyMap<string, (text: string) => Destination>

/** Wishes in their one spelling, or why they cannot be granted; the reason is for the payee. */
export type WishesOutcome =
  | { readonly kind: 'wishes'; readonly wishes: PayoutWishes }
  | { readonly kind: 'refused'; readonly reason: string }

/** A payee names no more rails. */
export const RAILS_MAX = 5
/** Nobody changes settings more often: a further change has to wait. */
export const CHANGES_A_DAY_MAX = 10

/**
 * Reads destinations as their rails do, so that what is signed is what will be paid. The payee's
 * own address becomes null, whoever writes it out.
 */
export function grantWishes(
  payee: string,
  wishes: PayoutWishes,
  destinations: Destinations,
): WishesOutcome {
  const { rails } = wishes
  if (rails.length === 0) return refused('name a rail; to be paid nothing for now, pause instead')
  if (rails.length > RAILS_MAX) return refused(`at most ${RAILS_MAX} rails`)
  const granted: RailSetting[] = []
  for (const { rail, destination, minimum } of rails) {
    const parse = destinations.get(rail)
    if (!parse) return refused(`this pool has no rail ${rail}`)
    if (granted.some(each => each.rail === rail)) return refused(`the rail ${rail} is named twice`)
    const read = parse(destination ?? payee)
    if (read.kind === 'unpayable') return refused(`${rail} cannot pay there: ${read.reason}`)
    const isOwn = read.canonical === payee
    granted.push({ rail, destination: isOwn ? null : read.canonical, minimum })
  }
  return { kind: 'wishes', wishes: { ...wishes, rails: granted } }
}

/** What makes a text one payee's, of one pool, for one change. */
export type TextContext = {
  readonly pool: string
  readonly network: string
  readonly payee: string
  readonly number: number
}

/**
 * What a payee signs to change its settings: lines that a person can read on a small screen, and
 * one spelling of each wish. It has the next number, so none is used twice, and nothing follows
 * the last line, so that a shell keeps it whole.
 */
export function settingsText(context: TextContext, wishes: PayoutWishes): string {
  const { rails, paused, feeRateMax } = wishes
  assert(rails.length > 0, 'wishes name a rail')
  const wanted = rails.map(
    ({ rail, destination, minimum }) =>
      `pay: by ${rail} to ${destination ?? context.payee} from ${minimum} sat`,
  )
  const rate = feeRateMax === null ? 'any' : `${feeRateMax} sat per 1000 vbytes`
  return lines('sidepool payout settings', context, [
    ...wanted,
    `paused: ${paused ? 'yes' : 'no'}`,
    `fee at most: ${rate}`,
  ])
}

/** A text to sign: what it is, whose, which one, and what it says. */
export function lines(title: string, context: TextContext, said: readonly string[]): string {
  const { pool, network, payee, number } = context
  const whose = [`pool: ${pool}`, `network: ${network}`, `payee: ${payee}`, `number: ${number}`]
  return [title, ...whose, ...said].join('\n')
}

/**
 * The settings that follow. A destination that did not stand before is paid after the cool-off,
 * so that whoever owns the payee can see a theft of its key in time. A wait that runs is never cut
 * short, by no change and by going back neither.
 *
 * @param by the operator who changes them, or null where the payee does
 */
export function nextSettings(
  previous: PayoutSettings | null,
  wishes: PayoutWishes,
  {
    by,
    now,
    coolOffMs,
  }: {
    readonly by: OperatorKey | null
    readonly now: UnixMs
    readonly coolOffMs: number
  },
): PayoutSettings {
  assert(coolOffMs >= 0, 'a cool-off is not negative')
  const isMoved = wishes.rails.some(each => !stoodBefore(previous, each))
  const running = previous?.paysFrom ?? now
  const paysFrom = isMoved ? unixMs(Math.max(running, now + coolOffMs)) : running
  const kept = isMoved ? by : (previous?.destinationsBy ?? null)
  return {
    ...wishes,
    number: (previous?.number ?? 0) + 1,
    paysFrom,
    destinationsBy: by === null ? null : kept,
  }
}

/** Before any settings, every rail pays the payee itself. */
function stoodBefore(previous: PayoutSettings | null, { rail, destination }: RailSetting): boolean {
  if (previous === null) return destination === null
  return previous.rails.some(each => each.rail === rail && each.destination === destination)
}

/** The wishes of a payee that has set nothing, to begin from: each rail that can pay itself. */
export function defaultWishes(payee: string, destinations: Destinations): PayoutWishes {
  const rails = [...destinations]
    .filter(([, parse]) => parse(payee).kind === 'payable')
    .map(([rail]) => ({ rail, destination: null, minimum: sats(0n) }))
  return { rails, paused: false, feeRateMax: null }
}

function refused(reason: string): WishesOutcome {
  return { kind: 'refused', reason }
}
