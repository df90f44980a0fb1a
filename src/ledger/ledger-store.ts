import { type Kysely, sql, type Transaction } from 'kysely'
import { assert } from '../lib/assert.ts'
import { wholeNumbers } from '../lib/db/arrays.ts'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, type Digest, digest, type JournalKey, journalKey } from '../lib/ids.ts'
import { type Millisats, millisats } from '../lib/money.ts'
import { kindOf, type LedgerAccount, minerAccount } from './account.ts'
import { postAll } from './balance.ts'
import { type Entry, entryComplaint, type PostOutcome, requestHash } from './journal.ts'

/** Entries of one call; each holds a lock of the server's shared table. More is a caller's bug. */
export const ENTRIES_PER_POST_MAX = 1000
/** Keeps our locks on keys apart from the locks that others take by one number. */
const KEY_LOCKS = 7_300_201

/** What we owe one account: all amounts are positive where we owe. */
export type Owed = {
  readonly pending: Millisats
  readonly payable: Millisats
  readonly inflight: Millisats
}

/**
 * Posts entries in the caller's transaction, in their order; the only writer of ledger rows.
 * What is posted or repeated stands together with whatever else the transaction writes.
 *
 * All that could make two posts wait for each other is locked first and in one order (keys, names,
 * balances), so a transaction posts all its entries in one call and then never deadlocks.
 *
 * @param entries legal ones; an illegal one is a bug and throws
 * @returns an outcome for each entry, in their order; only `posted` wrote anything
 */
export async function postEntries(
  transaction: Transaction<Database>,
  entries: readonly Entry[],
): Promise<readonly PostOutcome[]> {
  assert(entries.length <= ENTRIES_PER_POST_MAX, 'a post has few entries')
  for (const complaint of entries.map(entryComplaint)) assert(complaint === null, complaint ?? '')
  if (entries.length === 0) return []
  const names = [...new Set(entries.flatMap(entry => entry.legs.map(leg => leg.account)))].sort()
  await lockKeys(transaction, entries)
  const ids = await openAccounts(transaction, names)
  const balances = await lockBalances(transaction, ids)
  const known = await readKeys(transaction, entries)
  const { outcomes } = postAll({ balances, entries: known }, entries)
  const posted = entries.filter((_, index) => outcomes[index]?.kind === 'posted')
  if (posted.length > 0) {
    await insertEntries(transaction, posted, ids)
    await moveBalances(transaction, posted, ids)
  }
  return outcomes
}

/** Of two posts under one key, the later must see what the earlier did. */
async function lockKeys(transaction: Transaction<Database>, entries: readonly Entry[]) {
  const keys = entries.map(entry => entry.key)
  await sql`
    select pg_advisory_xact_lock(${KEY_LOCKS}, number)
      from (select distinct hashtext(key) as number
              from unnest(${keys}::text[]) as key order by number) as locks`.execute(transaction)
}

/**
 * Looks names up once and by one statement, and makes those that are missing. Rows that are there
 * are not tried again, since even a refused insert uses up an id.
 */
async function openAccounts(
  transaction: Transaction<Database>,
  names: readonly LedgerAccount[],
): Promise<ReadonlyMap<LedgerAccount, bigint>> {
  const known = await readIds(transaction, names)
  const missing = names.filter(name => !known.has(name))
  if (missing.length === 0) return known
  await sql`
    insert into ledger_accounts (name, kind)
    select name, kind
      from unnest(${missing}::text[], ${missing.map(kindOf)}::text[]) as wanted (name, kind)
     order by name
        on conflict do nothing`.execute(transaction)
  // Whoever made one of them meanwhile has committed, so it can be read now.
  const made = await readIds(transaction, missing)
  await sql`
    insert into ledger_balances (account_id, kind, amount_msat)
    select id, kind, 0
      from ledger_accounts
     where id = any(${wholeNumbers([...made.values()], id => id)}::bigint[])
     order by id
        on conflict do nothing`.execute(transaction)
  return new Map([...known, ...made])
}

async function readIds(
  transaction: Transaction<Database>,
  names: readonly LedgerAccount[],
): Promise<ReadonlyMap<LedgerAccount, bigint>> {
  const { rows } = await sql<{ name: LedgerAccount; id: bigint }>`
    select name, id from ledger_accounts where name = any(${names}::text[])`.execute(transaction)
  return new Map(rows.map(({ name, id }) => [name, id]))
}

async function lockBalances(
  transaction: Transaction<Database>,
  ids: ReadonlyMap<LedgerAccount, bigint>,
): Promise<ReadonlyMap<LedgerAccount, Millisats>> {
  const { rows } = await sql<{ id: bigint; amount: bigint }>`
    select account_id as id, amount_msat as amount
      from ledger_balances
     where account_id = any(${wholeNumbers([...ids.values()], id => id)}::bigint[])
     order by account_id
       for update`.execute(transaction)
  const held = new Map(rows.map(({ id, amount }) => [id, millisats(amount)]))
  return new Map(
    [...ids].map(([name, id]) => {
      const amount = held.get(id)
      assert(amount !== undefined, 'every account of an entry has its balance')
      return [name, amount]
    }),
  )
}

async function readKeys(
  transaction: Transaction<Database>,
  entries: readonly Entry[],
): Promise<ReadonlyMap<JournalKey, Digest>> {
  const { rows } = await sql<{ key: string; request_hash: string }>`
    select key, request_hash from journal
     where key = any(${entries.map(entry => entry.key)}::text[])`.execute(transaction)
  return new Map(rows.map(row => [journalKey(row.key), digest(row.request_hash)]))
}

async function insertEntries(
  transaction: Transaction<Database>,
  entries: readonly Entry[],
  ids: ReadonlyMap<LedgerAccount, bigint>,
) {
  const { rows } = await sql<{ id: bigint; key: JournalKey }>`
    insert into journal (key, request_hash, event, posted_ms)
    select key, request_hash, event, posted_ms
      from unnest(${entries.map(entry => entry.key)}::text[],
                  ${entries.map(requestHash)}::text[],
                  ${entries.map(entry => entry.event)}::text[],
                  ${entries.map(entry => BigInt(entry.at))}::bigint[])
             with ordinality as entry (key, request_hash, event, posted_ms, nth)
     order by nth
    returning id, key`.execute(transaction)
  const journalIds = new Map(rows.map(row => [row.key, row.id]))
  const legs = entries.flatMap(({ key, legs }) => {
    const journal = journalIds.get(key)
    assert(journal !== undefined, 'every entry that was inserted has its id')
    return legs.map(({ account, amount }, index) => ({ journal, index, account, amount }))
  })
  await sql`
    insert into legs (journal_id, leg, account_id, amount_msat)
    select * from unnest(${wholeNumbers(legs, leg => leg.journal)}::bigint[],
                         ${wholeNumbers(legs, leg => leg.index)}::integer[],
                         ${wholeNumbers(legs, leg => idOf(ids, leg.account))}::bigint[],
                         ${wholeNumbers(legs, leg => leg.amount)}::bigint[])`.execute(transaction)
}

function idOf(ids: ReadonlyMap<LedgerAccount, bigint>, account: LedgerAccount): bigint {
  const id = ids.get(account)
  assert(id !== undefined, 'every account of an entry has its id')
  return id
}

/** Adds to the rows rather than replacing them, so that the SQL check judges for itself. */
async function moveBalances(
  transaction: Transaction<Database>,
  entries: readonly Entry[],
  ids: ReadonlyMap<LedgerAccount, bigint>,
) {
  const sums = new Map<LedgerAccount, bigint>()
  for (const { account, amount } of entries.flatMap(entry => entry.legs))
    sums.set(account, (sums.get(account) ?? 0n) + amount)
  const moves = [...sums]
  const { numAffectedRows } = await sql`
    update ledger_balances set amount_msat = amount_msat + move.amount
      from unnest(${wholeNumbers(moves, ([account]) => idOf(ids, account))}::bigint[],
                  ${wholeNumbers(moves, ([, amount]) => amount)}::bigint[]) as move (id, amount)
     where account_id = move.id`.execute(transaction)
  assert(numAffectedRows === BigInt(moves.length), 'every balance of an entry has moved')
}

/** What accounts hold, debit positive; zero where nothing was ever posted. */
export async function balancesOf(
  db: Kysely<Database>,
  names: readonly LedgerAccount[],
): Promise<ReadonlyMap<LedgerAccount, Millisats>> {
  const { rows } = await sql<{ name: LedgerAccount; amount_msat: bigint }>`
    select name, amount_msat
      from ledger_balances join ledger_accounts on id = account_id
     where name = any(${names}::text[])`.execute(db)
  const found = new Map(rows.map(row => [row.name, millisats(row.amount_msat)]))
  return new Map(names.map(name => [name, found.get(name) ?? millisats(0n)]))
}

/** What we owe each of the accounts, with its sign turned so that a debt is positive. */
export async function owedTo(
  db: Kysely<Database>,
  accounts: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, Owed>> {
  const sides = ['pending', 'payable', 'inflight'] as const
  const names = accounts.flatMap(account => sides.map(side => minerAccount(account, side)))
  const balances = await balancesOf(db, names)
  const owed = (account: AccountId, side: (typeof sides)[number]) =>
    millisats(-(balances.get(minerAccount(account, side)) ?? 0n))
  const sheet = accounts.map(account => ({
    account,
    pending: owed(account, 'pending'),
    payable: owed(account, 'payable'),
    inflight: owed(account, 'inflight'),
  }))
  for (const { pending, payable, inflight } of sheet)
    assert(pending >= 0n && payable >= 0n && inflight >= 0n, 'nobody is owed less than nothing')
  return new Map(sheet.map(({ account, ...amounts }) => [account, amounts]))
}
