import { type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, txid, type UnixMs } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import { parseBareAddress } from '../lib/thunder/address.ts'
import type { Change, Move } from './move.ts'
import { type StoreOutcome, storeWithEntry } from './posting-store.ts'

/** Deposits that are followed at once; the others are looked at when these have arrived. */
const MOVES_MAX = 200

/** The newest deposit that is followed; null before the first. */
export async function newestMove(db: Kysely<Database>): Promise<BatchId | null> {
  const row = await db
    .selectFrom('bridge_moves')
    .select(eb => eb.fn.max('batch_id').as('batch'))
    .executeTakeFirst()
  const batch: bigint | null = row?.batch ?? null
  return batch === null ? null : batchId(batch)
}

/** Deposits that Thunder has not credited, the oldest first. */
export async function movesInTransit(db: Kysely<Database>): Promise<Move[]> {
  const rows = await db
    .selectFrom('bridge_moves')
    .selectAll()
    .where('state', '=', 'transit')
    .orderBy('batch_id')
    .limit(MOVES_MAX)
    .execute()
  return rows.map(moveFromRow)
}

/** Those of the deposits that are followed already. */
export async function movesAmong(
  db: Kysely<Database>,
  batches: readonly BatchId[],
): Promise<ReadonlyMap<BatchId, Move>> {
  if (batches.length === 0) return new Map()
  const rows = await db
    .selectFrom('bridge_moves')
    .selectAll()
    .where('batch_id', 'in', [...batches])
    .execute()
  return new Map(rows.map(row => [batchId(row.batch_id), moveFromRow(row)]))
}

/** Begins to follow a deposit; a repeat changes nothing. */
export async function addMove(db: Kysely<Database>, move: Move, at: UnixMs): Promise<void> {
  await db
    .insertInto('bridge_moves')
    .values({
      batch_id: move.batch,
      amount_sats: move.amount,
      address: move.address,
      ...columnsOf(move, at),
    })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/**
 * Stores what a look has changed, with its entry, in one commit.
 *
 * @param before as it was read
 * @param noteCoin notes the coin that Thunder has credited, in the same commit
 */
export async function storeChange(
  db: Kysely<Database>,
  before: Move,
  { move, entry, coin }: Change,
  {
    at,
    noteCoin,
  }: { readonly at: UnixMs; readonly noteCoin: (tx: Transaction<Database>) => Promise<void> },
): Promise<StoreOutcome> {
  return storeWithEntry(db, {
    entry,
    noteCoin: coin === 'note' ? noteCoin : null,
    update: async tx => {
      const { numUpdatedRows } = await tx
        .updateTable('bridge_moves')
        .set(columnsOf(move, at))
        .where('batch_id', '=', before.batch)
        .where('state', '=', before.state)
        .where('turn', '=', before.turn)
        .where(sql<boolean>`(txid, vout) = (${before.coin.txid}, ${before.coin.vout}::integer)`)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
  })
}

function columnsOf({ state, coin, turn }: Move, at: UnixMs) {
  return { state, txid: coin.txid, vout: coin.vout, turn, changed_ms: BigInt(at) }
}

function moveFromRow(row: Selectable<Database['bridge_moves']>): Move {
  const address = parseBareAddress(row.address)
  assert(address !== null, 'a stored deposit has a bare address')
  return {
    batch: batchId(row.batch_id),
    coin: { txid: txid(row.txid), vout: row.vout },
    amount: sats(row.amount_sats),
    ...{ address, state: row.state, turn: row.turn },
  }
}
