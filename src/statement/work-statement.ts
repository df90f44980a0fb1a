import type { AccountId, BlockHash, Digest, EpochId, UnixMs } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'

/** Why a share was refused; the words stand in statements, so none ever changes its meaning. */
export const REJECT_REASONS = [
  'stale',
  'unknown-job',
  'duplicate',
  'low-difficulty',
  'bad-extranonce2',
  'bad-time',
  'bad-version',
  'malformed',
] as const
export type RejectReason = (typeof REJECT_REASONS)[number]

/** One account's work in an epoch. */
export type WorkLine = {
  readonly account: AccountId
  /** The payout destination in canonical form, as the miner knows it. */
  readonly payee: string
  readonly scheme: string
  readonly rewardPool: string
  readonly shares: bigint
  /** Expected hashes: each share counts floor(2^256 / (target + 1)). Up to 2^128. */
  readonly work: bigint
  /** Only reasons that occurred. */
  readonly rejects: Readonly<Partial<Record<RejectReason, bigint>>>
}

export type PoolWork = {
  readonly rewardPool: string
  readonly shares: bigint
  readonly work: bigint
}

/** What a block's own coinbase paid its finder. The rest of the whole, its fee, came to the pool. */
export type FinderPaid = {
  /** The address, in canonical form. */
  readonly payee: string
  readonly amount: Sats
  readonly feeBasisPoints: number
}

/** A block of ours that belongs to this epoch. */
export type BlockFound = {
  readonly hash: BlockHash
  readonly height: number
  readonly rewardPool: string
  /** Null when the finder is unknown; the block is then the pool's own. */
  readonly finder: AccountId | null
  /** What the coinbase pays the pool. */
  readonly value: Sats
  /** Null where the coinbase pays the pool alone. */
  readonly paid: FinderPaid | null
}

/**
 * What was worked in one epoch. Knows no money but the value of blocks; immutable once made.
 * Lines are sorted by account, pools by name, blocks by hash; totals equal the sums of the lines.
 */
export type WorkStatement = {
  readonly version: 1
  readonly network: string
  readonly epoch: EpochId
  readonly openedAt: UnixMs
  readonly closedAt: UnixMs
  readonly closeReason: 'time' | 'block' | 'target' | 'subsidy'
  /** 64 hex digits, most significant first: a block's hash is at most this. */
  readonly blockTarget: string
  /** Expected hashes of one block: floor(2^256 / (blockTarget + 1)). */
  readonly networkWork: bigint
  readonly subsidy: Sats
  readonly lines: readonly WorkLine[]
  readonly pools: readonly PoolWork[]
  readonly blocks: readonly BlockFound[]
  /** Hash of the statement of the epoch before; null for the first. */
  readonly previous: Digest | null
  /** Place of the Merkle root over the shares. Null until proofs exist. */
  readonly sharesRoot: null
  /** Place of the pool's signature. Null until keys exist. */
  readonly signature: null
}
