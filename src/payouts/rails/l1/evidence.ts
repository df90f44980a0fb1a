import { unreachable } from '../../../lib/assert.ts'
import type { Txid } from '../../../lib/ids.ts'
import type { Sats } from '../../../lib/money.ts'
import type { CheckOutcome, SendOutcome } from '../../rail.ts'

/** What came back from a broadcast. */
export type SendReply =
  | { readonly kind: 'txid'; readonly txid: string }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'no answer'; readonly message: string }

/** Core: RPC_VERIFY_ALREADY_IN_UTXO_SET, all of it is confirmed already. */
const ALREADY_CONFIRMED = -27

/**
 * Reads the answer to a broadcast. Words are never looked at, they differ between nodes; and no
 * error means that the bytes can never confirm, so every one of them is `unknown`.
 *
 * Source: Bitcoin Core, rpc/protocol.h and node/transaction.cpp.
 */
export function readSendReply(reply: SendReply, ours: Txid): SendOutcome {
  switch (reply.kind) {
    case 'txid':
      if (reply.txid === ours) return { kind: 'sent' }
      return { kind: 'unknown', reason: 'the node answered with another txid' }
    case 'error':
      if (reply.code === ALREADY_CONFIRMED) return { kind: 'sent' }
      return { kind: 'unknown', reason: `the node said ${reply.code}: ${reply.message}` }
    case 'no answer':
      return { kind: 'unknown', reason: `no answer: ${reply.message}` }
    default:
      return unreachable(reply)
  }
}

/** How far a node's chain can be believed. */
export type ChainView = {
  readonly chain: string
  readonly blocks: number
  readonly headers: number
  readonly isSyncing: boolean
  /** By our clock, since the newest block says that it was made; negative where that is ahead. */
  readonly tipAgeMs: number
  /** The highest tip we have ever seen, and what the node says of it now. */
  readonly highest: {
    readonly height: number
    readonly fate: 'on chain' | 'forked' | 'gone'
  } | null
}

/** Two hours without a block come about once a year; a node that is cut off looks like that. */
const TIP_AGE_MS_MAX = 2 * 3_600_000
/** Its blocks come when somebody asks for them, and its clock is whatever a test says. */
const TEST_CHAIN = 'regtest'

/**
 * Why a node's view decides nothing at present, or null where it can be believed. After a crash a
 * node's chain may have lost blocks that nobody reorganised; only a tip that it knows as a fork
 * may be higher than its own.
 */
export function chainComplaint(view: ChainView, chain: string): string | null {
  if (view.chain !== chain) return `the node is on ${view.chain}, not on ${chain}`
  if (view.isSyncing || view.headers > view.blocks) return 'the node is still syncing'
  if (chain !== TEST_CHAIN && view.tipAgeMs > TIP_AGE_MS_MAX)
    return 'the newest block of the node is hours old'
  if (view.highest === null || view.highest.fate === 'on chain') return null
  if (view.highest.height <= view.blocks) return null
  return view.highest.fate === 'forked' ? null : 'the node is behind a tip that it has shown before'
}

export type VersionEvidence = {
  readonly version: number
  readonly txid: Txid
  readonly fee: Sats
  /** Whether its bytes are stored; without them it is adopted before it settles anything. */
  readonly isSigned: boolean
  /** Blocks on the best chain from its own to the tip; 0 where no block of the chain has it. */
  readonly confirmations: number
}

/** What is known of the anchor. */
export type AnchorEvidence =
  /** Unspent on the chain; `inMempool` is who spends it there. */
  | { readonly kind: 'unspent'; readonly inMempool: Txid | null }
  | { readonly kind: 'spent'; readonly by: Txid; readonly confirmations: number }
  /** Spent on the chain, and nobody knows by what. */
  | { readonly kind: 'spent by something' }
  /** What makes it is in no block and no mempool; it may come, or come back. */
  | { readonly kind: 'not there' }

/**
 * What versions alone decide: whichever is deep enough has paid. One whose bytes are not stored
 * only waits, since what it costs is not booked and what it leaves us is not known yet.
 *
 * @param finality confirmations after which a spend counts as final
 * @returns null where the chain has none of them, so that the anchor decides
 */
export function judgeVersions(
  versions: readonly VersionEvidence[],
  finality: number,
): CheckOutcome | null {
  const confirmed = versions.find(({ confirmations }) => confirmations > 0)
  if (!confirmed) return null
  const { version, fee, confirmations, isSigned } = confirmed
  if (confirmations < finality || !isSigned) return { kind: 'waiting', confirmations }
  return { kind: 'settled', version, fee, confirmations }
}

/**
 * What the anchor decides where the chain has no version. Nothing is dead before a foreign spend of
 * it is as deep as a payment must be.
 *
 * @param finality confirmations after which a spend counts as final
 */
export function judgeAnchor(
  versions: readonly VersionEvidence[],
  anchor: AnchorEvidence,
  finality: number,
): CheckOutcome {
  const isOurs = (spender: Txid) => versions.some(version => version.txid === spender)
  switch (anchor.kind) {
    case 'unspent':
      if (anchor.inMempool === null) return { kind: 'missing' }
      if (isOurs(anchor.inMempool)) return { kind: 'waiting', confirmations: 0 }
      return { kind: 'unknown', reason: `${anchor.inMempool} in the mempool spends the anchor` }
    case 'spent':
      if (isOurs(anchor.by)) return { kind: 'unknown', reason: 'the chain changed meanwhile' }
      if (anchor.confirmations < finality) {
        return { kind: 'unknown', reason: `${anchor.by} spends the anchor, not yet for good` }
      }
      return { kind: 'dead', reason: `${anchor.by} has spent the anchor` }
    case 'spent by something':
      return { kind: 'unknown', reason: 'the anchor is spent, and the wallet knows not by what' }
    case 'not there':
      return { kind: 'missing' }
    default:
      return unreachable(anchor)
  }
}
