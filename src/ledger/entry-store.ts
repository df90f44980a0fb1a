import { setImmediate } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type Digest, digest, type JournalKey, unixMs } from '../lib/ids.ts'
import { type EntryHashes, entryHasher } from './journal.ts'

/**
 * Legs that are held at a time, whatever entries they are of: one entry can have as many as there
 * are miners. The next ones are read when these are hashed.
 */
const LEGS_A_READ = 20_000
/** Entries hashed before other work has its turn, some milliseconds of it. */
const ENTRIES_A_TURN = 200

/** An entry without its legs, as it is stored; an audit must read what tampering left of it. */
export type JournalRow = {
  readonly id: bigint
  readonly key: string
  readonly request_hash: string
  readonly event: string
  readonly posted_ms: bigint
}

/** An entry's legs, counted, summed and hashed. */
export type ReadEntry = EntryHashes & { readonly legs: number; readonly sumMsat: bigint }

/** Where the chain ends. Whoever keeps it can tell later that nothing before it was cut off. */
export type ChainHead = { readonly position: bigint; readonly hash: Digest }

/** The chain's last place; null while nothing is chained. */
export async function readHead(db: Kysely<Database>): Promise<ChainHead | null> {
  const row = await db
    .selectFrom('journal_chain')
    .select(['position', 'hash'])
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { position: row.position, hash: digest(row.hash) } : null
}

/**
 * Asks for what comes next before what is here is used, so that the server reads while we hash. At
 * most one more is held.
 */
export function oneAhead<T>(source: AsyncGenerator<T, undefined>): AsyncGenerator<T, undefined> {
  return ahead(source, asked(source))
}

async function* ahead<T>(
  source: AsyncGenerator<T, undefined>,
  first: Promise<IteratorResult<T, undefined>>,
): AsyncGenerator<T, undefined> {
  let next = first
  try {
    for (;;) {
      const { done, value } = await next
      if (done) return
      next = asked(source)
      yield value
    }
  } finally {
    // Whoever leaves early ends its transaction next, and nothing of it may still be under way.
    await next.catch(() => {})
  }
}

/** A failure is told to whoever takes the answer; nobody may, where an audit has found enough. */
function asked<T>(source: AsyncGenerator<T, undefined>) {
  const next = source.next()
  next.catch(() => {})
  return next
}

/**
 * Hashes stored entries with their legs, which are never held all together.
 *
 * @param rows in the order of their ids
 * @param beforeOf the chain's hash before an entry, told the chain hash of the row before it
 */
export async function hashEntries(
  db: Kysely<Database>,
  rows: readonly JournalRow[],
  beforeOf: (row: JournalRow, last: Digest | null) => Digest,
): Promise<ReadonlyMap<bigint, ReadEntry>> {
  return hashParts(rows, legParts(db, rows), beforeOf)
}

/** As {@link hashEntries}, of legs that were asked for before. */
export async function hashParts(
  rows: readonly JournalRow[],
  parts: AsyncGenerator<LegPart, undefined>,
  beforeOf: (row: JournalRow, last: Digest | null) => Digest,
): Promise<ReadonlyMap<bigint, ReadEntry>> {
  const hashed = new Map<bigint, ReadEntry>()
  let part = await parts.next()
  let last: Digest | null = null
  for (const row of rows) {
    const at = unixMs(Number(row.posted_ms))
    const hasher = entryHasher(beforeOf(row, last), {
      key: row.key as JournalKey,
      event: row.event,
      at,
    })
    let legs = 0
    let sumMsat = 0n
    for (; part.value?.journal_id === row.id; part = await parts.next()) {
      hasher.add(part.value.lines)
      legs += part.value.legs
      sumMsat += part.value.sum
    }
    const hashes = hasher.end()
    hashed.set(row.id, { ...hashes, legs, sumMsat })
    // Answers are taken and the next question leaves only between turns.
    if (hashed.size % ENTRIES_A_TURN === 0) await setImmediate()
    last = hashes.chain
  }
  return hashed
}

/** Some of an entry's legs, in their order. */
export type LegPart = {
  readonly journal_id: bigint
  readonly lines: string
  readonly sum: bigint
  readonly legs: number
  readonly last: number
}

/** Legs of entries in the order of the entries' ids; an entry's may come in several parts. */
export async function* legParts(
  db: Kysely<Database>,
  entries: readonly JournalRow[],
): AsyncGenerator<LegPart, undefined> {
  const journalIds = entries.map(({ id }) => id)
  let after = { journal: -1n, leg: -1 }
  for (;;) {
    // Names are looked up one by one: joined, each page would read all accounts there are. A leg
    // whose account is gone is read all the same, so that its entry counts as changed.
    const { rows } = await sql<LegPart>`
      select journal_id, max(leg) as last, count(*)::integer as legs, sum(amount_msat) as sum,
             string_agg(coalesce((select name from ledger_accounts where id = account_id), '?')
                        || ' ' || amount_msat, chr(10) order by leg) as lines
        from (select journal_id, leg, account_id, amount_msat from legs
               where journal_id = any(${journalIds}::bigint[])
                 and (journal_id, leg) > (${after.journal}::bigint, ${after.leg}::integer)
               order by journal_id, leg limit ${LEGS_A_READ}) as part
       group by journal_id order by journal_id`.execute(db)
    yield* rows
    const end = rows.at(-1)
    const read = rows.reduce((count, row) => count + row.legs, 0)
    if (end === undefined || read < LEGS_A_READ) return
    after = { journal: end.journal_id, leg: end.last }
  }
}
