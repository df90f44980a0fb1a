import { type Kysely, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type Digest, digest } from '../lib/ids.ts'
import { findWrongBalances } from './balance-audit-store.ts'
import {
  type ChainHead,
  hashEntries,
  hashParts,
  type JournalRow,
  type LegPart,
  legParts,
  oneAhead,
  readHead,
} from './entry-store.ts'
import { FINDINGS_MAX, type Finding } from './finding.ts'
import { CHAIN_START } from './journal.ts'

/** Places of the chain, or entries, looked at together; each statement so stays short. */
const ENTRIES_A_PAGE = 2000

/** What an audit found, and where the chain ended as it looked. */
export type Audit = {
  readonly head: ChainHead | null
  /** The place behind which the chain was walked: 0 where it was walked from its start. */
  readonly after: bigint
  readonly findings: readonly Finding[]
}

/**
 * Walks the whole chain and checks every entry against its hash, that every entry's legs sum to
 * zero and that every balance is the sum of its legs; all as of one moment, a page at a time, so
 * that neither memory nor the length of a statement grows with the ledger. Entries without a
 * place yet are checked for their sums only. A chain cut off at its end shows by its head.
 */
export async function auditChain(db: Kysely<Database>): Promise<Audit> {
  return asOfOneMoment(db, async at => {
    const head = await readHead(at)
    const start = { position: 0n, hash: CHAIN_START }
    const findings = [
      ...(await auditLinks(at, start)),
      ...(await auditUnchained(at)),
      ...(await findWrongBalances(at)),
    ]
    return { head, after: 0n, findings: findings.slice(0, FINDINGS_MAX) }
  })
}

/**
 * Checks what has come since an earlier look, at a cost that does not grow with the ledger: that
 * the place seen then has its hash still, every link after it, and that all balances together
 * come to nothing. Whether each balance is the sum of its legs takes {@link auditChain}.
 *
 * @param since the head that an earlier look found whole; null begins `entriesMax` before the end
 */
export async function auditSince(
  db: Kysely<Database>,
  since: ChainHead | null,
  { entriesMax }: { readonly entriesMax: bigint },
): Promise<Audit> {
  assert(entriesMax > 0n, 'a look looks at something')
  return asOfOneMoment(db, async at => {
    const head = await readHead(at)
    const first = (head?.position ?? 0n) - entriesMax
    const start = since ?? (await linkAt(at, first > 0n ? first : 0n))
    const findings = [
      ...(since ? await checkKept(at, since) : []),
      ...(await auditLinks(at, start)),
      ...(await checkTotal(at)),
    ]
    return { head, after: start.position, findings: findings.slice(0, FINDINGS_MAX) }
  })
}

function asOfOneMoment<T>(db: Kysely<Database>, read: (at: Kysely<Database>) => Promise<T>) {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(read)
}

async function linkAt(db: Kysely<Database>, position: bigint): Promise<ChainHead> {
  const row = await db
    .selectFrom('journal_chain')
    .select(['position', 'hash'])
    .where('position', '<=', position)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!row) return { position: 0n, hash: CHAIN_START }
  return { position: row.position, hash: digest(row.hash) }
}

async function checkKept(db: Kysely<Database>, since: ChainHead): Promise<readonly Finding[]> {
  const { position, hash } = await linkAt(db, since.position)
  if (position === since.position && hash === since.hash) return []
  return [{ kind: 'rewritten', position: since.position, hash: since.hash }]
}

async function checkTotal(db: Kysely<Database>): Promise<readonly Finding[]> {
  const row = await db
    .selectFrom('ledger_balances')
    .select(eb => eb.fn.sum<bigint | null>('amount_msat').as('sum'))
    .executeTakeFirst()
  const sumMsat: bigint = row?.sum ?? 0n
  return sumMsat === 0n ? [] : [{ kind: 'unequal books', sumMsat }]
}

async function auditLinks(db: Kysely<Database>, start: ChainHead): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  let last = start
  for await (const page of oneAhead(linkPages(db, start.position))) {
    findings.push(...(await auditPage(page, last)))
    const end = page.rows.at(-1)
    if (end === undefined || findings.length >= FINDINGS_MAX) break
    last = { position: end.position, hash: digest(end.hash) }
  }
  return findings
}

/** Places in their order, with their entries and the legs of these, whose reading has begun. */
async function* linkPages(
  db: Kysely<Database>,
  start: bigint,
): AsyncGenerator<LinkPage, undefined> {
  for (let after = start; ; ) {
    const { rows } = await sql<LinkRow>`
      select position, hash, id, key, request_hash, event, posted_ms
        from journal_chain left join journal on id = journal_id
       where position > ${after}
       order by position limit ${ENTRIES_A_PAGE}`.execute(db)
    const entries = rows.filter(hasEntry).toSorted((a, b) => (a.id < b.id ? -1 : 1))
    yield { rows, entries, parts: oneAhead(legParts(db, entries)) }
    const end = rows.at(-1)
    if (end === undefined || rows.length < ENTRIES_A_PAGE) return
    after = end.position
  }
}

type Place = { readonly position: bigint; readonly hash: string }
type LinkRow = Place & (JournalRow | { readonly id: null })
type LinkPage = {
  readonly rows: readonly LinkRow[]
  /** In the order of their ids, as their legs come. */
  readonly entries: readonly (Place & JournalRow)[]
  readonly parts: AsyncGenerator<LegPart, undefined>
}

async function auditPage(
  { rows, entries, parts }: LinkPage,
  last: ChainHead,
): Promise<readonly Finding[]> {
  // What is stored is carried on, so that one fault is found at its place and not ever after.
  const before = new Map<bigint, Digest>()
  const findings: Finding[] = []
  let { position: expected, hash } = last
  for (const row of rows) {
    for (expected++; expected < row.position && findings.length < FINDINGS_MAX; expected++)
      findings.push({ kind: 'missing position', position: expected })
    expected = row.position
    if (row.id !== null) before.set(row.id, hash)
    hash = digest(row.hash)
  }
  const hashed = await hashParts(entries, parts, ({ id }) => before.get(id) ?? CHAIN_START)
  for (const row of rows) {
    const { position } = row
    const entry = row.id === null ? undefined : hashed.get(row.id)
    if (row.id === null || entry === undefined || entry.legs === 0) {
      findings.push({ kind: 'missing entry', position })
      continue
    }
    const { key } = row
    if (entry.request !== row.request_hash) findings.push({ kind: 'changed', position, key })
    if (entry.chain !== row.hash) findings.push({ kind: 'broken link', position, key })
    if (isUnbalanced(entry)) findings.push({ kind: 'unbalanced', key, sumMsat: entry.sumMsat })
  }
  return findings
}

function hasEntry(row: LinkRow): row is Place & JournalRow {
  return row.id !== null
}

function isUnbalanced({ legs, sumMsat }: { readonly legs: number; readonly sumMsat: bigint }) {
  return legs < 2 || sumMsat !== 0n
}

/** Entries without a place; one that waits for none either was hidden from the chain. */
async function auditUnchained(db: Kysely<Database>): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (let last = -1n; findings.length < FINDINGS_MAX; ) {
    const { rows } = await sql<JournalRow & { chained: boolean; waits: boolean }>`
      select id, key, request_hash, event, posted_ms,
             exists (select from journal_chain where journal_id = id) as chained,
             exists (select from journal_unchained where journal_id = id) as waits
        from journal where id > ${last} order by id limit ${ENTRIES_A_PAGE}`.execute(db)
    const free = rows.filter(({ chained }) => !chained)
    const hashed = await hashEntries(db, free, () => CHAIN_START)
    for (const { id, key, waits } of free) {
      const entry = hashed.get(id)
      assert(entry !== undefined, 'every entry that was read is hashed')
      if (!waits) findings.push({ kind: 'never chained', key })
      if (isUnbalanced(entry)) findings.push({ kind: 'unbalanced', key, sumMsat: entry.sumMsat })
    }
    const end = rows.at(-1)
    if (end === undefined || rows.length < ENTRIES_A_PAGE) break
    last = end.id
  }
  return findings
}
