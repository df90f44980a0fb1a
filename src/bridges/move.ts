import { chartAccount, type Entry, type LedgerAccount, mergeLegs } from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { type BatchId, journalKey, type Txid, type UnixMs } from '../lib/ids.ts'
import { millisats, msatsFromSats, type Sats } from '../lib/money.ts'
import type { ThunderAddress } from '../lib/thunder/address.ts'

/** A deposit that the main chain has for good. */
export type Arrival = {
  readonly batch: BatchId
  /** The main chain's output by which Thunder names what it credits. */
  readonly coin: { readonly txid: Txid; readonly vout: number }
  readonly amount: Sats
  /** Whom Thunder credits: an address of ours. */
  readonly address: ThunderAddress
}

/** How far a deposit is. */
export type Move = Arrival & {
  readonly state: 'transit' | 'credited'
  /** How often it was credited: more than once only where reorganisations undid it. */
  readonly turn: number
}

/** What Thunder says of a deposit. */
export type Sight =
  /** Credited: a coin of this value, spent or not. */
  | { readonly kind: 'there'; readonly value: Sats }
  /** Thunder has seen the block of the deposit, and has no such coin. */
  | { readonly kind: 'not there' }
  /** Its node is behind, on another chain, or does not answer. */
  | { readonly kind: 'unknown' }

/** What a look changes; null changes nothing. */
export type Change =
  | { readonly move: Move; readonly entry: Entry; readonly coin: 'note' | 'keep' }
  | { readonly move: Move; readonly entry: null; readonly coin: 'keep' }

/** A deposit as it is first followed. */
export function moveOf(arrival: Arrival): Move {
  return { ...arrival, state: 'transit', turn: 0 }
}

/**
 * What a look at Thunder makes of a deposit, with its entry:
 *
 * ```
 * transit  → credited   transit → float    Thunder has its coin
 * credited → transit    float → transit    a reorganisation has undone it
 * ```
 *
 * Where the main chain has settled another version of the deposit instead, its coin has another
 * name: what was credited under the old one is undone first.
 *
 * @param arrival as the main chain has it now
 * @param sight of the arrival's coin
 */
export function look(move: Move, arrival: Arrival, sight: Sight, at: UnixMs): Change | null {
  assert(move.batch === arrival.batch && move.amount === arrival.amount, 'a move keeps its amount')
  const isRenamed = move.coin.txid !== arrival.coin.txid || move.coin.vout !== arrival.coin.vout
  if (isRenamed) {
    if (move.state === 'credited') return undone({ ...move, coin: arrival.coin }, at)
    return { move: { ...move, coin: arrival.coin }, entry: null, coin: 'keep' }
  }
  switch (sight.kind) {
    case 'there':
      // By BIP 300 it is credited in full; anything else is not what was deposited.
      if (move.state === 'credited' || sight.value !== move.amount) return null
      return credited(move, at)
    case 'not there':
      return move.state === 'credited' ? undone(move, at) : null
    case 'unknown':
      return null
    default:
      return unreachable(sight)
  }
}

function credited(move: Move, at: UnixMs): Change {
  const turn = move.turn + 1
  const entry = entryOf(move, { what: 'credited', turn, at }, 'thunderFloat', 'thunderTransit')
  return { move: { ...move, state: 'credited', turn }, entry, coin: 'note' }
}

function undone(move: Move, at: UnixMs): Change {
  const { turn } = move
  const entry = entryOf(move, { what: 'undone', turn, at }, 'thunderTransit', 'thunderFloat')
  return { move: { ...move, state: 'transit' }, entry, coin: 'keep' }
}

/** From asset to asset: what is ours only changes its place. */
function entryOf(
  { batch, amount }: Move,
  { what, turn, at }: { readonly what: string; readonly turn: number; readonly at: UnixMs },
  to: Parameters<typeof chartAccount>[0],
  from: Parameters<typeof chartAccount>[0],
): Entry {
  const leg = (account: LedgerAccount, sats: bigint) => ({ account, amount: millisats(sats) })
  const moved = msatsFromSats(amount)
  return {
    key: journalKey(`deposit:${batch}:${what}:${turn}`),
    event: `deposit ${what}`,
    legs: mergeLegs([leg(chartAccount(to), moved), leg(chartAccount(from), -moved)]),
    at,
  }
}
