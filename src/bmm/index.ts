export type { Bid } from './bids.ts'
export {
  type AcceptedBid,
  type BidReport,
  bidsOfBlocks,
  bidsPaid,
} from './bmm-store.ts'
export { type BundleEnforcer, type FailingBundles, watchBundles } from './bundle-source.ts'
export {
  type Arrangement,
  type ArrangementTerms,
  arrangeBlock,
  type BlockToArrange,
  type OwnSideBlock,
} from './commitments.ts'
export { type BmmConfig, bmmComplaints, bmmSchema } from './config.ts'
export { type BidNode, type BmmDeps, bmmJobs, CONNECT_SIDE_BLOCKS, READ_BIDS } from './jobs.ts'
export {
  type BundleVotes,
  type CoinbaseMessage,
  descriptionBytes,
  descriptionHash,
  messageScript,
  readMessage,
  type SidechainDeclaration,
} from './messages.ts'
export { type Acceptance, readAcceptances } from './read-block.ts'
export { type BlockRequest, readRequest, requestScript } from './request.ts'
export { type SideBlocks, watchSideBlocks } from './side-block-source.ts'
export type { SideNode, SideTemplate } from './side-node.ts'
export { type TreasuryCoins, type TreasuryNode, watchTreasuries } from './treasury-source.ts'
