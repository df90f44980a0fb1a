import type { Kysely, Transaction } from 'kysely'
import { assert } from '../../../lib/assert.ts'
import type { Database } from '../../../lib/db/schema.ts'
import {
  type BatchId,
  type BlockHash,
  blockHash,
  type Txid,
  txid,
  type UnixMs,
} from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import type { Coin, Lease } from '../../rail.ts'

/** Versions of one batch; a further one is refused. */
const VERSIONS_MAX = 50

/** One exact transaction of a batch. */
export type Version = {
  readonly version: number
  readonly txid: Txid
  readonly fee: Sats
  readonly psbt: Uint8Array
  /** The signed bytes; null while only the intent is stored. */
  readonly raw: Uint8Array | null
}

/** Newest first. */
export async function versionsOf(db: Kysely<Database>, batch: BatchId): Promise<Version[]> {
  const rows = await db
    .selectFrom('batch_versions')
    .selectAll()
    .where('batch_id', '=', batch)
    .orderBy('version', 'desc')
    .limit(VERSIONS_MAX)
    .execute()
  return rows.map(row => ({
    version: row.version,
    txid: txid(row.txid),
    fee: sats(row.fee_sats),
    psbt: new Uint8Array(row.unsigned_psbt),
    raw: row.raw === null ? null : new Uint8Array(row.raw),
  }))
}

/**
 * Stores what is about to be signed, before it is.
 *
 * @returns false where another worker has the batch by now; nothing is stored then
 */
export async function storeIntent(
  db: Kysely<Database>,
  lease: Lease,
  version: Omit<Version, 'raw'>,
  at: UnixMs,
): Promise<boolean> {
  return db.transaction().execute(async tx => {
    const row = await tx
      .selectFrom('batches')
      .select(['fence', 'state'])
      .where('id', '=', lease.batch)
      .forUpdate()
      .executeTakeFirst()
    if (row?.fence !== lease.fence || row.state !== 'approved') return false
    await tx
      .insertInto('batch_versions')
      .values({
        batch_id: lease.batch,
        version: version.version,
        txid: version.txid,
        unsigned_psbt: version.psbt,
        raw: null,
        fee_sats: version.fee,
        created_ms: BigInt(at),
      })
      .execute()
    return true
  })
}

/** Adds the signed bytes; the caller moves the batch and books it in the same transaction. */
export async function storeSigned(
  tx: Transaction<Database>,
  batch: BatchId,
  version: number,
  raw: Uint8Array,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('batch_versions')
    .set({ raw })
    .where('batch_id', '=', batch)
    .where('version', '=', version)
    .executeTakeFirst()
  assert(numUpdatedRows === 1n, 'what is signed was stored as an intent')
}

/** The coins a batch holds, its anchor first, then in a fixed order. */
export async function coinsOf(
  db: Kysely<Database>,
  batch: BatchId,
  anchor: { readonly txid: Txid; readonly vout: number },
): Promise<Coin[]> {
  const rows = await db
    .selectFrom('reserved_outputs')
    .selectAll()
    .where('batch_id', '=', batch)
    .where('released_ms', 'is', null)
    .orderBy('txid')
    .orderBy('vout')
    .execute()
  const coins = rows.map(row => ({
    txid: txid(row.txid),
    vout: row.vout,
    value: sats(row.value_sats),
    script: new Uint8Array(row.script),
  }))
  const isAnchor = (coin: Coin) => coin.txid === anchor.txid && coin.vout === anchor.vout
  const first = coins.find(isAnchor)
  assert(first !== undefined, 'a live batch holds its anchor')
  return [first, ...coins.filter(coin => !isAnchor(coin))]
}

/** The highest tip that the pool has ever written down; null before the first. */
export async function highestTip(
  db: Kysely<Database>,
): Promise<{ readonly height: number; readonly hash: BlockHash } | null> {
  const row = await db
    .selectFrom('tips')
    .select(['height', 'hash'])
    .orderBy('height', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { height: row.height, hash: blockHash(row.hash) } : null
}
