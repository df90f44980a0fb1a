export {
  CHART,
  chartAccount,
  kindOf,
  type LedgerAccount,
  type LedgerKind,
  type MinerSide,
  minerAccount,
} from './account.ts'
export { type Books, EMPTY_BOOKS, mayHold, postAll } from './balance.ts'
export { type Audit, auditChain, type ChainHead, extendChain, type Finding } from './chain-store.ts'
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
