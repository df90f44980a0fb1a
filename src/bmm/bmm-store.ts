import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BlockHash, blockHash, type Txid, txid, type UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { Acceptance } from './read-block.ts'

/** A side block that a block of ours accepted, with what its bid paid. */
export type AcceptedBid = Acceptance & { readonly fee: Sats }

/** Blocks of ours that nobody has read yet, lowest first. */
export async function unreadBlocks(
  db: Kysely<Database>,
  limit: number,
): Promise<readonly BlockHash[]> {
  const rows = await db
    .selectFrom('blocks')
    .leftJoin('bmm_blocks', 'bmm_blocks.block_hash', 'blocks.hash')
    .select('blocks.hash')
    .where('bmm_blocks.block_hash', 'is', null)
    .orderBy('height')
    .orderBy('hash')
    .limit(limit)
    .execute()
  return rows.map(({ hash }) => blockHash(hash))
}

/** Writes what a block accepted. Whoever comes second finds it done and changes nothing. */
export async function recordAcceptances(
  db: Kysely<Database>,
  block: BlockHash,
  bids: readonly AcceptedBid[],
  now: UnixMs,
): Promise<void> {
  await db.transaction().execute(async transaction => {
    const { numInsertedOrUpdatedRows } = await transaction
      .insertInto('bmm_blocks')
      .values({ block_hash: block, read_ms: BigInt(now) })
      .onConflict(conflict => conflict.doNothing())
      .executeTakeFirst()
    if (numInsertedOrUpdatedRows !== 1n || bids.length === 0) return
    const rows = bids.map(({ slot, sideBlock, request, fee }) => ({
      ...{ block_hash: block, slot, side_block: sideBlock },
      ...{ request_txid: request, fee_sats: fee },
    }))
    await transaction.insertInto('bmm_bids').values(rows).execute()
    await sql`select pg_notify('fates', ${block})`.execute(transaction)
  })
}

/** What bids paid of a block's value; null until the block was read. */
export async function bidsPaid(db: Kysely<Database>, block: BlockHash): Promise<Sats | null> {
  const { rows } = await sql<{ paid: bigint }>`
    select coalesce((select sum(fee_sats) from bmm_bids where block_hash = ${block}), 0)::bigint
             as paid
      from bmm_blocks where block_hash = ${block}`.execute(db)
  const [row] = rows
  return row ? sats(row.paid) : null
}

/** An accepted bid as reports show it. */
export type BidReport = {
  readonly block: BlockHash
  readonly slot: number
  readonly sideBlock: string
  readonly request: Txid | null
  readonly fee: Sats
  /** Our own side block, for nothing: what has become of it. */
  readonly own: 'waiting' | 'connected' | null
}

/** What these blocks accepted, by slot. */
export async function bidsOfBlocks(
  db: Kysely<Database>,
  blocks: readonly BlockHash[],
): Promise<readonly BidReport[]> {
  if (blocks.length === 0) return []
  const rows = await db
    .selectFrom('bmm_bids')
    .leftJoin('side_blocks', 'side_blocks.side_block', 'bmm_bids.side_block')
    .select(['block_hash', 'bmm_bids.slot', 'bmm_bids.side_block', 'request_txid', 'fee_sats'])
    .select(['side_blocks.side_block as own', 'connected_ms'])
    .where('block_hash', 'in', [...blocks])
    .orderBy('block_hash')
    .orderBy('bmm_bids.slot')
    .execute()
  return rows.map(row => ({
    block: blockHash(row.block_hash),
    slot: row.slot,
    sideBlock: row.side_block,
    request: row.request_txid === null ? null : txid(row.request_txid),
    fee: sats(row.fee_sats),
    own: row.own === null ? null : row.connected_ms === null ? 'waiting' : 'connected',
  }))
}
