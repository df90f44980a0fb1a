export { hashStatement, STATEMENT_BYTES_MAX } from './canonical.ts'
export { checkReward, checkRewardLink, checkRewardSources } from './check-reward.ts'
export { type Complaint, checkWork, checkWorkLink, type HashedStatement } from './check-work.ts'
export { coinbaseFee } from './finder-coinbase.ts'
export { decodeReward, encodeReward, type RewardReading } from './reward-codec.ts'
export type {
  RewardBasis,
  RewardLine,
  RewardStatement,
  UsedWork,
} from './reward-statement.ts'
export { type CountedShares, type Tally, tallyShares, verifyWork, workOfShares } from './verify.ts'
export { decodeWork, encodeWork, type WorkReading } from './work-codec.ts'
export {
  type BlockFound,
  type FinderPaid,
  type PoolWork,
  REJECT_REASONS,
  type RejectReason,
  type WorkLine,
  type WorkStatement,
} from './work-statement.ts'
