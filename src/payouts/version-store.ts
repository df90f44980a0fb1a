import type { Kysely, Transaction } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { BatchState, Database } from '../lib/db/schema.ts'
import {
  type BatchId,
  type BlockHash,
  batchId,
  blockHash,
  type Txid,
  txid,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { Outpoint } from './outpoint.ts'
import type { Coin, Lease } from './rail.ts'

/** Versions of one batch; one that would be more waits instead. */
export const VERSIONS_MAX = 50

/** One exact transaction of a batch. */
export type Version = {
  readonly version: number
  readonly txid: Txid
  readonly fee: Sats
  /** What is to be signed: a PSBT (BIP 174) on the main chain, a transaction in Borsh on Thunder. */
  readonly unsigned: Uint8Array
  /** What it spends, the anchor first. */
  readonly coins: readonly Outpoint[]
  readonly createdAt: UnixMs
  /** The signed bytes, as they are sent; null while only the intent is stored. */
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
  const coins = await db
    .selectFrom('version_coins')
    .select(['version', 'txid', 'vout'])
    .where('batch_id', '=', batch)
    .orderBy('version')
    .orderBy('input')
    .execute()
  const spent = Map.groupBy(coins, coin => coin.version)
  return rows.map(row => ({
    version: row.version,
    txid: txid(row.txid),
    fee: sats(row.fee_sats),
    unsigned: new Uint8Array(row.unsigned),
    coins: (spent.get(row.version) ?? []).map(coin => ({ ...coin, txid: txid(coin.txid) })),
    createdAt: unixMs(Number(row.created_ms)),
    raw: row.raw === null ? null : new Uint8Array(row.raw),
  }))
}

/**
 * For a child that pays for its parent: the parent's versions other than the one whose change it
 * spends. Where one of them is on the chain, the child can never be.
 */
export async function siblingsOf(
  db: Kysely<Database>,
  batch: BatchId,
  anchor: Txid,
): Promise<Version[]> {
  const row = await db
    .selectFrom('batches')
    .select('parent_id')
    .where('id', '=', batch)
    .executeTakeFirst()
  if (row?.parent_id == null) return []
  const versions = await versionsOf(db, batchId(row.parent_id))
  return versions.filter(version => version.txid !== anchor)
}

/** Whether a child's parent is proven never to confirm. False for a batch that is no child. */
export async function isParentReleased(db: Kysely<Database>, batch: BatchId): Promise<boolean> {
  const row = await db
    .selectFrom('batches')
    .innerJoin('batches as parent', 'parent.id', 'batches.parent_id')
    .select('parent.state')
    .where('batches.id', '=', batch)
    .executeTakeFirst()
  return row?.state === 'released'
}

/** Blocks that the pool has seen since a version was made. */
export async function blocksSince(db: Kysely<Database>, at: UnixMs): Promise<number> {
  const row = await db
    .selectFrom('tips')
    .select(eb => eb.fn.countAll<bigint>().as('count'))
    .where('seen_ms', '>', BigInt(at))
    .executeTakeFirstOrThrow()
  return Number(row.count)
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
  from: readonly BatchState[],
): Promise<boolean> {
  assert(version.version <= VERSIONS_MAX, 'whoever makes a version counts them first')
  return db.transaction().execute(async tx => {
    const row = await tx
      .selectFrom('batches')
      .select(['fence', 'state'])
      .where('id', '=', lease.batch)
      .forUpdate()
      .executeTakeFirst()
    if (row?.fence !== lease.fence || !from.includes(row.state)) return false
    await tx
      .insertInto('batch_versions')
      .values({
        batch_id: lease.batch,
        version: version.version,
        txid: version.txid,
        unsigned: version.unsigned,
        raw: null,
        fee_sats: version.fee,
        created_ms: BigInt(version.createdAt),
      })
      .execute()
    await tx
      .insertInto('version_coins')
      .values(
        version.coins.map(({ txid, vout }, input) => ({
          ...{ batch_id: lease.batch, version: version.version },
          ...{ input, txid, vout },
        })),
      )
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

/** Those of the transactions that are versions of a batch of ours, signed or about to be. */
export async function versionsAmong(
  db: Kysely<Database>,
  ids: readonly Txid[],
): Promise<ReadonlySet<Txid>> {
  if (ids.length === 0) return new Set()
  const rows = await db
    .selectFrom('batch_versions')
    .select('txid')
    .where('txid', 'in', [...ids])
    .execute()
  return new Set(rows.map(row => txid(row.txid)))
}
