import { type DrivechainOpcode, readTreasuryOutput } from '../lib/bitcoin/drivechain.ts'
import { type Output, outputBytes } from '../lib/bitcoin/tx.ts'
import {
  outpointText,
  type Parents,
  type ScannedInput,
  type ScannedTransaction,
  scanTransaction,
  withDescendants,
} from '../lib/bitcoin/tx-scan.ts'
import type { BlockHash } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import { type Bid, type Bidder, chooseBids, findBids } from './bids.ts'
import { messageScript, readMessage } from './messages.ts'
import { readRequest, startsAsRequest } from './request.ts'

/** A side block of our own node, for which we want the slot. */
export type OwnSideBlock = {
  readonly slot: number
  /** 64 hex digits in the order of the bytes. */
  readonly sideBlock: string
  /** From this fee on a stranger's bid for the slot is taken instead; null for no bid at all. */
  readonly yieldsFrom: Sats | null
}

/** A template as far as sidechains care. */
export type BlockToArrange = {
  readonly previousBlock: BlockHash
  readonly transactions: readonly Bidder[]
  readonly parents: Parents
  /** Coinbase outputs that come with the template. */
  readonly commitments: readonly Output[]
  /** An enforcer made it, so whatever touches a treasury in it is right. */
  readonly isEnforced: boolean
  /** Bytes that commitments may take in the coinbase. */
  readonly roomBytes: number
}

export type ArrangementTerms = {
  readonly opcode: DrivechainOpcode
  /** Treasury coins known on the chain, as `txid:vout`. */
  readonly treasuryCoins: ReadonlySet<string>
  readonly own: OwnSideBlock | null
  /**
   * Slots with a bundle that fails in this block, so that it may pay none of them, whatever the
   * enforcer's template has; null while that is unknown.
   */
  readonly failingBundles: ReadonlySet<number> | null
  /** Transactions of ours that the block will have at its end; none spends one of the template's. */
  readonly ownTransactions: readonly Uint8Array[]
}

/** What our block says and leaves out, so that enforcers take it. */
export type Arrangement = {
  /** Coinbase outputs, in their order, to stand before our own. */
  readonly commitments: readonly Output[]
  /** Places of transactions that stay out, descendants included. */
  readonly leftOut: ReadonlySet<number>
  /** Places of transactions that must not be left out for want of room in the block. */
  readonly bound: ReadonlySet<number>
  readonly bids: readonly Bid[]
  /** Bids that the coinbase had no room for. */
  readonly bidsWithoutRoom: number
}

/**
 * Arranges a block under BIP 300 and 301: each slot's best bid with its M7, or our own side block
 * in its place; no other bid; no payment of a bundle that fails in this block; and, unless an
 * enforcer made the template, no transaction that touches a treasury, since only an enforcer can
 * judge it. Where the coinbase lacks room, the bids
 * that pay least stay out. No template is unfit for it: what cannot be right is left out.
 */
export function arrangeBlock(block: BlockToArrange, terms: ArrangementTerms): Arrangement {
  const { previousBlock, transactions, parents } = block
  const { own } = terms
  const touching = placesWhere(transactions, treasuryTest(transactions, terms))
  const barred = withDescendants(barredPlaces(block, terms, touching), parents)
  const bids = findBids(transactions)
  const leastFee = (slot: number) => (slot === own?.slot ? own.yieldsFrom : 0n)
  const best = chooseBids(bids, { previousBlock, parents, barred, leastFee })

  let accepted = best
  // Each turn takes a bid away, and without bids there is an end.
  for (;;) {
    const commitments = commitmentsOf(block.commitments, { bids, accepted, own })
    const fewer = withoutLowest(accepted, parents, own?.slot ?? null)
    if (sizeOf(commitments) <= block.roomBytes || fewer === null) {
      const places = new Set(accepted.map(({ place }) => place))
      const losers = bids.filter(({ place }) => !places.has(place)).map(({ place }) => place)
      const leftOut = withDescendants([...barred, ...losers], parents)
      const bound = new Set([...places, ...touching].filter(place => !leftOut.has(place)))
      const bidsWithoutRoom = best.length - accepted.length
      return { commitments, leftOut, bound, bids: accepted, bidsWithoutRoom }
    }
    accepted = fewer
  }
}

/**
 * Transactions that stay out whoever bids. Ours come first: whatever spends the same coin goes, and
 * in a slot for which we deposit, so does every other deposit, since a slot's first ones share no
 * coin and yet exclude each other.
 */
function barredPlaces(
  { transactions, isEnforced }: BlockToArrange,
  { ownTransactions, opcode, failingBundles }: ArrangementTerms,
  touching: readonly number[],
): readonly number[] {
  const judged = isEnforced
    ? placesWhere(transactions, isLatePayment(opcode, failingBundles))
    : [...touching, ...placesWhere(transactions, isDoubtful)]
  const ours = ownTransactions.map(data => ({ data, scan: scanTransaction(data) }))
  if (ours.length === 0) return judged
  const outpoints = new Set(
    ours.flatMap(({ data, scan }) => scan?.inputs.map(input => outpointText(data, input)) ?? []),
  )
  const slotsOf = (scan: ScannedTransaction | null) =>
    scan?.scripts.map(script => readTreasuryOutput(script, opcode)).filter(slot => slot !== null)
  const slots = new Set(ours.flatMap(({ scan }) => slotsOf(scan) ?? []))
  const rivals = placesWhere(
    transactions,
    ({ data, scan }) =>
      scan !== null &&
      (scan.inputs.some(input => outpoints.has(outpointText(data, input))) ||
        slotsOf(scan)?.some(slot => slots.has(slot)) === true),
  )
  return [...judged, ...rivals]
}

function placesWhere(
  entries: readonly Bidder[],
  isMeant: (entry: Bidder) => boolean,
): readonly number[] {
  return entries.flatMap((entry, place) => (isMeant(entry) ? [place] : []))
}

/**
 * Judges whether a transaction pays a bundle (M6) that fails in this block. It spends the treasury
 * alone, with neither script nor witness, and renews it as its first output.
 */
function isLatePayment(
  opcode: DrivechainOpcode,
  failingBundles: ReadonlySet<number> | null,
): (entry: Bidder) => boolean {
  return ({ scan }) => {
    const [first] = scan?.scripts ?? []
    const [input, ...more] = scan?.inputs ?? []
    if (!first || !input || more.length > 0 || input.hasScript || input.hasWitness) return false
    const slot = readTreasuryOutput(first, opcode)
    return slot !== null && failingBundles?.has(slot) !== false
  }
}

/** What cannot be read, or only resembles a bid, is not worth a block. */
function isDoubtful({ scan }: Bidder): boolean {
  const first = scan?.scripts[0]
  return scan === null || (first !== undefined && startsAsRequest(first) && !readRequest(first))
}

/**
 * Judges whether a transaction makes or spends a treasury coin. Any script that begins with the
 * opcode counts, and so does any input that needs neither script nor witness, since that is how
 * treasuries are spent; unless it spends an output of the same template that is something else.
 * A witness would make the spending of a treasury invalid, so an input with one spends none.
 */
function treasuryTest(
  entries: readonly Bidder[],
  { opcode, treasuryCoins }: Pick<ArrangementTerms, 'opcode' | 'treasuryCoins'>,
): (entry: Bidder) => boolean {
  let places: ReadonlyMap<string, number> | null = null
  function spendsTreasury(data: Uint8Array, input: ScannedInput): boolean {
    if (input.hasWitness) return false
    if (input.hasScript && treasuryCoins.size === 0) return false
    const outpoint = outpointText(data, input)
    if (treasuryCoins.has(outpoint)) return true
    if (input.hasScript) return false
    places ??= new Map(entries.map(({ txid }, place) => [txid, place]))
    const [txid = '', index] = outpoint.split(':')
    const parent = entries[places.get(txid) ?? entries.length]
    const script = parent?.scan?.scripts[Number(index)]
    return script === undefined || script[0] === opcode
  }
  return ({ scan, data }) =>
    scan !== null &&
    (scan.scripts.some(script => script[0] === opcode) ||
      scan.inputs.some(input => spendsTreasury(data, input)))
}

/**
 * The template's outputs without the M7s that are no longer right, then an M7 for each bid taken
 * that had none, then our own.
 */
function commitmentsOf(
  given: readonly Output[],
  {
    bids,
    accepted,
    own,
  }: {
    readonly bids: readonly Bid[]
    readonly accepted: readonly Bid[]
    readonly own: OwnSideBlock | null
  },
): readonly Output[] {
  const wanted = new Map(accepted.map(({ slot, sideBlock }) => [slot, sideBlock]))
  if (own && !wanted.has(own.slot)) wanted.set(own.slot, own.sideBlock)
  const said = new Set<number>()
  const kept = given.filter(({ script }) => {
    const message = readMessage(script)
    if (message?.kind !== 'M7') return true
    const { slot, sideBlock } = message
    // One that no bid asked for is the enforcer's own, and stays unless we want the slot.
    const isRight = wanted.has(slot)
      ? wanted.get(slot) === sideBlock
      : !bids.some(bid => bid.slot === slot && bid.sideBlock === sideBlock)
    if (!isRight || said.has(slot)) return false
    said.add(slot)
    return true
  })
  const added = [...wanted].filter(([slot]) => !said.has(slot))
  return [
    ...kept,
    ...added.map(([slot, sideBlock]) => ({
      value: 0n,
      script: messageScript({ kind: 'M7', slot, sideBlock }),
    })),
  ]
}

function sizeOf(outputs: readonly Output[]): number {
  return outputs.reduce((bytes, output) => bytes + outputBytes(output).length, 0)
}

/**
 * Without the bid that pays least, and without those that spend it; null when none is left. A bid
 * for the slot that we want stays: our own side block would take its place and as much room.
 */
function withoutLowest(
  bids: readonly Bid[],
  parents: Parents,
  ownSlot: number | null,
): readonly Bid[] | null {
  const [first, ...others] = bids.filter(({ slot }) => slot !== ownSlot)
  if (!first) return null
  const lowest = others.reduce((low, bid) => (bid.fee < low.fee ? bid : low), first)
  const gone = withDescendants([lowest.place], parents)
  return bids.filter(({ place }) => !gone.has(place))
}
