export type { Arrange, Arrangeable, Arranged, CoinbaseParts } from './arrangement.ts'
export { auditRecount, auditWorkChain, type Recount } from './audit-store.ts'
export { bestOf } from './best-node-source.ts'
export { type CoinbaseLimits, coinbaseLimitsSchema, strictest } from './coinbase-limits.ts'
export { type FateOfBlock, fatesAfter, workBack } from './earning-store.ts'
export { withEnforcer } from './enforced-source.ts'
export { type CoinbasePays, type FinderTerms, finderBytesMax } from './finder-coinbase.ts'
export { type AccountingDeps, accountingJobs, CLOSE_EPOCHS, FOLLOW_CHAIN } from './jobs.ts'
export { type DoorRules, type Mining, type MiningOptions, startMining } from './mining-server.ts'
export { auditReferences } from './reference-audit-store.ts'
export {
  type BlockReport,
  type EpochReport,
  type IntervalReport,
  lastTemplateAt,
  lastTip,
  listBlocks,
  listEpochs,
  listIntervals,
  newestCoinbaseBytes,
  REPORT_ROWS_MAX,
  type RecentWork,
  recentWork,
  type StatementBytes,
  workStatementOf,
} from './report-store.ts'
export { recountEpoch, type StatementContext } from './statement-store.ts'
export type { Authorize } from './stratum/connection.ts'
export type { BlockNode } from './stratum/found-block.ts'
export {
  difficultiesSchema,
  portSchema,
  stratumPortSchema,
  stratumSchema,
} from './stratum/stratum-schema.ts'
export type { StratumPort } from './stratum/stratum-server.ts'
export { wantsSignature } from './template.ts'
export {
  type Arranging,
  type TemplateEvent,
  type TemplateNode,
  type TemplateSource,
  watchTemplates,
} from './template-source.ts'
export { fatesOf, findBlock, findShare, type TracedShare } from './trace-store.ts'
export type { VardiffRule } from './vardiff.ts'
export { listWorkers, type WorkerReport } from './worker-report-store.ts'
