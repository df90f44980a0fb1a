import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, type UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { factsOf } from './facts-store.ts'
import { resettledEntry } from './payout.ts'
import { post } from './payout-store.ts'
import type { RailBooks } from './rail.ts'

/** Batches looked at in one run; the others have their turn when these are deep enough. */
const WATCHED_MAX = 500

/** Settled batches that a reorganisation could still undo, the oldest first. */
export async function watchedBatches(db: Kysely<Database>, rail: string): Promise<BatchId[]> {
  const rows = await db
    .selectFrom('batches')
    .select('id')
    .where('rail', '=', rail)
    .where('state', '=', 'settled')
    .where('watched_until_height', 'is not', null)
    .orderBy('watched_until_height')
    .orderBy('id')
    .limit(WATCHED_MAX)
    .execute()
  return rows.map(row => batchId(row.id))
}

/**
 * Notes which version of a settled batch the chain has: where it is another one than was booked,
 * the difference of their fees is booked once. Deep enough, it is not looked at any more.
 */
export async function keepSettled(
  db: Kysely<Database>,
  {
    batch,
    version,
    fee,
  }: { readonly batch: BatchId; readonly version: number; readonly fee: Sats },
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
    if (row.watched_until_height !== null && height >= row.watched_until_height) {
      const done = { watched_until_height: null }
      await tx.updateTable('batches').set(done).where('id', '=', batch).execute()
    }
  })
}
