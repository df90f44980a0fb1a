import type { AccountId, Digest } from '../lib/ids.ts'
import type { Millisats } from '../lib/money.ts'
import type { BlockFound, UsedWork, WorkStatement } from '../statement/index.ts'

/** A work statement with the hash it is chained by. */
export type HashedWork = { readonly statement: WorkStatement; readonly hash: Digest }

/** What a method divides, and by what. */
export type RewardInput = {
  readonly rewardPool: string
  /** Newest first, without gaps, beginning with the epoch of the block or the epoch itself. */
  readonly work: readonly HashedWork[]
  /** Null for a method that pays on epochs. */
  readonly block: BlockFound | null
  readonly feeBasisPoints: (scheme: string) => number
}

/** A method's answer: everything of a reward statement that depends on the method. */
export type Reward = {
  readonly work: readonly UsedWork[]
  readonly total: Millisats
  /** Sorted by account; none is zero. */
  readonly amounts: readonly { readonly account: AccountId; readonly amount: Millisats }[]
  readonly fee: Millisats
  readonly remainder: Millisats
}

/**
 * How a reward pool divides what it earns. Pure: the same input gives the same reward, whatever
 * the order of lines. `total = sum(amounts) + fee + remainder` always.
 * Contract: test/contracts/reward-method.ts.
 */
export type RewardMethod = {
  readonly name: string
  readonly paysOn: 'block' | 'epoch'
  /** As decimal text, for the statement. */
  readonly parameters: Readonly<Record<string, string>>
  /** Whether an older statement could still change the reward; the caller loads until it cannot. */
  readonly wantsOlder: (input: RewardInput) => boolean
  readonly reward: (input: RewardInput) => Reward
}
