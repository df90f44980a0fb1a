export {
  CHART,
  chartAccount,
  kindOf,
  type LedgerAccount,
  type LedgerKind,
  type MinerSide,
  minerAccount,
} from './account.ts'
export { type Audit, auditChain, auditSince } from './audit-store.ts'
export { type Books, EMPTY_BOOKS, mayHold, postAll } from './balance.ts'
export { extendChain } from './chain-store.ts'
export type { ChainHead } from './entry-store.ts'
export { type Finding, findingText } from './finding.ts'
export { ledgerJobs } from './jobs.ts'
export {
  CHAIN_START,
  chainHash,
  type Entry,
  entryComplaint,
  type Leg,
  mergeLegs,
  type PostOutcome,
  requestHash,
} from './journal.ts'
export {
  balancesOf,
  ENTRIES_PER_POST_MAX,
  type Owed,
  owedTo,
  postEntries,
} from './ledger-store.ts'
export { legsUnder, type TracedLeg } from './trace-store.ts'
