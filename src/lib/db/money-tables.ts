import type { ColumnType, Generated } from 'kysely'
import type { Bytes, Id } from './columns.ts'

/** What ledger and payouts write: migrations 0002 to 0004. */
export type MoneyTables = {
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
  journal_unchained: { journal_id: bigint }
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
    anchor_txid: string | null
    anchor_vout: number | null
    total_sats: bigint
    fee_max_sats: bigint
    main_fee_sats: Generated<bigint>
    created_ms: bigint
    expires_ms: bigint
    ended_ms: bigint | null
    purpose: Generated<BatchPurpose>
    wallet: Generated<Wallet>
    parent_id: bigint | null
    paid_version: number | null
    watched_until_height: number | null
    auto_approved: Generated<boolean>
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
    fee_sats: Generated<bigint>
    destination: string | null
    state: BatchState
    planned_ms: bigint
    planned_height: number
    ended_ms: bigint | null
    line: number | null
    failure: string | null
  }
  batch_versions: {
    batch_id: bigint
    version: number
    txid: string
    unsigned: Bytes
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
  version_coins: { batch_id: bigint; version: number; input: number; txid: string; vout: number }
  version_signatures: {
    batch_id: bigint
    version: number
    psbt_hash: string
    psbt: Bytes
    given_by: string
    given_ms: bigint
  }
  float_coins: {
    txid: string
    vout: number
    wallet: Wallet
    value_sats: bigint
    script: Bytes
    origin: 'coinbase' | 'change' | 'transfer' | 'capital' | 'withdrawal'
    journal_key: string
    noted_ms: bigint
  }
  float_spends: { txid: string; vout: number; batch_id: bigint; version: number; noted_ms: bigint }
  float_losses: {
    txid: string
    vout: number
    journal_key: string
    reason: string
    noted_ms: bigint
  }
  thunder_coins: {
    txid: string
    vout: number
    kind: 'regular' | 'coinbase' | 'deposit'
    address: string
    value_sats: bigint
    origin: 'deposit' | 'change' | 'capital'
    journal_key: string
    noted_ms: bigint
  }
  thunder_losses: {
    txid: string
    vout: number
    journal_key: string
    reason: string
    noted_ms: bigint
  }
  float_checks: {
    rail: string
    wallet: Wallet
    at_ms: bigint
    since_block: string | null
    ledger_msat: bigint
    chain_sats: bigint
    reserved_sats: bigint
    on_way_sats: bigint
    foreign_sats: bigint
    /** Written as JSON text. */
    foreign_coins: ColumnType<unknown, string, string>
    finding: string | null
  }
  bridge_moves: {
    batch_id: bigint
    amount_sats: bigint
    address: string
    state: 'transit' | 'credited'
    txid: string
    vout: number
    turn: number
    changed_ms: bigint
  }
  channel_openings: {
    batch_id: bigint
    amount_sats: bigint
    txid: string
    vout: number
    peer: string
    capacity_sats: bigint
    left_sats: bigint
    fee_sats: bigint
    opened_ms: bigint
  }
  bridge_withdrawals: {
    batch_id: bigint
    amount_sats: bigint
    main_fee_sats: bigint
    main_address: string
    state: 'queued' | 'bundled' | 'voting' | 'paid' | 'arrived' | 'final'
    m6id: string | null
    bundles: number
    votes: number | null
    votes_above: number | null
    txid: string | null
    vout: number | null
    value_sats: bigint | null
    turn: number
    changed_ms: bigint
  }
  payout_settings: {
    id: Id
    payee_id: bigint
    number: number
    /** Written as JSON text. */
    rails: ColumnType<unknown, string, never>
    paused: boolean
    fee_rate_max_sat_per_kvb: bigint | null
    proof: 'bip322' | 'legacy' | 'ed25519' | 'operator'
    message: string
    signature: string
    operator_key: string | null
    reason: string
    given_ms: bigint
    pays_from_ms: bigint
    destinations_key: string | null
  }
  payout_requests: {
    id: Id
    account_id: bigint
    asked_ms: bigint
    payout_id: bigint | null
    ended_ms: bigint | null
  }
}

/** Which of the pool's own wallets: the float that pays, or the store that fills it up. */
export type Wallet = 'hot' | 'cold'

/** What a batch is for; `treasury` says it in words. */
export type BatchPurpose =
  | 'payout'
  | 'transfer'
  | 'consolidation'
  | 'cpfp'
  | 'deposit'
  | 'withdrawal'
  | 'channel'
/** A batch and its payouts go through the same states; payouts/payout.ts says which may follow. */
export type BatchState =
  | 'planned'
  | 'approved'
  | 'prepared'
  | 'sent'
  | 'uncertain'
  | 'settled'
  | 'released'
