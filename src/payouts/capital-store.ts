import { type Kysely, sql, type Transaction } from 'kysely'
import { chartAccount, type LedgerAccount, mergeLegs, postEntries } from '../ledger/index.ts'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { JournalKey, UnixMs } from '../lib/ids.ts'
import { millisats, msatsFromSats, type Sats, sats } from '../lib/money.ts'
import { recordEvent } from '../treasury/index.ts'
import { type Outpoint, outpointText } from './outpoint.ts'

/** Coins booked by one command; more are booked under a further name. */
export const CAPITAL_COINS_MAX = 100

/** What became of capital; only `booked` and `repeated` mean that the books hold it. */
export type CapitalOutcome =
  | {
      readonly kind: 'booked' | 'repeated'
      readonly amount: Sats
      /** Where the coins are, for people. */
      readonly place: string
    }
  /** The name stands for other coins. Nothing was written. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'refused'; readonly reason: string }

/** A coin that is booked already, under an entry. */
export type Booked = Outpoint & { readonly value: Sats; readonly journalKey: JournalKey }

/** Where one rail notes its coins. */
export type CoinBook = {
  /** Those of the coins that are noted. */
  readonly notedAmong: (
    db: Kysely<Database>,
    coins: readonly Outpoint[],
  ) => Promise<readonly Booked[]>
  readonly isAnyUnder: (tx: Transaction<Database>, key: JournalKey) => Promise<boolean>
}

/**
 * What is known of coins before a node is asked for them.
 *
 * @returns null where none of them is booked, so that they may be
 */
export async function capitalBooked(
  db: Kysely<Database>,
  { key, coins, place }: Pick<Capital, 'key' | 'place'> & { readonly coins: readonly Outpoint[] },
  book: CoinBook,
): Promise<CapitalOutcome | null> {
  assert(coins.length > 0 && coins.length <= CAPITAL_COINS_MAX, 'some coins, and not many')
  if (new Set(coins.map(outpointText)).size < coins.length) return refused('a coin is named twice')
  const noted = await book.notedAmong(db, coins)
  const other = noted.find(coin => coin.journalKey !== key)
  if (other) return taken(other)
  return noted.length === coins.length ? { kind: 'repeated', amount: sumOf(noted), place } : null
}

/** Coins to be booked as the owner's. */
export type Capital = {
  readonly key: JournalKey
  readonly account: LedgerAccount
  readonly place: string
  readonly coins: readonly (Outpoint & { readonly value: Sats })[]
  readonly at: UnixMs
}

/**
 * Books coins that the owner put in: the float grows, and the pool owes it to nobody but its owner.
 *
 * @param note notes the coins, in the same commit
 */
export async function postCapital(
  db: Kysely<Database>,
  { key, account, place, coins, at }: Capital,
  book: CoinBook & { readonly note: (tx: Transaction<Database>) => Promise<void> },
): Promise<CapitalOutcome> {
  const amount = sumOf(coins)
  const legs = mergeLegs([
    { account, amount: msatsFromSats(amount) },
    { account: chartAccount('treasuryCapital'), amount: millisats(-msatsFromSats(amount)) },
  ])
  return db.transaction().execute(async (tx): Promise<CapitalOutcome> => {
    // One at a time, or two commands could each book a coin that neither had found booked.
    await sql`select pg_advisory_xact_lock(hashtext('capital'))`.execute(tx)
    const [other] = await book.notedAmong(tx, coins)
    if (other && other.journalKey !== key) return taken(other)
    const [outcome] = await postEntries(tx, [{ key, event: 'capital put in', legs, at }])
    assert(outcome !== undefined, 'every entry has its outcome')
    // Older books may have the entry without its coins, but never one entry for two sets of them.
    if (outcome.kind === 'conflict' || (await book.isAnyUnder(tx, key))) return { kind: 'conflict' }
    assert(outcome.kind !== 'overdrawn', 'capital only adds to the float')
    await book.note(tx)
    const detail = { place, amountSats: String(amount), coins: coins.map(outpointText) }
    await recordEvent(tx, { at, actor: 'host', action: 'book capital', subject: key, detail })
    return { kind: 'booked', amount, place }
  })
}

function sumOf(coins: readonly { readonly value: Sats }[]): Sats {
  return sats(coins.reduce((sum, { value }) => sum + value, 0n))
}

function taken(coin: Booked) {
  return refused(`${outpointText(coin)} was booked as ${coin.journalKey}`)
}

function refused(reason: string) {
  return { kind: 'refused' as const, reason }
}
