/**
 * Every table's row as our code sees it, one page. `test/lib/schema.test.ts` compares it with the
 * migrated database, so neither can drift from the other.
 *
 * int8 arrives as bigint and numeric(39,0) as bigint too (lib/db/database.ts sets the parsers);
 * bytea is a Buffer; a nullable column has `| null`. What a column means stands in migrations/.
 */
import type { ColumnType, Generated, GeneratedAlways } from 'kysely'

type Id = GeneratedAlways<bigint>
/** Written as Uint8Array, read as Buffer. */
type Bytes = ColumnType<Buffer, Uint8Array, Uint8Array>

export type Database = {
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
  ledger_accounts: {
    id: Id
    name: string
    kind: 'asset' | 'liability' | 'income' | 'expense' | 'equity'
  }
  journal: {
    id: Id
    key: string
    request_hash: string
    event: string
    posted_ms: bigint
    transaction: Generated<string>
  }
  legs: { journal_id: bigint; leg: number; account_id: bigint; amount_msat: bigint }
  ledger_balances: { account_id: bigint; kind: string; amount_msat: bigint }
  journal_chain: { position: bigint; journal_id: bigint; hash: string }
  reward_statements: {
    number: bigint
    reward_pool: string
    epoch_id: bigint
    block_hash: string | null
    height: number
    hash: string
    previous_hash: string | null
    bytes: Bytes
    created_ms: bigint
  }
  reward_lines: { statement_number: bigint; account_id: bigint; amount_msat: bigint }
  credit_progress: { name: 'statements' | 'fates'; done: bigint }
  batches: {
    id: Id
    rail: string
    state: BatchState
    manifest: Bytes
    manifest_hash: string
    anchor_txid: string
    anchor_vout: number
    total_sats: bigint
    fee_max_sats: bigint
    created_ms: bigint
    expires_ms: bigint
    ended_ms: bigint | null
    note: Generated<string>
    lease_owner: string | null
    lease_until: ColumnType<Date | null, string | null, string | null>
    fence: Generated<bigint>
  }
  payouts: {
    id: Id
    account_id: bigint
    batch_id: bigint
    amount_sats: bigint
    state: BatchState
    planned_ms: bigint
    planned_height: number
    ended_ms: bigint | null
  }
  batch_versions: {
    batch_id: bigint
    version: number
    txid: string
    unsigned_psbt: Bytes
    raw: Bytes | null
    fee_sats: bigint
    created_ms: bigint
  }
  reserved_outputs: {
    txid: string
    vout: number
    batch_id: bigint
    value_sats: bigint
    script: Bytes
    released_ms: bigint | null
  }
  approvals: {
    batch_id: bigint
    operator_key: string
    act: 'approve' | 'reject'
    manifest_hash: string
    reason: string
    signature: Bytes
    given_ms: bigint
  }
}

/** A batch and its payouts go through the same states; payouts/payout.ts says which may follow. */
export type BatchState =
  | 'planned'
  | 'approved'
  | 'prepared'
  | 'sent'
  | 'uncertain'
  | 'settled'
  | 'released'
