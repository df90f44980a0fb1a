import { type Kysely, sql } from 'kysely'
import type { BatchState, Database } from '../lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  type BatchId,
  type BlockHash,
  batchId,
  blockHash,
  type Digest,
  digest,
  type EpochId,
  epochId,
  type PayeeId,
  type PaymentHash,
  type PayoutId,
  type Preimage,
  payeeId,
  paymentHash,
  payoutId,
  preimage,
  type Txid,
  txid,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { type Millisats, millisats, type Sats, sats } from '../lib/money.ts'

/** No list is longer, whatever is asked for. */
const ROWS_MAX = 100
/** Accounts of one payee: one for each scheme, so never many. */
const ACCOUNTS_MAX = 100

/** A payout destination and its accounts, one for each scheme it ever mined under. */
export type PayeeReport = {
  readonly id: PayeeId
  readonly destination: string
  readonly kind: 'bitcoin' | 'thunder' | 'lightning'
  readonly accounts: readonly { readonly account: AccountId; readonly scheme: string }[]
}

/** @param destination in canonical form; @returns null where nobody has mined to it */
export async function payeeOf(
  db: Kysely<Database>,
  destination: string,
): Promise<PayeeReport | null> {
  const rows = await db
    .selectFrom('payees')
    .innerJoin('accounts', 'accounts.payee_id', 'payees.id')
    .select(['payees.kind', 'payee_id', 'accounts.id', 'accounts.scheme'])
    .where('destination', '=', destination)
    .orderBy('accounts.id')
    .limit(ACCOUNTS_MAX)
    .execute()
  const [row] = rows
  if (!row) return null
  return {
    id: payeeId(row.payee_id),
    destination,
    kind: row.kind,
    accounts: rows.map(row => ({ account: accountId(row.id), scheme: row.scheme })),
  }
}

/** Destinations of accounts, where a list shows who a line is for. */
export async function destinationsOf(
  db: Kysely<Database>,
  accounts: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, string>> {
  if (accounts.length === 0) return new Map()
  const rows = await db
    .selectFrom('accounts')
    .innerJoin('payees', 'payees.id', 'accounts.payee_id')
    .select(['accounts.id', 'destination'])
    .where('accounts.id', 'in', [...accounts])
    .execute()
  return new Map(rows.map(row => [accountId(row.id), row.destination]))
}

/** A line of a reward statement, with what the statement is for. */
export type EarningReport = {
  readonly statement: bigint
  readonly account: AccountId
  readonly scheme: string
  readonly amount: Millisats
  readonly rewardPool: string
  readonly epoch: EpochId
  /** Null where the statement pays an epoch's work at once. */
  readonly block: BlockHash | null
  readonly height: number
  readonly creditedAt: UnixMs
}

/** Newest first. @param before only lines before this one in that order */
export async function listEarnings(
  db: Kysely<Database>,
  options: {
    readonly accounts: readonly AccountId[]
    readonly before: { readonly statement: bigint; readonly account: AccountId } | null
    readonly limit: number
  },
): Promise<readonly EarningReport[]> {
  const { accounts, before } = options
  const limit = Math.min(options.limit, ROWS_MAX)
  const older =
    before === null
      ? sql``
      : sql`and (statement_number, account_id) < (${before.statement}::bigint, ${before.account}::bigint)`
  const { rows } = await sql<{
    statement: bigint
    account: bigint
    scheme: string
    amount: bigint
    rewardPool: string
    epoch: bigint
    block: string | null
    height: number
    createdMs: bigint
  }>`
    select line.statement_number as statement, line.account_id as account, accounts.scheme,
           line.amount_msat as amount, reward_pool as "rewardPool", epoch_id as epoch,
           block_hash as block, height, reward_statements.created_ms as "createdMs"
      from unnest(${accounts}::bigint[]) as wanted(id)
     cross join lateral (
       select * from reward_lines where account_id = wanted.id ${older}
        order by statement_number desc limit ${limit}) line
      join reward_statements on reward_statements.number = line.statement_number
      join accounts on accounts.id = line.account_id
     order by line.statement_number desc, line.account_id desc
     limit ${limit}`.execute(db)
  return rows.map(row => ({
    statement: row.statement,
    account: accountId(row.account),
    scheme: row.scheme,
    amount: millisats(row.amount),
    rewardPool: row.rewardPool,
    epoch: epochId(row.epoch),
    block: row.block === null ? null : blockHash(row.block),
    height: row.height,
    creditedAt: unixMs(Number(row.createdMs)),
  }))
}

/** A payout with the batch it is part of. */
export type PayoutReport = {
  readonly payout: PayoutId
  readonly account: AccountId
  readonly scheme: string
  /** What the destination gets. */
  readonly amount: Sats
  /** The payee's part of the network fee, where its scheme says so. */
  readonly fee: Sats
  readonly destination: string
  readonly state: BatchState
  readonly batch: BatchId
  readonly rail: string
  /** Of the version that paid, or else of the newest that may have left; null before it. */
  readonly txid: Txid | null
  /** What proves a payment over Lightning; null before it was made, and on any other rail. */
  readonly payment: { readonly hash: PaymentHash; readonly preimage: Preimage } | null
  /** Why it could not be paid, though it was tried; null where it was, or never tried. */
  readonly failure: string | null
  /** When a payment of it had been held for ten minutes; null where none was. */
  readonly heldAt: UnixMs | null
  readonly plannedAt: UnixMs
  readonly plannedHeight: number
  readonly endedAt: UnixMs | null
}

/** Newest first. @param before only payouts older than this one */
export async function listPayouts(
  db: Kysely<Database>,
  options: {
    readonly accounts: readonly AccountId[]
    readonly before: PayoutId | null
    readonly limit: number
  },
): Promise<readonly PayoutReport[]> {
  const { accounts, before } = options
  const limit = Math.min(options.limit, ROWS_MAX)
  const older = before === null ? sql`` : sql`and id < ${before}::bigint`
  const { rows } = await sql<{
    id: bigint
    account: bigint
    scheme: string
    amount: bigint
    fee: bigint
    destination: string
    state: BatchState
    batch: bigint
    rail: string
    txid: string | null
    failure: string | null
    paymentHash: string | null
    preimage: string | null
    heldMs: bigint | null
    plannedMs: bigint
    plannedHeight: number
    endedMs: bigint | null
  }>`
    select payout.id, payout.account_id as account, accounts.scheme,
           payout.amount_sats as amount, payout.fee_sats as fee, payout.state,
           coalesce(payout.destination, payees.destination) as destination,
           payout.batch_id as batch, batches.rail,
           (select txid from batch_versions
             where batch_id = payout.batch_id and raw is not null
             order by version = batches.paid_version desc nulls last, version desc
             limit 1) as txid,
           payout.failure, payment_hash as "paymentHash", preimage,
           (select max(held_ms) from ln_attempts
             where batch_id = payout.batch_id and payee = payout.line) as "heldMs",
           payout.planned_ms as "plannedMs", payout.planned_height as "plannedHeight",
           payout.ended_ms as "endedMs"
      from unnest(${accounts}::bigint[]) as wanted(id)
     cross join lateral (
       select * from payouts where account_id = wanted.id ${older}
        order by id desc limit ${limit}) payout
      join batches on batches.id = payout.batch_id
      join accounts on accounts.id = payout.account_id
      join payees on payees.id = accounts.payee_id
      left join ln_attempts attempt
        on attempt.batch_id = payout.batch_id and attempt.payee = payout.line
       and attempt.state = 'settled'
     order by payout.id desc limit ${limit}`.execute(db)
  return rows.map(row => ({
    payout: payoutId(row.id),
    account: accountId(row.account),
    scheme: row.scheme,
    amount: sats(row.amount),
    fee: sats(row.fee),
    destination: row.destination,
    state: row.state,
    batch: batchId(row.batch),
    rail: row.rail,
    txid: row.txid === null ? null : txid(row.txid),
    payment: paymentOf(row.paymentHash, row.preimage),
    failure: row.failure,
    heldAt: row.heldMs === null ? null : unixMs(Number(row.heldMs)),
    plannedAt: unixMs(Number(row.plannedMs)),
    plannedHeight: row.plannedHeight,
    endedAt: row.endedMs === null ? null : unixMs(Number(row.endedMs)),
  }))
}

function paymentOf(hash: string | null, shown: string | null): PayoutReport['payment'] {
  return hash === null || shown === null
    ? null
    : { hash: paymentHash(hash), preimage: preimage(shown) }
}

/** A reward statement's canonical bytes, whose SHA-256 is its hash. */
export type RewardBytes = {
  readonly hash: Digest
  readonly previousHash: Digest | null
  readonly bytes: Uint8Array
  readonly createdAt: UnixMs
}

/** @returns null where no statement has this number */
export async function rewardStatementOf(
  db: Kysely<Database>,
  number: bigint,
): Promise<RewardBytes | null> {
  const row = await db
    .selectFrom('reward_statements')
    .select(['hash', 'previous_hash', 'bytes', 'created_ms'])
    .where('number', '=', number)
    .executeTakeFirst()
  if (!row) return null
  return {
    hash: digest(row.hash),
    previousHash: row.previous_hash === null ? null : digest(row.previous_hash),
    bytes: new Uint8Array(row.bytes),
    createdAt: unixMs(Number(row.created_ms)),
  }
}

/** Numbers of the reward statements of blocks; a block has none before it is credited. */
export async function rewardsOfBlocks(
  db: Kysely<Database>,
  blocks: readonly BlockHash[],
): Promise<ReadonlyMap<BlockHash, bigint>> {
  if (blocks.length === 0) return new Map()
  const rows = await db
    .selectFrom('reward_statements')
    .select(['block_hash', 'number'])
    .where('block_hash', 'in', [...blocks])
    .execute()
  return new Map(
    rows.flatMap(row => (row.block_hash ? [[blockHash(row.block_hash), row.number]] : [])),
  )
}
