import { type Kysely, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type Digest, digest, type JournalKey, unixMs } from '../lib/ids.ts'
import { millisats } from '../lib/money.ts'
import type { LedgerAccount } from './account.ts'
import { CHAIN_START, chainHash, type Entry, requestHash } from './journal.ts'

/** Entries chained or audited at a time; the rest follows at once, in the next turn. */
const ENTRIES_PER_TURN = 500
/** An audit names this many findings and counts no further: the first ones tell enough. */
export const FINDINGS_MAX = 100

/** Where the chain ends. Whoever keeps it can tell later that nothing before it was cut off. */
export type ChainHead = { readonly position: bigint; readonly hash: Digest }

/** What an audit found wrong. */
export type Finding =
  /** No row has this place, though later ones do. */
  | { readonly kind: 'missing position'; readonly position: bigint }
  /** The place is there, its entry or the entry's legs are not. */
  | { readonly kind: 'missing entry'; readonly position: bigint }
  /** The entry's words or legs are not what was asked for when it was posted. */
  | { readonly kind: 'changed'; readonly position: bigint; readonly key: string }
  /** The hash does not follow from the one before: entries changed, or changed places. */
  | { readonly kind: 'broken link'; readonly position: bigint; readonly key: string }
  | { readonly kind: 'unbalanced'; readonly key: string; readonly sumMsat: bigint }
  /** A kept balance is not the sum of its account's legs. */
  | {
      readonly kind: 'wrong balance'
      readonly account: string
      readonly keptMsat: bigint
      readonly legsMsat: bigint
    }

export type Audit = { readonly head: ChainHead | null; readonly findings: readonly Finding[] }

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
    select id, key, request_hash, event, posted_ms from journal
     where not exists (select from journal_chain where journal_id = id)
     order by id limit ${ENTRIES_PER_TURN}`.execute(transaction)
  const head = await readHead(transaction)
  let hash = head?.hash ?? CHAIN_START
  const links: { id: bigint; hash: Digest }[] = []
  for (const row of rows) {
    hash = chainHash(hash, await readEntry(transaction, row))
    links.push({ id: row.id, hash })
  }
  await sql`
    insert into journal_chain (position, journal_id, hash)
    select ${head?.position ?? 0n}::bigint + nth, id, hash
      from unnest(${links.map(link => link.id)}::bigint[],
                  ${links.map(link => link.hash)}::text[])
             with ordinality as link (id, hash, nth)`.execute(transaction)
  return links.length
}

type JournalRow = {
  readonly id: bigint
  readonly key: string
  readonly request_hash: string
  readonly event: string
  readonly posted_ms: bigint
}

async function readHead(db: Kysely<Database>): Promise<ChainHead | null> {
  const row = await db
    .selectFrom('journal_chain')
    .select(['position', 'hash'])
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { position: row.position, hash: digest(row.hash) } : null
}

/**
 * Legs are read an entry at a time, since one entry can have as many as there are miners. Words
 * are taken as they are: an audit must be able to read what tampering left of them.
 */
async function readEntry(db: Kysely<Database>, row: JournalRow): Promise<Entry> {
  const legs = await db
    .selectFrom('legs')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'legs.account_id')
    .select(['name', 'amount_msat'])
    .where('journal_id', '=', row.id)
    .orderBy('leg')
    .execute()
  return {
    key: row.key as JournalKey,
    event: row.event,
    at: unixMs(Number(row.posted_ms)),
    legs: legs.map(leg => ({
      account: leg.name as LedgerAccount,
      amount: millisats(leg.amount_msat),
    })),
  }
}

/**
 * Walks the whole chain and checks every entry against its hash, that every entry's legs sum to
 * zero and that every balance is the sum of its legs; all as of one moment. Entries without a
 * place yet are checked for their sums only. A chain cut off at its end shows by its head.
 */
export async function auditChain(db: Kysely<Database>): Promise<Audit> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async transaction => {
      const head = await readHead(transaction)
      const links = await auditLinks(transaction)
      const sums = await findUnbalanced(transaction)
      const balances = await findWrongBalances(transaction)
      return { head, findings: [...links, ...sums, ...balances].slice(0, FINDINGS_MAX) }
    })
}

async function auditLinks(db: Kysely<Database>): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  let last: ChainHead = { position: 0n, hash: CHAIN_START }
  for (;;) {
    const { rows } = await sql<LinkRow>`
      select position, hash, id, key, request_hash, event, posted_ms
        from journal_chain left join journal on id = journal_id
       where position > ${last.position}
       order by position limit ${ENTRIES_PER_TURN}`.execute(db)
    for (const row of rows) {
      findings.push(...(await auditLink(db, row, last)))
      // What is stored is carried on, so that one fault is found at its place and not ever after.
      last = { position: row.position, hash: digest(row.hash) }
      if (findings.length >= FINDINGS_MAX) return findings
    }
    if (rows.length < ENTRIES_PER_TURN) return findings
  }
}

type LinkRow = { readonly position: bigint; readonly hash: string } & (
  | JournalRow
  | { readonly id: null }
)

async function auditLink(
  db: Kysely<Database>,
  row: LinkRow,
  last: ChainHead,
): Promise<readonly Finding[]> {
  const { position } = row
  const findings: Finding[] = []
  for (let gap = last.position + 1n; gap < position && findings.length < FINDINGS_MAX; gap++)
    findings.push({ kind: 'missing position', position: gap })
  if (row.id === null) return [...findings, { kind: 'missing entry', position }]
  const entry = await readEntry(db, row)
  if (entry.legs.length === 0) return [...findings, { kind: 'missing entry', position }]
  if (requestHash(entry) !== row.request_hash)
    findings.push({ kind: 'changed', position, key: row.key })
  if (chainHash(last.hash, entry) !== row.hash)
    findings.push({ kind: 'broken link', position, key: row.key })
  return findings
}

async function findUnbalanced(db: Kysely<Database>): Promise<readonly Finding[]> {
  const { rows } = await sql<{ key: string; sum: bigint }>`
    select key, coalesce(sum(amount_msat), 0) as sum
      from journal left join legs on journal_id = id
     group by id having count(leg) < 2 or sum(amount_msat) <> 0
     order by id limit ${FINDINGS_MAX}`.execute(db)
  return rows.map(row => ({ kind: 'unbalanced', key: row.key, sumMsat: row.sum }))
}

async function findWrongBalances(db: Kysely<Database>): Promise<readonly Finding[]> {
  const { rows } = await sql<{ name: string; kept: bigint; summed: bigint }>`
    select name, coalesce(amount_msat, 0) as kept, coalesce(summed, 0) as summed
      from ledger_accounts
      left join ledger_balances on ledger_balances.account_id = id
      left join (select account_id, sum(amount_msat) as summed from legs group by account_id)
             as by_account on by_account.account_id = id
     where coalesce(amount_msat, 0) <> coalesce(summed, 0)
     order by id limit ${FINDINGS_MAX}`.execute(db)
  assert(rows.length <= FINDINGS_MAX, 'an audit names a limited number of findings')
  return rows.map(row => ({
    kind: 'wrong balance',
    account: row.name,
    keptMsat: row.kept,
    legsMsat: row.summed,
  }))
}
