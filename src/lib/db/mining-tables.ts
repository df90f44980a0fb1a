import type { ColumnType } from 'kysely'
import type { Bytes, Id } from './columns.ts'

/** What pool writes: migrations/0001_mining.sql, 0008_stratum.sql, 0011_finder_coinbase.sql. */
export type MiningTables = {
  payees: {
    id: Id
    kind: 'bitcoin' | 'thunder' | 'lightning'
    destination: string
    created_ms: bigint
  }
  accounts: { id: Id; payee_id: bigint; scheme: string; created_ms: bigint }
  workers: { id: Id; account_id: bigint; name: string; created_ms: bigint }
  sessions: {
    id: Id
    resume_token: Bytes
    extranonce1: Bytes
    scheme: string
    account_id: bigint | null
    host: string
    port: number
    agent: string
    /** Pairs of from_ms and difficulty_log2, written as JSON text. */
    difficulties: ColumnType<unknown, string, string>
    opened_ms: bigint
    last_seen_ms: bigint
    closed_ms: bigint | null
    finder_script: Bytes | null
    finder_fee_basis_points: number | null
  }
  templates: {
    id: bigint
    height: number
    previous_block: string
    version: bigint
    bits: bigint
    target: Bytes
    min_time: bigint
    cur_time: bigint
    value_sats: bigint
    subsidy_sats: bigint
    merkle_branches: ColumnType<Buffer[], readonly Uint8Array[], never>
    witness_commitment: Bytes | null
    transactions: Bytes | null
    received_ms: bigint
  }
  jobs: {
    id: bigint
    template_id: bigint
    coinbase1: Bytes
    coinbase2: Bytes
    created_ms: bigint
  }
  epochs: {
    id: bigint
    opened_ms: bigint
    block_target: Bytes
    subsidy_sats: bigint
    closed_ms: bigint | null
    close_reason: 'time' | 'block' | 'target' | 'subsidy' | null
  }
  shares: {
    height: number
    hash: Bytes
    epoch_id: bigint
    account_id: bigint
    worker_id: bigint
    session_id: bigint
    job_id: bigint
    difficulty_log2: number
    header: Bytes
    extranonce2: Bytes
    received_ms: bigint
  }
  rejects: {
    epoch_id: bigint
    session_id: bigint
    account_id: bigint
    worker_id: bigint
    reason: string
    count: bigint
  }
  block_candidates: {
    hash: string
    node: string
    height: number
    job_id: bigint
    session_id: bigint
    answer: string
    submitted_ms: bigint
  }
  blocks: {
    hash: string
    height: number
    epoch_id: bigint
    session_id: bigint | null
    account_id: bigint | null
    scheme: string
    value_sats: bigint
    work: bigint
    found_ms: bigint
    recovered: boolean
    finder_sats: bigint | null
    finder_fee_basis_points: number | null
  }
  block_fates: {
    id: Id
    block_hash: string
    seq: number
    fate: 'found' | 'orphaned' | 'mature'
    tip_height: number
    decided_ms: bigint
  }
  tips: {
    height: number
    hash: string
    previous_block: string
    time_ms: bigint
    seen_ms: bigint
    checked_ms: bigint | null
  }
  work_statements: {
    epoch_id: bigint
    hash: string
    previous_hash: string | null
    bytes: Bytes
    created_ms: bigint
  }
  worker_work: {
    epoch_id: bigint
    height: number
    worker_id: bigint
    account_id: bigint
    shares: bigint
    work: bigint
  }
  stratum_bans: { subscriber: string; times: number; until_ms: bigint }
}
