import { sha256d } from '../lib/bitcoin/hash.ts'
import { HEADER_BYTES } from '../lib/bitcoin/header.ts'
import { coinbaseBranches, merkleRoot } from '../lib/bitcoin/merkle.ts'
import { witnessCommitmentScript } from '../lib/bitcoin/script.ts'
import { compactSize, type Output } from '../lib/bitcoin/tx.ts'
import {
  type Parents,
  parentsOf,
  type ScannedEntry,
  scanTransaction,
  withDescendants,
} from '../lib/bitcoin/tx-scan.ts'
import { concat, fromHex, reversed } from '../lib/bytes.ts'
import type { BlockHash } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { BlockTemplateReply, TransactionReply } from '../lib/nodes/block-template.ts'
import { buildCoinbase, coinbaseBytes, coinbaseWeight } from './coinbase.ts'

/** A template that somebody may arrange before work is made of it. */
export type Arrangeable = {
  readonly height: number
  readonly previousBlock: BlockHash
  readonly transactions: readonly (ScannedEntry & { readonly fee: Sats })[]
  readonly parents: Parents
  readonly commitments: readonly Output[]
  readonly isEnforced: boolean
  /** Bytes that commitments may take until the coinbase reaches the limit of a port. */
  readonly roomBytes: number
}

/** What shall become of it. */
export type Arranged = {
  /** The outputs that the coinbase has before ours. */
  readonly commitments: readonly Output[]
  /** Places of transactions to leave out; those that spend them follow by themselves. */
  readonly leftOut: ReadonlySet<number>
  /** Places of transactions that are never left out for want of weight. */
  readonly bound: ReadonlySet<number>
  /** Transactions of ours for the block's end. They spend confirmed coins, or each other in order. */
  readonly append: readonly TransactionReply[]
}

/** Decides what blocks of ours say and leave out: handed in, since pool knows no sidechain. */
export type Arrange = (template: Arrangeable) => Arranged

/** What a coinbase of ours has besides commitments. */
export type CoinbaseParts = {
  readonly tag: string
  readonly payScript: Uint8Array
  /** How much longer it is at most where it pays its finder. */
  readonly finderBytes: number
  /** Commitments shall not make it longer than this. */
  readonly bytesMax: number
}

/** Bitcoin's limits. Source: BIP 141. A coinbase of ours has no signature check. */
const BLOCK_WEIGHT_MAX = 4_000_000
const BLOCK_SIGOPS_MAX = 80_000
const JOB_BYTES = 4

/**
 * A template as somebody arranged it: without the transactions that are left out and their
 * descendants, with ours at its end, and value and witness commitment to match.
 */
export function arrangeTemplate(
  reply: BlockTemplateReply,
  arrange: Arrange,
  parts: CoinbaseParts,
): BlockTemplateReply {
  const transactions = reply.transactions.map(transaction => ({
    ...transaction,
    scan: scanTransaction(transaction.data),
  }))
  const parents = parentsOf(transactions)
  const { height, previousBlock, isEnforced } = reply
  const arranged = arrange({
    ...{ height, previousBlock, isEnforced, transactions, parents },
    commitments: reply.commitments,
    roomBytes: parts.bytesMax - lengthWith([], reply, parts),
  })
  const { commitments, append } = arranged
  const room = {
    weight: BLOCK_WEIGHT_MAX - weightAround(reply, parts, arranged),
    sigops: BLOCK_SIGOPS_MAX - sigopsOf(append),
  }
  const leftOut = withinLimits(reply.transactions, parents, { ...arranged, room })
  if (leftOut.size === 0 && append.length === 0) {
    // An enforcer of a signet leaves the commitment to the miner.
    const witnessCommitment = reply.witnessCommitment ?? witnessCommitmentOf(reply.transactions)
    return { ...reply, commitments, witnessCommitment }
  }
  const kept = [...reply.transactions.filter((_, place) => !leftOut.has(place)), ...append]
  const fees = (of: readonly TransactionReply[]) => of.reduce((sum, { fee }) => sum + fee, 0n)
  return {
    ...reply,
    commitments,
    transactions: kept,
    value: sats(reply.value - fees(reply.transactions) + fees(kept)),
    witnessCommitment: witnessCommitmentOf(kept),
  }
}

/** How long a coinbase of ours would be, whomever it pays. */
function lengthWith(
  commitments: readonly Output[],
  { height, value }: BlockTemplateReply,
  { tag, payScript, finderBytes }: CoinbaseParts,
): number {
  const witnessCommitment = witnessCommitmentScript(new Uint8Array(32))
  const extraBytes = new Uint8Array(JOB_BYTES)
  const request = { height, value, tag, payScript, extraBytes, commitments, witnessCommitment }
  return coinbaseBytes(buildCoinbase(request)) + finderBytes
}

/** What a block weighs without the template's transactions. */
function weightAround(
  reply: BlockTemplateReply,
  parts: CoinbaseParts,
  { commitments, append }: Arranged,
): number {
  const count = compactSize(1 + reply.transactions.length + append.length).length
  const ours = append.reduce((sum, { weight }) => sum + weight, 0)
  return 4 * (HEADER_BYTES + count) + coinbaseWeight(lengthWith(commitments, reply, parts)) + ours
}

type Room = { readonly weight: number; readonly sigops: number }

/**
 * All that is left out, so that the rest fits: beyond what was asked for, transactions from the end
 * of the template, where those are that pay least, except what is bound.
 */
function withinLimits(
  transactions: readonly TransactionReply[],
  parents: Parents,
  { leftOut, bound, room }: Arranged & { readonly room: Room },
): ReadonlySet<number> {
  let out = withDescendants(leftOut, parents)
  const isTooMuch = () => {
    const kept = transactions.filter((_, place) => !out.has(place))
    const weight = kept.reduce((sum, each) => sum + each.weight, 0)
    return weight > room.weight || sigopsOf(kept) > room.sigops
  }
  for (let place = transactions.length - 1; place >= 0 && isTooMuch(); place--) {
    const more = withDescendants([...out, place], parents)
    if (![...more].some(each => bound.has(each))) out = more
  }
  return out
}

/** An enforcer names none; then its template is believed to keep the limit with room to spare. */
function sigopsOf(transactions: readonly TransactionReply[]): number {
  return transactions.reduce((sum, { sigops }) => sum + (sigops ?? 0), 0)
}

/**
 * The script that commits to the witnesses of these transactions; null when none has any.
 * Source: BIP 141: the coinbase's own witness hash counts as zero, and so does the reserved value.
 */
export function witnessCommitmentOf(transactions: readonly TransactionReply[]): Uint8Array | null {
  if (transactions.every(({ txid, wtxid }) => txid === wtxid)) return null
  const branches = coinbaseBranches(transactions.map(({ wtxid }) => reversed(fromHex(wtxid))))
  const zero = new Uint8Array(32)
  return witnessCommitmentScript(sha256d(concat(merkleRoot(zero, branches), zero)))
}
