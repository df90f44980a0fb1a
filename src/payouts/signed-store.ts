import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { Clock } from '../lib/time.ts'
import type { BatchEvent } from './payout.ts'
import { moveBatch, NotPosted } from './payout-store.ts'
import type { Lease, RailBooks } from './rail.ts'
import { storeSigned, type Version } from './version-store.ts'

/** What became of signed bytes that were to be stored. */
export type StoreOutcome =
  /** They are, and the batch has moved in the same commit. */
  | { readonly kind: 'prepared' }
  | { readonly kind: 'waits'; readonly reason: string }
  | { readonly kind: 'fenced' }

/** Stores the bytes of a version, and moves and books its batch in the same commit. */
export async function storeMoved(
  {
    db,
    clock,
    books,
  }: { readonly db: Kysely<Database>; readonly clock: Clock; readonly books: RailBooks },
  lease: Lease,
  { version }: Pick<Version, 'version'>,
  { raw, event }: { readonly raw: Uint8Array; readonly event: BatchEvent },
): Promise<StoreOutcome> {
  const lost = new Error('fenced')
  try {
    await db.transaction().execute(async tx => {
      const moved = await moveBatch(tx, lease, event, { books, at: clock.now() })
      if (moved.kind !== 'moved') throw lost
      await storeSigned(tx, lease.batch, version, raw)
    })
    return { kind: 'prepared' }
  } catch (error) {
    if (error === lost) return { kind: 'fenced' }
    if (error instanceof NotPosted) return { kind: 'waits', reason: error.message }
    throw error
  }
}
