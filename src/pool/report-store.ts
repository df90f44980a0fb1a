import { type Kysely, sql } from 'kysely'
import { toHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  type BlockHash,
  blockHash,
  type Digest,
  digest,
  type EpochId,
  epochId,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { coinbaseBytes } from './coinbase.ts'

/** No list is longer, whatever is asked for. */
export const REPORT_ROWS_MAX = 100
/** Epochs behind a hash rate: more than ever close within its window, but on a test network. */
const WINDOW_EPOCHS_MAX = 1000

/** An epoch, open or closed; a closed one has its statement's hash as soon as that is written. */
export type EpochReport = {
  readonly epoch: EpochId
  readonly openedAt: UnixMs
  readonly closedAt: UnixMs | null
  readonly closeReason: 'time' | 'block' | 'target' | 'subsidy' | null
  /** 64 hex digits, most significant first. */
  readonly blockTarget: string
  readonly subsidy: Sats
  readonly statementHash: Digest | null
}

/** Newest first. @param before only epochs older than this one */
export async function listEpochs(
  db: Kysely<Database>,
  { before, limit }: { readonly before: EpochId | null; readonly limit: number },
): Promise<readonly EpochReport[]> {
  const rows = await db
    .selectFrom('epochs')
    .leftJoin('work_statements', 'work_statements.epoch_id', 'epochs.id')
    .select(['epochs.id', 'opened_ms', 'closed_ms', 'close_reason', 'block_target'])
    .select(['subsidy_sats', 'work_statements.hash'])
    .$if(before !== null, query => query.where('epochs.id', '<', before))
    .orderBy('epochs.id', 'desc')
    .limit(Math.min(limit, REPORT_ROWS_MAX))
    .execute()
  return rows.map(row => ({
    epoch: epochId(row.id),
    openedAt: unixMs(Number(row.opened_ms)),
    closedAt: row.closed_ms === null ? null : unixMs(Number(row.closed_ms)),
    closeReason: row.close_reason,
    blockTarget: toHex(row.block_target),
    subsidy: sats(row.subsidy_sats),
    statementHash: row.hash === null ? null : digest(row.hash),
  }))
}

/** A statement's canonical bytes, whose SHA-256 is its hash. */
export type StatementBytes = {
  readonly hash: Digest
  readonly previousHash: Digest | null
  readonly bytes: Uint8Array
  readonly createdAt: UnixMs
}

/** @returns null while the epoch is open, or unknown */
export async function workStatementOf(
  db: Kysely<Database>,
  epoch: EpochId,
): Promise<StatementBytes | null> {
  const row = await db
    .selectFrom('work_statements')
    .select(['hash', 'previous_hash', 'bytes', 'created_ms'])
    .where('epoch_id', '=', epoch)
    .executeTakeFirst()
  if (!row) return null
  return {
    hash: digest(row.hash),
    previousHash: row.previous_hash === null ? null : digest(row.previous_hash),
    bytes: new Uint8Array(row.bytes),
    createdAt: unixMs(Number(row.created_ms)),
  }
}

/** A block of ours and what has become of it. */
export type BlockReport = {
  readonly hash: BlockHash
  readonly height: number
  readonly epoch: EpochId
  readonly scheme: string
  /** Null where the finder is unknown. */
  readonly finder: AccountId | null
  /** What its coinbase pays the pool, and what it paid its finder; null where nothing. */
  readonly value: Sats
  readonly paidToFinder: Sats | null
  readonly foundAt: UnixMs
  /** Found on the chain after a crash. */
  readonly recovered: boolean
  /** `submitted` until the chain has shown it. */
  readonly fate: 'submitted' | 'found' | 'orphaned' | 'mature'
}

/** Highest first. @param before only blocks below it in that order */
export async function listBlocks(
  db: Kysely<Database>,
  options: {
    readonly before: { readonly height: number; readonly hash: BlockHash } | null
    readonly limit: number
  },
): Promise<readonly BlockReport[]> {
  const { before, limit } = options
  const rows = await db
    .selectFrom('blocks')
    .selectAll('blocks')
    .select(eb =>
      eb
        .selectFrom('block_fates')
        .select('fate')
        .whereRef('block_hash', '=', 'blocks.hash')
        .orderBy('seq', 'desc')
        .limit(1)
        .as('fate'),
    )
    .$if(before !== null, query =>
      query.where(
        sql<boolean>`(height, hash) < (${before?.height}::integer, ${before?.hash}::text)`,
      ),
    )
    .orderBy('height', 'desc')
    .orderBy('hash', 'desc')
    .limit(Math.min(limit, REPORT_ROWS_MAX))
    .execute()
  return rows.map(row => ({
    hash: blockHash(row.hash),
    height: row.height,
    epoch: epochId(row.epoch_id),
    scheme: row.scheme,
    finder: row.account_id === null ? null : accountId(row.account_id),
    value: sats(row.value_sats),
    paidToFinder: row.finder_sats === null ? null : sats(row.finder_sats),
    foundAt: unixMs(Number(row.found_ms)),
    recovered: row.recovered,
    fate: row.fate ?? 'submitted',
  }))
}

/** Work on jobs of one height, in expected hashes, and how long that height was worked on. */
export type IntervalReport = {
  readonly height: number
  readonly shares: bigint
  readonly work: bigint
  /** From our seeing the block before to our seeing this one; null where we saw them together. */
  readonly durationMs: number | null
}

/**
 * Work by block interval, highest first, from closed epochs.
 *
 * @param accounts only their work; null means everyone's
 */
export async function listIntervals(
  db: Kysely<Database>,
  options: {
    readonly accounts: readonly AccountId[] | null
    readonly before: number | null
    readonly limit: number
  },
): Promise<readonly IntervalReport[]> {
  const { accounts, before } = options
  const ours = accounts === null ? sql`` : sql`and account_id = any(${accounts}::bigint[])`
  const below = before === null ? sql`` : sql`and height < ${before}::integer`
  const { rows } = await sql<{
    height: number
    shares: bigint
    work: bigint
    durationMs: bigint | null
  }>`
    select worked.height, worked.shares, worked.work,
           nullif(greatest(tip.seen_ms - earlier.seen_ms, 0), 0) as "durationMs"
      from (select height, sum(shares)::numeric as shares, sum(work) as work
              from worker_work where true ${ours} ${below}
             group by height order by height desc
             limit ${Math.min(options.limit, REPORT_ROWS_MAX)}) worked
      left join tips tip on tip.height = worked.height
      left join tips earlier on earlier.height = worked.height - 1
     order by worked.height desc`.execute(db)
  return rows.map(row => ({
    ...row,
    durationMs: row.durationMs === null ? null : Number(row.durationMs),
  }))
}

/** What was worked in the epochs closed within a window of time. */
export type RecentWork = {
  readonly work: bigint
  readonly shares: bigint
  readonly durationMs: number
  readonly miners: number
  readonly workers: number
  readonly firstEpoch: EpochId
  readonly lastEpoch: EpochId
}

/**
 * @param accounts only their work; null means everyone's
 * @returns null where no epoch has closed since then
 */
export async function recentWork(
  db: Kysely<Database>,
  since: UnixMs,
  accounts: readonly AccountId[] | null,
): Promise<RecentWork | null> {
  const ours = accounts === null ? sql`` : sql`and account_id = any(${accounts}::bigint[])`
  const { rows } = await sql<{
    work: bigint
    shares: bigint
    durationMs: bigint | null
    miners: bigint
    workers: bigint
    first: bigint | null
    last: bigint | null
  }>`
    with closed as materialized (
      select id, closed_ms - opened_ms as lasted_ms
        from (select * from epochs order by id desc limit ${WINDOW_EPOCHS_MAX}) newest
       where closed_ms >= ${since}::bigint
    )
    select coalesce(sum(work), 0) as work, coalesce(sum(shares), 0)::numeric as shares,
           (select sum(lasted_ms)::bigint from closed) as "durationMs",
           count(distinct account_id) as miners, count(distinct worker_id) as workers,
           (select min(id) from closed) as first, (select max(id) from closed) as last
      from worker_work where epoch_id in (select id from closed) ${ours}`.execute(db)
  const row = rows[0]
  if (!row || row.first === null || row.last === null) return null
  return {
    work: row.work,
    shares: row.shares,
    durationMs: Number(row.durationMs ?? 0),
    miners: Number(row.miners),
    workers: Number(row.workers),
    firstEpoch: epochId(row.first),
    lastEpoch: epochId(row.last),
  }
}

/** The newest block of the main chain that we have seen; null before the first. */
export async function lastTip(
  db: Kysely<Database>,
): Promise<{ readonly height: number; readonly hash: BlockHash; readonly seenAt: UnixMs } | null> {
  const row = await db
    .selectFrom('tips')
    .select(['height', 'hash', 'seen_ms'])
    .orderBy('height', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!row) return null
  return {
    height: row.height,
    hash: blockHash(row.hash),
    seenAt: unixMs(Number(row.seen_ms)),
  }
}

/** How long the coinbase of the newest stored job is; null before the first. */
export async function newestCoinbaseBytes(db: Kysely<Database>): Promise<number | null> {
  const row = await db
    .selectFrom('jobs')
    .select(['coinbase1', 'coinbase2'])
    // Ids begin with the run that made them, so that the highest is of the process started last.
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? coinbaseBytes(row) : null
}

/** When the newest template came; null before the first. */
export async function lastTemplateAt(db: Kysely<Database>): Promise<UnixMs | null> {
  const row = await db
    .selectFrom('templates')
    .select('received_ms')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? unixMs(Number(row.received_ms)) : null
}
