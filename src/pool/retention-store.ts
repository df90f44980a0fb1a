import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import { readTop } from './tip-store.ts'

/** Heights in one partition of `shares`; the migration has the same number. */
export const PARTITION_HEIGHTS = 1008
/** Shares wait behind the making and dropping of partitions at most for this. */
const LOCK_WAIT_MS = 500
/** A job lives ten minutes at most, so nobody wins a block with transactions older than that. */
const TRANSACTIONS_KEPT_MS = 600_000

/** Makes the partition that shares of this height go to, unless it is there. */
export async function ensurePartition(db: Kysely<Database>, height: number): Promise<void> {
  await sql`select ensure_share_partition(${height}::integer)`.execute(db)
}

/**
 * Makes the partitions of the next block and of those a week ahead, and drops those whose heights
 * are all more than `retentionBlocks` below the tip. Nothing is dropped while a closed epoch still
 * waits for its statement: its shares may be among them.
 *
 * @returns how many partitions were dropped
 * @throws Error when a long query holds the table: the next call tries again
 */
export async function keepPartitions(
  db: Kysely<Database>,
  retentionBlocks: number,
): Promise<number> {
  const top = await readTop(db)
  if (top === null) return 0
  const next = top.height + 1
  return db.transaction().execute(async transaction => {
    // Whoever waits for the whole table makes every share behind it wait too, so not for long.
    await sql`set local lock_timeout = ${sql.lit(LOCK_WAIT_MS)}`.execute(transaction)
    await ensurePartition(transaction, next)
    await ensurePartition(transaction, next + PARTITION_HEIGHTS)
    return dropPartitions(transaction, top.height - retentionBlocks)
  })
}

async function dropPartitions(db: Kysely<Database>, belowHeight: number): Promise<number> {
  const { rows } = await sql<{ dropped: number | null }>`
    select case when not exists (
      select from epochs left join work_statements on epoch_id = id
       where closed_ms is not null and epoch_id is null)
    then drop_share_partitions(${belowHeight}::integer) end as dropped`.execute(db)
  return rows[0]?.dropped ?? 0
}

/** Forgets the transactions of templates on which no live job can be. Returns how many. */
export async function pruneTransactions(db: Kysely<Database>, now: UnixMs): Promise<number> {
  const before = unixMs(Math.max(0, now - TRANSACTIONS_KEPT_MS))
  const { rows } = await sql`
    update templates set transactions = null
     where transactions is not null and received_ms < ${before}::bigint
       and not exists (
         select from jobs where template_id = templates.id and created_ms >= ${before}::bigint)
    returning id`.execute(db)
  return rows.length
}
