import { unreachable } from '../../../lib/assert.ts'
import type { Txid } from '../../../lib/ids.ts'
import type { Sats } from '../../../lib/money.ts'
import { type Outpoint, outpointText } from '../../outpoint.ts'
import type { CheckOutcome } from '../../rail.ts'

/** What came back from a submission. */
export type SubmitReply =
  | { readonly kind: 'txid'; readonly txid: string }
  /** The node's own words. */
  | { readonly kind: 'error'; readonly message: string }
  | { readonly kind: 'no answer'; readonly message: string }

export type SubmitVerdict =
  | { readonly kind: 'sent' }
  /** It may be there already, or beaten: whoever asked looks for it. */
  | { readonly kind: 'look'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }

/** Our own copy is in the mempool, or a rival that spends one of its coins. */
const IN_MEMPOOL = /utxo double spent/
/** A coin of it is not unspent: it is mined, beaten, or what made the coin was undone. */
const NOT_UNSPENT = /utreexo error/

/**
 * Reads the answer to a submission. No error means that the bytes can never be in a block. Two of
 * them most often mean that a repeat came too late, and then the node itself knows more; any other
 * is told as it is, since it speaks of a fault of ours.
 *
 * Source: thunder-rust, lib/mempool.rs and lib/state/block.rs, and seen with the real node.
 */
export function readSubmitReply(reply: SubmitReply, ours: Txid): SubmitVerdict {
  switch (reply.kind) {
    case 'txid':
      if (reply.txid === ours) return { kind: 'sent' }
      return { kind: 'unknown', reason: 'Thunder answered with another txid' }
    case 'error': {
      const reason = `Thunder said: ${reply.message}`
      const isRepeat = IN_MEMPOOL.test(reply.message) || NOT_UNSPENT.test(reply.message)
      return { kind: isRepeat ? 'look' : 'unknown', reason }
    }
    case 'no answer':
      return { kind: 'unknown', reason: `no answer: ${reply.message}` }
    default:
      return unreachable(reply)
  }
}

/** Where a side block stands by our own node's main chain. */
export type MainPlace =
  /** The main block that carries its M7 is on the best chain, with so many confirmations. */
  | { readonly kind: 'on chain'; readonly confirmations: number }
  /** No block of the best chain carries its M7 now. */
  | {
      readonly kind: 'off chain'
      /** Whether what would be the parent of that block is on the best chain. */
      readonly isParentThere: boolean
      /** So many blocks the best chain has above the height of that block; below zero: none there. */
      readonly blocksOn: number
    }

/** Where each version stands. */
export type VersionEvidence = {
  readonly version: number
  readonly txid: Txid
  readonly fee: Sats
  /** Whether its bytes are stored; without them it settles nothing. */
  readonly isSigned: boolean
  /** Of the side block that has it, on the node's best chain; null where none has. */
  readonly place: MainPlace | null
  readonly isInMempool: boolean
}

/** What became of a coin, by the node's state: what blocks say, never the mempool. */
export type CoinFate =
  | { readonly kind: 'unspent' }
  | { readonly kind: 'spent'; readonly by: Txid; readonly place: MainPlace | null }
  /** A bundle took it to the main chain, which no coin of a batch is made for. */
  | { readonly kind: 'withdrawn' }
  /** Neither there nor spent: the block that made it is undone, and may come back. */
  | { readonly kind: 'not there' }

export type CoinEvidence = { readonly coin: Outpoint; readonly fate: CoinFate }

/** Everything that a batch is judged by. */
export type Evidence = {
  readonly versions: readonly VersionEvidence[]
  readonly anchor: CoinEvidence
  /** The other coins of the newest signed version. */
  readonly others: readonly CoinEvidence[]
  /** Why Thunder does not go on, or null. */
  readonly stall: string | null
  /** Confirmations of the main block after which a side block counts as final. */
  readonly finality: number
}

/** What a place in the chains is judged by: a payment is as final as the main block with its M7. */
type Mined = Pick<Evidence, 'stall' | 'finality'>

/**
 * What versions alone decide. One whose bytes are not stored only waits, since what it costs is not
 * booked and what it leaves us is not known yet.
 *
 * @returns null where no side block of Thunder's best chain has one, so that the coins decide
 */
export function judgeVersions(
  versions: readonly VersionEvidence[],
  at: Mined,
): CheckOutcome | null {
  const mined = versions.find(({ place }) => place !== null)
  return mined?.place ? judgePlace(mined, mined.place, at) : null
}

/**
 * What the coins decide where no version is known to be mined. Nothing is dead before a foreign
 * spend of the anchor is as deep as a payment must be; until then, and for good where it is another
 * coin, what went elsewhere only makes a batch wait.
 */
export function judgeCoins(evidence: Evidence): CheckOutcome {
  const outcome = judgeAnchor(evidence)
  // What is known for good is known though Thunder does not go on; anything else waits for people.
  const isFinal = outcome.kind === 'dead' || outcome.kind === 'settled'
  return evidence.stall === null || isFinal ? outcome : unknown(evidence.stall)
}

function judgePlace(
  { version, fee, isSigned }: VersionEvidence,
  place: MainPlace,
  { stall, finality }: Mined,
): CheckOutcome {
  if (place.kind === 'off chain')
    return stall === null ? { kind: 'waiting', confirmations: 0 } : unknown(stall)
  const { confirmations } = place
  if (confirmations < finality || !isSigned) return { kind: 'waiting', confirmations }
  return { kind: 'settled', version, fee, confirmations }
}

function judgeAnchor(evidence: Evidence): CheckOutcome {
  const { versions, anchor, others, finality } = evidence
  const { fate } = anchor
  switch (fate.kind) {
    case 'unspent': {
      const lost = others.find(each => each.fate.kind !== 'unspent')
      if (versions.some(({ isInMempool }) => isInMempool))
        return { kind: 'waiting', confirmations: 0 }
      return lost ? unknown(lossText(lost)) : { kind: 'missing' }
    }
    case 'spent': {
      const { by, place } = fate
      const ours = versions.find(({ txid }) => txid === by)
      // Mined longer ago than versions are looked for, or in this very moment.
      if (ours) return place ? judgePlace(ours, place, evidence) : unknown('the chain has changed')
      const isFinal = place?.kind === 'on chain' && place.confirmations >= finality
      if (!isFinal) return unknown(`${by} spends the anchor, not yet for good`)
      return { kind: 'dead', reason: `${by} has spent the anchor` }
    }
    case 'withdrawn':
    case 'not there':
      return unknown(lossText(anchor))
    default:
      return unreachable(fate)
  }
}

function lossText({ coin, fate }: CoinEvidence): string {
  const name = outpointText(coin)
  switch (fate.kind) {
    case 'unspent':
      return `its coin ${name} is unspent`
    case 'spent':
      return `its coin ${name} is spent by ${fate.by}, which is no version of it`
    case 'withdrawn':
      return `its coin ${name} left for the main chain`
    case 'not there':
      return `its coin ${name} is not there now: what made it is undone, and may come back`
    default:
      return unreachable(fate)
  }
}

function unknown(reason: string): CheckOutcome {
  return { kind: 'unknown', reason }
}

/** So many main blocks after Thunder's own has left the chain, something else must be wrong. */
const SILENT_BLOCKS_MAX = 6

/**
 * Why Thunder does not go on by itself, with what the operator does about it; null where it does,
 * as far as can be seen. Thunder never looks again at a side block whose main block alone was
 * replaced; where its parent went too, the next side block repairs it, unless the node is broken.
 *
 * Source: thunder-rust at e277855, seen with the real node.
 */
export function stallOf(
  tip: { readonly hash: string; readonly place: MainPlace } | null,
): string | null {
  if (tip === null || tip.place.kind === 'on chain') return null
  const { isParentThere, blocksOn } = tip.place
  if (isParentThere && blocksOn > 0)
    return (
      `Thunder stalls on side block ${tip.hash}, whose main block was replaced: ` +
      `run "sidepool thunder invalidate ${tip.hash} --config FILE"`
    )
  if (blocksOn <= SILENT_BLOCKS_MAX) return null
  return (
    `Thunder stays on side block ${tip.hash}, which the main chain left: no side block was ` +
    'connected since, or its node has panicked; run "sidepool thunder status --config FILE"'
  )
}
