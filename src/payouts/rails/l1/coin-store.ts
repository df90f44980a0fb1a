import { type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import { chartAccount, type LedgerAccount } from '../../../ledger/index.ts'
import type { Database, Wallet } from '../../../lib/db/schema.ts'
import { type JournalKey, journalKey, txid, type UnixMs } from '../../../lib/ids.ts'
import { millisats, type Sats, sats, satsFloor } from '../../../lib/money.ts'
import { outpointText } from '../../outpoint.ts'
import type { Coin } from '../../rail.ts'
import type { BookedBlock, NotedCoin } from './coins.ts'

/** Coins written by one statement; a larger set is cut into several. */
const COINS_A_WRITE_MAX = 1000
const TXID_CHARACTERS = 64

/** The account in which the ledger keeps a wallet's coins. */
export function floatAccount(wallet: Wallet): LedgerAccount {
  return chartAccount(wallet === 'hot' ? 'l1Float' : 'l1Cold')
}

/** Notes coins, each once for ever: a repeat changes nothing. */
export async function noteCoins(
  tx: Transaction<Database>,
  coins: readonly NotedCoin[],
  at: UnixMs,
): Promise<void> {
  for (let from = 0; from < coins.length; from += COINS_A_WRITE_MAX) {
    await tx
      .insertInto('float_coins')
      .values(
        coins.slice(from, from + COINS_A_WRITE_MAX).map(coin => ({
          txid: coin.txid,
          vout: coin.vout,
          wallet: coin.wallet,
          value_sats: coin.value,
          script: coin.script,
          origin: coin.origin,
          journal_key: coin.journalKey,
          noted_ms: BigInt(at),
        })),
      )
      .onConflict(conflict => conflict.doNothing())
      .execute()
  }
}

/**
 * Coins that no settled batch has spent and nobody wrote off, of both wallets, in the order of their names. A batch has
 * spent what the version that paid spends, and left what that one leaves: where a reorganisation
 * chose another version, the coins of the first are not there, and what it alone spent is open.
 */
export async function openCoins(db: Kysely<Database>): Promise<NotedCoin[]> {
  const rows = await db
    .selectFrom('float_coins')
    .selectAll('float_coins')
    .where(eb =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('float_spends')
            .innerJoin('batches', 'batches.id', 'float_spends.batch_id')
            .select('float_spends.batch_id')
            .whereRef('float_spends.txid', '=', 'float_coins.txid')
            .whereRef('float_spends.vout', '=', 'float_coins.vout')
            .whereRef('float_spends.version', '=', 'batches.paid_version'),
        ),
      ),
    )
    .where(eb =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('batch_versions')
            .innerJoin('batches', 'batches.id', 'batch_versions.batch_id')
            .select('batch_versions.batch_id')
            .whereRef('batch_versions.txid', '=', 'float_coins.txid')
            .whereRef('batch_versions.version', '!=', 'batches.paid_version'),
        ),
      ),
    )
    .where(eb =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('float_losses')
            .select('float_losses.vout')
            .whereRef('float_losses.txid', '=', 'float_coins.txid')
            .whereRef('float_losses.vout', '=', 'float_coins.vout'),
        ),
      ),
    )
    .where(isNoUndoneWithdrawal)
    .orderBy('float_coins.txid')
    .orderBy('float_coins.vout')
    .execute()
  return rows.map(notedCoin)
}

/** What a bundle paid us is there only while the books have it as arrived, and by this very coin. */
const isNoUndoneWithdrawal = sql<boolean>`not exists (
  select from bridge_withdrawals withdrawal
   where starts_with(float_coins.journal_key, 'withdrawal:' || withdrawal.batch_id || ':')
     and (withdrawal.state not in ('arrived', 'final')
          or withdrawal.txid <> float_coins.txid or withdrawal.vout <> float_coins.vout))`

/** Coins that were written off, by their names. */
export async function lostCoins(db: Kysely<Database>): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom('float_losses').select(['txid', 'vout']).execute()
  return new Set(rows.map(({ txid: id, vout }) => outpointText({ txid: txid(id), vout })))
}

/** Those of the coins that are noted, spent or not. */
export async function notedAmong(
  db: Kysely<Database>,
  names: readonly string[],
): Promise<NotedCoin[]> {
  const rows = await db
    .selectFrom('float_coins')
    .selectAll()
    .where(sql<string>`txid || ':' || vout`, 'in', names)
    .where('txid', 'in', [...new Set(names.map(name => name.slice(0, TXID_CHARACTERS)))])
    .execute()
  return rows.map(notedCoin)
}

function notedCoin(row: Selectable<Database['float_coins']>): NotedCoin {
  return {
    txid: txid(row.txid),
    vout: row.vout,
    value: sats(row.value_sats),
    script: new Uint8Array(row.script),
    wallet: row.wallet,
    origin: row.origin,
    journalKey: journalKey(row.journal_key),
  }
}

/** Which of the listed coins are noted as that wallet's, and those of them that no batch holds. */
export async function ownCoins(
  db: Kysely<Database>,
  wallet: Wallet,
  listed: readonly Coin[],
): Promise<{ readonly noted: readonly Coin[]; readonly free: readonly Coin[] }> {
  // Only the coins in question are looked up: both tables keep those of all batches ever.
  const { rows } = await sql<{ txid: string; vout: number; held: boolean }>`
    select noted.txid, noted.vout,
           exists (select from reserved_outputs held
                    where held.txid = noted.txid and held.vout = noted.vout
                      and held.released_ms is null) as held
      from unnest(${listed.map(({ txid }) => txid)}::text[],
                  ${listed.map(({ vout }) => vout)}::integer[]) as coin (txid, vout)
      join float_coins noted on noted.txid = coin.txid and noted.vout = coin.vout
     where noted.wallet = ${wallet}`.execute(db)
  const held = new Map(rows.map(row => [`${row.txid}:${row.vout}`, row.held]))
  const noted = listed.filter(coin => held.has(outpointText(coin)))
  return { noted, free: noted.filter(coin => held.get(outpointText(coin)) === false) }
}

/**
 * What the books say of blocks of ours, by hash. A block that is not ours is left out.
 */
export async function bookedBlocks(
  db: Kysely<Database>,
  hashes: readonly string[],
): Promise<ReadonlyMap<string, 'not mature in our books' | BookedBlock>> {
  const { rows } = await sql<{
    hash: string
    key: string | null
    account: LedgerAccount | null
    amount: bigint | null
  }>`
    select blocks.hash, journal.key, accounts.name as account, legs.amount_msat as amount
      from blocks
      left join block_fates fate on fate.block_hash = blocks.hash and fate.fate = 'mature'
      left join journal on journal.key = 'block:' || blocks.hash || ':' || fate.seq
      left join (legs join ledger_accounts accounts
                   on accounts.id = legs.account_id
                  and accounts.name in (${floatAccount('hot')}, ${floatAccount('cold')}))
        on legs.journal_id = journal.id
     where blocks.hash = any(${hashes}::text[])`.execute(db)
  const found = new Map<string, 'not mature in our books' | BookedBlock>()
  for (const { hash, key, account, amount } of rows) {
    if (key === null || account === null || amount === null) {
      found.set(hash, 'not mature in our books')
      continue
    }
    const wallet = account === floatAccount('hot') ? 'hot' : 'cold'
    const value = satsFloor(millisats(amount))
    found.set(hash, { journalKey: journalKey(key), wallet, value })
  }
  return found
}

/** A block that the ledger has as mature and whose coin no wallet has shown yet. */
export type UnnotedBlock = {
  readonly journalKey: JournalKey
  readonly wallet: Wallet
  readonly value: Sats
  /** Blocks that the pool has seen on top of it. */
  readonly depth: number
}

/** What the ledger holds for blocks whose coins are not noted yet. */
export async function unnotedBlocks(db: Kysely<Database>): Promise<UnnotedBlock[]> {
  const { rows } = await sql<{
    key: string
    account: LedgerAccount
    amount: bigint
    depth: number | null
  }>`
    select journal.key, accounts.name as account, legs.amount_msat as amount,
           (select max(height) from tips) - blocks.height as depth
      from block_fates fate
      join blocks on blocks.hash = fate.block_hash
      join journal on journal.key = 'block:' || fate.block_hash || ':' || fate.seq
      join legs on legs.journal_id = journal.id
      join ledger_accounts accounts
        on accounts.id = legs.account_id
       and accounts.name in (${floatAccount('hot')}, ${floatAccount('cold')})
     where fate.fate = 'mature'
       and not exists (select from float_coins where journal_key = journal.key)
     order by blocks.height`.execute(db)
  return rows.map(({ key, account, amount, depth }) => ({
    journalKey: journalKey(key),
    wallet: account === floatAccount('hot') ? 'hot' : 'cold',
    value: satsFloor(millisats(amount)),
    depth: depth ?? 0,
  }))
}
