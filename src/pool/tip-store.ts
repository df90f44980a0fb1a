import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BlockHash, blockHash, type UnixMs } from '../lib/ids.ts'

/** A block of the main chain by its place. */
export type ChainPlace = { readonly height: number; readonly hash: BlockHash }

/** A block of the main chain as `tips` keeps it. */
export type Tip = ChainPlace & {
  readonly previousBlock: BlockHash | null
  /** Seconds since 1970, as its miner said. */
  readonly time: number
}

/** What stands in the place of the previous block of a chain's first one. */
const NO_BLOCK = '0'.repeat(64)

/** The highest block of the main chain as last seen; null before the first look. */
export async function readTop(db: Kysely<Database>): Promise<ChainPlace | null> {
  const row = await db
    .selectFrom('tips')
    .select(['height', 'hash'])
    .orderBy('height', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { height: row.height, hash: blockHash(row.hash) } : null
}

/** Whether the main chain, as last seen, has this block. */
export async function hasTip(db: Kysely<Database>, place: ChainPlace): Promise<boolean> {
  const row = await db
    .selectFrom('tips')
    .select('height')
    .where('height', '=', place.height)
    .where('hash', '=', place.hash)
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Puts blocks in the place of all that was seen above the fork.
 *
 * @param transaction holds the chain's lock, see `lockChain`
 * @param blocks in order of height, each on top of the one before
 */
export async function replaceTips(
  transaction: Kysely<Database>,
  blocks: readonly Tip[],
  now: UnixMs,
): Promise<void> {
  const [lowest] = blocks
  if (!lowest) return
  await transaction.deleteFrom('tips').where('height', '>=', lowest.height).execute()
  await transaction
    .insertInto('tips')
    .values(
      blocks.map(block => ({
        height: block.height,
        hash: block.hash,
        previous_block: block.previousBlock ?? NO_BLOCK,
        time_ms: BigInt(block.time) * 1000n,
        seen_ms: BigInt(now),
      })),
    )
    .execute()
  // Wakes payouts, whose intervals count blocks.
  await sql`select pg_notify('tips', '')`.execute(transaction)
}

/** Lets one transaction at a time rewrite the main chain and decide fates. */
export async function lockChain(transaction: Kysely<Database>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('tips and block_fates'))`.execute(transaction)
}

/** Blocks of the main chain that recovery has not looked at yet, lowest first. */
export async function readUnchecked(
  db: Kysely<Database>,
  seenUntil: UnixMs,
  limit: number,
): Promise<ChainPlace[]> {
  const rows = await db
    .selectFrom('tips')
    .select(['height', 'hash'])
    .where('checked_ms', 'is', null)
    .where('seen_ms', '<=', BigInt(seenUntil))
    .orderBy('height')
    .limit(limit)
    .execute()
  return rows.map(row => ({ height: row.height, hash: blockHash(row.hash) }))
}

export async function markChecked(
  db: Kysely<Database>,
  place: ChainPlace,
  now: UnixMs,
): Promise<void> {
  await db
    .updateTable('tips')
    .set({ checked_ms: BigInt(now) })
    .where('height', '=', place.height)
    .where('hash', '=', place.hash)
    .execute()
}
