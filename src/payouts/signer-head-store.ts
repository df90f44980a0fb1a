import type { Kysely } from 'kysely'
import type { SignerHead } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import { digest, type UnixMs } from '../lib/ids.ts'

/** The newest head of the signer's memory that the pool has seen; null before the first. */
export async function newestHead(db: Kysely<Database>): Promise<SignerHead | null> {
  const row = await db
    .selectFrom('signer_heads')
    .select(['position', 'hash'])
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { position: Number(row.position), hash: digest(row.hash) } : null
}

/**
 * Writes down where a signer said that its memory ends, before what it signed is used: a signer
 * restored from an older copy is then noticed by the next head that it is asked with.
 *
 * @returns why the head does not follow what is on record, or null when it is stored
 */
export async function storeHead(
  db: Kysely<Database>,
  head: SignerHead,
  now: UnixMs,
): Promise<string | null> {
  return db.transaction().execute(async tx => {
    const newest = await newestHead(tx)
    const { position, hash } = head
    if (newest?.position === position && newest.hash === hash) return null
    if (newest !== null && newest.position >= position)
      return `the signer's memory ends at ${position}, the pool has seen ${newest.position}`
    await tx
      .insertInto('signer_heads')
      .values({ position: BigInt(position), hash, seen_ms: BigInt(now) })
      .execute()
    return null
  })
}
