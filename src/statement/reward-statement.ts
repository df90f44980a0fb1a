import type { AccountId, BlockHash, Digest, EpochId } from '../lib/ids.ts'
import type { Millisats } from '../lib/money.ts'
import type { FinderPaid } from './work-statement.ts'

/** A work statement that a reward used, and how much of it. */
export type UsedWork = {
  readonly epoch: EpochId
  readonly hash: Digest
  /** The part of its work that counts: 1/1, or a fraction for the oldest one of a window. */
  readonly numerator: bigint
  readonly denominator: bigint
}

export type RewardLine = {
  readonly account: AccountId
  readonly payee: string
  readonly scheme: string
  /** After the fee. */
  readonly amount: Millisats
}

/** What a reward is for: a block of ours, or an epoch's work that is paid at once. */
export type RewardBasis =
  | {
      readonly kind: 'block'
      readonly hash: BlockHash
      readonly height: number
      /** What its own coinbase paid its finder, which is no part of the total. */
      readonly paid: FinderPaid | null
    }
  | { readonly kind: 'epoch'; readonly epoch: EpochId }

/**
 * What a block or an epoch earned whom. `total = sum(lines) + fee + remainder`, exactly.
 * Lines are sorted by account and none is zero.
 */
export type RewardStatement = {
  readonly version: 1
  readonly network: string
  /** One sequence for all reward pools, from 1, without gaps. */
  readonly number: bigint
  readonly rewardPool: string
  readonly method: string
  /** The method's parameters as decimal text, all that a recomputation needs. */
  readonly parameters: Readonly<Record<string, string>>
  /** Fee of each scheme that occurs, in basis points. */
  readonly feeBasisPoints: Readonly<Record<string, number>>
  readonly basis: RewardBasis
  readonly work: readonly UsedWork[]
  readonly total: Millisats
  readonly lines: readonly RewardLine[]
  readonly fee: Millisats
  /** What rounding, or work without an account, leaves; it is the pool's and it is stated. */
  readonly remainder: Millisats
  /** The statement that this one corrects. */
  readonly corrects: Digest | null
  readonly previous: Digest | null
  /** Place of the Merkle-sum root over the accounts. Null until proofs exist. */
  readonly accountsRoot: null
  /** Place of the pool's signature. Null until keys exist. */
  readonly signature: null
}
