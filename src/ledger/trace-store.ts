import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, type JournalKey, type UnixMs, unixMs } from '../lib/ids.ts'
import { type Millisats, millisats } from '../lib/money.ts'
import { type LedgerAccount, minerAccount } from './account.ts'

/** Legs shown of one account; a credit has few entries. */
const LEGS_MAX = 200

/** One leg of an entry, with the entry's place in the hash chain. */
export type TracedLeg = {
  readonly key: JournalKey
  readonly event: string
  readonly at: UnixMs
  readonly account: LedgerAccount
  /** Debit positive. */
  readonly amount: Millisats
  /** Null while the chain has not come to it. */
  readonly position: bigint | null
}

/** In the order of the entries: a miner's legs in entries whose key begins with one of these. */
export async function legsUnder(
  db: Kysely<Database>,
  { account, keys }: { readonly account: AccountId; readonly keys: readonly string[] },
): Promise<readonly TracedLeg[]> {
  const names = (['pending', 'payable', 'inflight'] as const).map(side =>
    minerAccount(account, side),
  )
  const { rows } = await sql<{
    key: JournalKey
    event: string
    posted: bigint
    name: LedgerAccount
    amount: bigint
    position: bigint | null
  }>`
    select key, event, posted_ms as posted, name, amount_msat as amount, position
      from ledger_accounts
      join legs on legs.account_id = ledger_accounts.id
      join journal on journal.id = legs.journal_id
      left join journal_chain on journal_chain.journal_id = journal.id
     where name = any(${names}::text[])
       and exists (select from unnest(${keys}::text[]) as start where starts_with(key, start))
     order by journal.id, leg limit ${LEGS_MAX}`.execute(db)
  return rows.map(row => ({
    key: row.key,
    event: row.event,
    at: unixMs(Number(row.posted)),
    account: row.name,
    amount: millisats(row.amount),
    position: row.position,
  }))
}
