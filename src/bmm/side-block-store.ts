import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BlockHash, blockHash, type UnixMs } from '../lib/ids.ts'

/** A side block of our own node, as it is kept. */
export type KeptSideBlock = {
  readonly slot: number
  /** Its hash: 64 hex digits in the order of the bytes. */
  readonly sideBlock: string
  /** The parent of the only main block that can carry it, and that block's height. */
  readonly previousBlock: BlockHash
  readonly height: number
  /** What the node takes back, as it gave it. */
  readonly body: string
}

/** A side block that a block of ours accepted, and our node has not connected yet. */
export type ToConnect = Pick<KeptSideBlock, 'sideBlock' | 'body'> & {
  readonly mainBlock: BlockHash
}

/** Keeps a side block; its hash may go into a job once this is done. */
export async function keepSideBlock(
  db: Kysely<Database>,
  { sideBlock, slot, previousBlock, height, body }: KeptSideBlock,
  now: UnixMs,
): Promise<void> {
  await db
    .insertInto('side_blocks')
    .values({
      ...{ side_block: sideBlock, slot, previous_block: previousBlock, height, body },
      made_ms: BigInt(now),
    })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/** What our node has still to connect from a height on, oldest first. */
export async function sideBlocksToConnect(
  db: Kysely<Database>,
  { fromHeight, limit }: { readonly fromHeight: number; readonly limit: number },
): Promise<readonly ToConnect[]> {
  const rows = await db
    .selectFrom('side_blocks')
    .innerJoin('bmm_bids', join =>
      join
        .onRef('bmm_bids.side_block', '=', 'side_blocks.side_block')
        .onRef('bmm_bids.slot', '=', 'side_blocks.slot'),
    )
    .select(['side_blocks.side_block', 'body', 'block_hash'])
    .where('connected_ms', 'is', null)
    .where('height', '>=', fromHeight)
    .orderBy('height')
    .orderBy('side_blocks.side_block')
    .limit(limit)
    .execute()
  return rows.map(row => ({
    sideBlock: row.side_block,
    body: row.body,
    mainBlock: blockHash(row.block_hash),
  }))
}

export async function markConnected(
  db: Kysely<Database>,
  sideBlock: string,
  now: UnixMs,
): Promise<void> {
  await db
    .updateTable('side_blocks')
    .set({ connected_ms: BigInt(now) })
    .where('side_block', '=', sideBlock)
    .where('connected_ms', 'is', null)
    .execute()
}

/** Forgets side blocks for heights below one that no block of ours accepted. */
export async function dropSideBlocks(db: Kysely<Database>, belowHeight: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('side_blocks')
    .where('height', '<', belowHeight)
    .where(eb =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('bmm_bids')
            .select('slot')
            .whereRef('bmm_bids.side_block', '=', 'side_blocks.side_block'),
        ),
      ),
    )
    .executeTakeFirst()
  return Number(numDeletedRows)
}
