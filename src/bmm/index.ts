export type { Bid } from './bids.ts'
export {
  type Arrangement,
  type ArrangementTerms,
  arrangeBlock,
  type BlockToArrange,
  type OwnSideBlock,
} from './commitments.ts'
export { type BmmConfig, bmmSchema } from './config.ts'
export {
  type BundleVotes,
  type CoinbaseMessage,
  descriptionBytes,
  descriptionHash,
  messageScript,
  readMessage,
  type SidechainDeclaration,
} from './messages.ts'
export { type BlockRequest, readRequest, requestScript } from './request.ts'
export {
  DRIVECHAIN_OPCODES,
  type DrivechainOpcode,
  depositOutputs,
  readDepositAddress,
  readTreasuryOutput,
  type Treasury,
  treasuryScript,
  type Withdrawal,
  withdrawalId,
  withdrawalTransaction,
} from './treasury.ts'
