import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, type UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { factsOf } from './facts-store.ts'
import { resettledEntry } from './payout.ts'
import { post, WATCHED_BLOCKS } from './payout-store.ts'
import type { RailBooks } from './rail.ts'

/** Batches read at once; the others come with the next page of the same run. */
const BATCHES_A_PAGE_MAX = 100

/**
 * A page of settled batches that a reorganisation could still undo, the oldest first.
 *
 * @param after the last batch of the page before, or null for the first page
 */
export async function watchedBatches(
  db: Kysely<Database>,
  rail: string,
  after: BatchId | null,
): Promise<BatchId[]> {
  const rows = await db
    .selectFrom('batches')
    .select('id')
    .where('rail', '=', rail)
    .where('state', '=', 'settled')
    .where('watched_until_height', 'is not', null)
    .where('id', '>', after ?? 0n)
    .orderBy('id')
    .limit(BATCHES_A_PAGE_MAX)
    .execute()
  return rows.map(row => batchId(row.id))
}

/** Looks at a settled batch no more. */
export async function endWatch(db: Kysely<Database>, batch: BatchId): Promise<void> {
  const done = { watched_until_height: null }
  await db.updateTable('batches').set(done).where('id', '=', batch).execute()
}

/**
 * Notes which version of a settled batch the chain has: where it is another one than was booked,
 * the difference of their fees is booked once. Deep enough, it is not looked at any more; one that
 * was mined again counts its blocks from there.
 */
export async function keepSettled(
  db: Kysely<Database>,
  {
    batch,
    version,
    fee,
    confirmations,
  }: {
    readonly batch: BatchId
    readonly version: number
    readonly fee: Sats
    readonly confirmations: number
  },
  { books, at }: { readonly books: RailBooks; readonly at: UnixMs },
): Promise<void> {
  await db.transaction().execute(async tx => {
    const row = await tx
      .selectFrom('batches')
      .leftJoin('batch_versions', join =>
        join
          .onRef('batch_versions.batch_id', '=', 'batches.id')
          .onRef('batch_versions.version', '=', 'batches.paid_version'),
      )
      .select(['paid_version', 'watched_until_height', 'fee_sats'])
      .where('batches.id', '=', batch)
      .where('state', '=', 'settled')
      .forUpdate('batches')
      .executeTakeFirstOrThrow()
    if (row.fee_sats !== null && row.paid_version !== version) {
      const change = { from: sats(row.fee_sats), to: fee, version }
      const entry = resettledEntry(await factsOf(tx, batch, books), change, at)
      if (entry) await post(tx, entry)
      await tx
        .updateTable('batches')
        .set({ paid_version: version })
        .where('id', '=', batch)
        .execute()
    }
    const tip = await tx
      .selectFrom('tips')
      .select(eb => eb.fn.max('height').as('height'))
      .executeTakeFirst()
    const height: number = tip?.height ?? 0
    const until = Math.max(
      row.watched_until_height ?? 0,
      height - confirmations + 1 + WATCHED_BLOCKS,
    )
    const next = { watched_until_height: height >= until ? null : until }
    if (row.watched_until_height !== null)
      await tx.updateTable('batches').set(next).where('id', '=', batch).execute()
  })
}
