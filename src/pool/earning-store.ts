import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BlockHash, blockHash, digest, type EpochId, epochId } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { decodeWork, type HashedStatement, type WorkStatement } from '../statement/index.ts'
import type { Fate } from './fate.ts'

/** A change of a block's fate, with what payouts must know of the block. */
export type FateOfBlock = {
  readonly id: bigint
  readonly block: BlockHash
  /** 1 for the block's first fate. */
  readonly seq: number
  readonly fate: Fate
  readonly epoch: EpochId
  readonly height: number
  readonly value: Sats
}

/**
 * Fates after one, in the order in which they were decided.
 *
 * @param after the id of the last one known; 0 for the first
 */
export async function fatesAfter(
  db: Kysely<Database>,
  after: bigint,
  limit: number,
): Promise<readonly FateOfBlock[]> {
  const rows = await db
    .selectFrom('block_fates')
    .innerJoin('blocks', 'blocks.hash', 'block_fates.block_hash')
    .select(['block_fates.id', 'blocks.hash', 'seq', 'fate', 'epoch_id', 'height', 'value_sats'])
    .where('block_fates.id', '>', after)
    .orderBy('block_fates.id')
    .limit(limit)
    .execute()
  return rows.map(row => ({
    id: row.id,
    block: blockHash(row.hash),
    seq: row.seq,
    fate: row.fate,
    epoch: epochId(row.epoch_id),
    height: row.height,
    value: sats(row.value_sats),
  }))
}

/**
 * Work statements from one epoch back, newest first and without gaps.
 *
 * @returns none while that epoch has no statement yet
 */
export async function workBack(
  db: Kysely<Database>,
  from: EpochId,
  limit: number,
): Promise<readonly HashedStatement<WorkStatement>[]> {
  const rows = await db
    .selectFrom('work_statements')
    .select(['epoch_id', 'hash', 'bytes'])
    .where('epoch_id', '<=', from)
    .orderBy('epoch_id', 'desc')
    .limit(limit)
    .execute()
  if (rows[0]?.epoch_id !== from) return []
  return rows.map((row, index) => {
    assert(row.epoch_id === from - BigInt(index), 'every epoch before a stated one is stated')
    const reading = decodeWork(new Uint8Array(row.bytes))
    assert(reading.kind === 'statement', 'a stored statement can be read')
    return { statement: reading.statement, hash: digest(row.hash) }
  })
}
