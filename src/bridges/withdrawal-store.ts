import { type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, txid, type UnixMs, unixMs } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import { type StoreOutcome, storeWithEntry } from './posting-store.ts'
import type { Withdrawal, WithdrawalChange } from './withdrawal.ts'

/** Withdrawals that are shown, the newest first. */
const SHOWN_MAX = 50

/** Those of the batches that are followed already. */
export async function withdrawalsAmong(
  db: Kysely<Database>,
  batches: readonly BatchId[],
): Promise<ReadonlyMap<BatchId, Withdrawal>> {
  if (batches.length === 0) return new Map()
  const rows = await db
    .selectFrom('bridge_withdrawals')
    .selectAll()
    .where('batch_id', 'in', [...batches])
    .execute()
  return new Map(rows.map(row => [batchId(row.batch_id), withdrawalFromRow(row)]))
}

/** The newest withdrawals that Thunder has for good, and since when each is where it is. */
export async function listWithdrawals(
  db: Kysely<Database>,
): Promise<(Withdrawal & { readonly changedAt: UnixMs })[]> {
  const rows = await db
    .selectFrom('bridge_withdrawals')
    .selectAll()
    .orderBy('batch_id', 'desc')
    .limit(SHOWN_MAX)
    .execute()
  return rows.map(row => ({
    ...withdrawalFromRow(row),
    changedAt: unixMs(Number(row.changed_ms)),
  }))
}

/** Begins to follow a withdrawal; a repeat changes nothing. */
export async function addWithdrawal(
  db: Kysely<Database>,
  withdrawal: Withdrawal,
  at: UnixMs,
): Promise<void> {
  const { batch, amount, mainFee, mainAddress } = withdrawal
  await db
    .insertInto('bridge_withdrawals')
    .values({
      ...{ batch_id: batch, amount_sats: amount, main_fee_sats: mainFee },
      main_address: mainAddress,
      ...columnsOf(withdrawal, at),
    })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/**
 * Stores what a look has changed, with its entry, in one commit.
 *
 * @param before as it was read
 * @param noteCoin notes the coin that a bundle has paid us, in the same commit
 */
export async function storeWithdrawal(
  db: Kysely<Database>,
  before: Withdrawal,
  { withdrawal, entry, coin }: WithdrawalChange,
  {
    at,
    noteCoin,
  }: { readonly at: UnixMs; readonly noteCoin: (tx: Transaction<Database>) => Promise<void> },
): Promise<StoreOutcome> {
  return storeWithEntry(db, {
    entry,
    noteCoin: coin === 'note' ? noteCoin : null,
    update: async tx => {
      const { state, turn, bundles, m6id } = before
      const had = before.coin && `${before.coin.txid}:${before.coin.vout}`
      const { numUpdatedRows } = await tx
        .updateTable('bridge_withdrawals')
        .set(columnsOf(withdrawal, at))
        .where('batch_id', '=', before.batch)
        .where(
          sql<boolean>`(state, turn, bundles) = (${state}, ${turn}::integer, ${bundles}::integer)`,
        )
        .where(sql<boolean>`m6id is not distinct from ${m6id}::text`)
        .where(sql<boolean>`txid || ':' || vout is not distinct from ${had}::text`)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
  })
}

function columnsOf({ state, m6id, bundles, votes, coin, turn }: Withdrawal, at: UnixMs) {
  return {
    ...{ state, m6id, bundles, turn },
    votes: votes?.count ?? null,
    votes_above: votes?.above ?? null,
    txid: coin?.txid ?? null,
    vout: coin?.vout ?? null,
    value_sats: coin?.value ?? null,
    changed_ms: BigInt(at),
  }
}

function withdrawalFromRow(row: Selectable<Database['bridge_withdrawals']>): Withdrawal {
  const { state, m6id, bundles, turn } = row
  const { votes, votes_above: above, txid: id, vout, value_sats: value } = row
  assert((votes === null) === (above === null), 'votes come with what they are compared with')
  const isWhole = id !== null && vout !== null && value !== null
  return {
    ...{ state, m6id, bundles, turn },
    batch: batchId(row.batch_id),
    amount: sats(row.amount_sats),
    mainFee: sats(row.main_fee_sats),
    mainAddress: row.main_address,
    votes: votes === null || above === null ? null : { count: votes, above },
    coin: isWhole ? { txid: txid(id), vout, value: sats(value) } : null,
  }
}
