import { type Kysely, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { Digest } from '../lib/ids.ts'
import { hashEntries, type JournalRow, readHead } from './entry-store.ts'
import { CHAIN_START } from './journal.ts'

/** Entries chained at a time; the rest follows at once, in the next turn. */
const ENTRIES_PER_TURN = 500

/**
 * Gives each entry that has no place in the chain the next one, in the order of ids among those
 * visible now. An id can become visible late, so the order that counts is the place. Writers in
 * other processes wait, and then find nothing left to do.
 *
 * @returns how many entries were chained
 */
export async function extendChain(db: Kysely<Database>): Promise<number> {
  let chained = 0
  for (;;) {
    const count = await db.transaction().execute(extendOnce)
    chained += count
    // Each turn takes some of the entries there are, and they are made slower than chained.
    if (count < ENTRIES_PER_TURN) return chained
  }
}

async function extendOnce(transaction: Kysely<Database>): Promise<number> {
  await sql`select pg_advisory_xact_lock(hashtext('journal_chain'))`.execute(transaction)
  const { rows } = await sql<JournalRow>`
    select id, key, request_hash, event, posted_ms
      from journal_unchained join journal on id = journal_id
     order by id limit ${ENTRIES_PER_TURN}`.execute(transaction)
  if (rows.length === 0) return 0
  const head = await readHead(transaction)
  const start = head?.hash ?? CHAIN_START
  const hashed = await hashEntries(transaction, rows, (_, last) => last ?? start)
  const ids = rows.map(({ id }) => id)
  const hashes = ids.map((id): Digest => {
    const entry = hashed.get(id)
    assert(entry !== undefined, 'every entry that was read is hashed')
    return entry.chain
  })
  await sql`
    insert into journal_chain (position, journal_id, hash)
    select ${head?.position ?? 0n}::bigint + nth, id, hash
      from unnest(${ids}::bigint[], ${hashes}::text[])
             with ordinality as link (id, hash, nth)`.execute(transaction)
  await sql`
    delete from journal_unchained where journal_id = any(${ids}::bigint[])`.execute(transaction)
  return rows.length
}
