import type { Insertable, Kysely } from 'kysely'
import type { Database } from '../../src/lib/db/schema.ts'

/** Writes a version of a batch that spends the batch's anchor, as every version must. */
export async function insertVersion(
  db: Kysely<Database>,
  version: Insertable<Database['batch_versions']>,
): Promise<void> {
  await db.transaction().execute(async tx => {
    const { anchor_txid: txid, anchor_vout: vout } = await tx
      .selectFrom('batches')
      .select(['anchor_txid', 'anchor_vout'])
      .where('id', '=', version.batch_id)
      .executeTakeFirstOrThrow()
    if (txid === null || vout === null) throw new Error('its batch has an anchor')
    await tx.insertInto('batch_versions').values(version).execute()
    const { batch_id, version: number } = version
    await tx
      .insertInto('version_coins')
      .values({ ...{ batch_id, version: number }, input: 0, txid, vout })
      .execute()
  })
}
