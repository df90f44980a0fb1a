import { assert } from '../lib/assert.ts'
import type { Parents, ScannedEntry } from '../lib/bitcoin/tx-scan.ts'
import type { BlockHash } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import { type BlockRequest, readRequest, startsAsRequest } from './request.ts'

/** A bid among a template's transactions. What its miner earns is the fee of the transaction. */
export type Bid = BlockRequest & {
  /** Its place among the transactions. */
  readonly place: number
  readonly fee: Sats
}

/** A transaction that could stand in our block, with what it pays. */
export type Bidder = ScannedEntry & { readonly fee: Sats }

/** All bids, in the order of the transactions. */
export function findBids(transactions: readonly Bidder[]): readonly Bid[] {
  const bids: Bid[] = []
  transactions.forEach(({ scan, fee }, place) => {
    const first = scan?.scripts[0]
    const request = first && startsAsRequest(first) ? readRequest(first) : null
    if (request) bids.push({ ...request, place, fee })
  })
  return bids
}

export type AuctionTerms = {
  readonly previousBlock: BlockHash
  readonly parents: Parents
  /** Transactions that stay out whoever bids, with their descendants. */
  readonly barred: ReadonlySet<number>
  /** The least that a bid for a slot must pay; null where no bid for it is taken. */
  readonly leastFee: (slot: number) => bigint | null
}

/**
 * The bid that each slot accepts: the one with the highest fee that is for the next block. One that
 * spends another bid can only win where that one wins too, so of two bids for one slot of which
 * one spends the other, the later never does; at equal fees the earlier in the template wins.
 *
 * Source: BIP 301 as enforced: one M8 a slot, none that is expired.
 */
export function chooseBids(bids: readonly Bid[], terms: AuctionTerms): readonly Bid[] {
  const bidsBefore = bidAncestors(bids, terms.parents)
  const waiting = bids
    .filter(bid => isFit(bid, terms))
    .toSorted((a, b) => (a.fee === b.fee ? a.place - b.place : a.fee > b.fee ? -1 : 1))
  const winners = new Map<number, Bid>()
  const places = new Set<number>()
  const canWin = ({ slot, place }: Bid): boolean =>
    !winners.has(slot) && [...(bidsBefore.get(place) ?? [])].every(before => places.has(before))
  // Each turn finds a winner of another slot, so there are at most as many as slots.
  for (let turn = 0; turn <= SLOTS; turn++) {
    const winner = waiting.find(canWin)
    if (!winner) return [...winners.values()]
    winners.set(winner.slot, winner)
    places.add(winner.place)
  }
  assert(false, 'no more slots win than there are')
}

const SLOTS = 256

function isFit({ slot, place, fee, previousBlock }: Bid, terms: AuctionTerms): boolean {
  const least = terms.leastFee(slot)
  if (least === null || fee < least) return false
  return previousBlock === terms.previousBlock && !terms.barred.has(place)
}

/** Which bids a transaction that has any spends, directly or not. */
function bidAncestors(
  bids: readonly Bid[],
  parents: Parents,
): ReadonlyMap<number, ReadonlySet<number>> {
  const isBid = new Set(bids.map(({ place }) => place))
  const ancestors = new Map<number, ReadonlySet<number>>()
  parents.forEach((of, place) => {
    const own = new Set<number>()
    for (const parent of of) {
      if (isBid.has(parent)) own.add(parent)
      for (const before of ancestors.get(parent) ?? []) own.add(before)
    }
    if (own.size > 0) ancestors.set(place, own)
  })
  return ancestors
}
