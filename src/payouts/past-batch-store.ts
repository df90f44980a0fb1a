import type { Kysely } from 'kysely'
import { decodeManifest } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { batchId, unixMs } from '../lib/ids.ts'
import { approversOf, type PastBatch, POOL_ALIAS } from '../treasury/index.ts'

/** More batches than that are not read: each may have a thousand payees. */
export const PAST_BATCHES_MAX = 500

/** The last batches, the oldest of them first. @param last how many */
export async function pastBatches(
  db: Kysely<Database>,
  last: number,
): Promise<readonly PastBatch[]> {
  assert(last <= PAST_BATCHES_MAX, 'not more batches are asked for than are read')
  const rows = await db
    .selectFrom('batches')
    .select(['id', 'manifest', 'state', 'ended_ms'])
    .orderBy('id', 'desc')
    .limit(last)
    .execute()
  const approvers = await approversOf(
    db,
    rows.map(({ id }) => batchId(id)),
  )
  return rows.reverse().map(row => {
    const manifest = decodeManifest(new Uint8Array(row.manifest))
    assert(manifest !== null, 'a stored manifest is canonical')
    return {
      manifest,
      approvers: (approvers.get(manifest.batch) ?? []).filter(alias => alias !== POOL_ALIAS),
      releasedAt: row.state === 'released' ? unixMs(Number(row.ended_ms)) : null,
    }
  })
}
