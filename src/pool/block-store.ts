import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BlockHash, blockHash, type UnixMs } from '../lib/ids.ts'
import { type Fate, nextFate, ORPHAN_WATCH_BLOCKS } from './fate.ts'
import { lockChain, readTop } from './tip-store.ts'

/** A block of ours got another fate. */
export type FateChange = {
  readonly hash: BlockHash
  readonly height: number
  readonly fate: Fate
  /** 1 for its first fate. */
  readonly seq: number
}

/** Fates that one block can get at one look: found, and orphaned at once. */
const STEPS_MAX = 2

/** Whether a block of ours is booked. */
export async function hasBlock(db: Kysely<Database>, hash: BlockHash): Promise<boolean> {
  const row = await db
    .selectFrom('blocks')
    .select('hash')
    .where('hash', '=', hash)
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Holds every block of ours whose fate is open against the main chain as last seen, and writes
 * what changed, with a notification on the channel `fates` for each. Harmless when repeated; one
 * transaction at a time writes, so that fates become visible in the order of their ids.
 */
export async function judgeBlocks(
  db: Kysely<Database>,
  orphanDepth: number,
  now: UnixMs,
): Promise<readonly FateChange[]> {
  return db.transaction().execute(async transaction => {
    await lockChain(transaction)
    const top = await readTop(transaction)
    if (top === null) return []
    const open = await readOpenFates(transaction, top.height)
    const changes = open.flatMap(block => changesOf(block, top.height, orphanDepth))
    for (const change of changes) await insertFate(transaction, change, top.height, now)
    return changes
  })
}

type OpenFate = {
  readonly hash: BlockHash
  readonly height: number
  readonly fate: Fate | null
  readonly seq: number
  readonly hashThere: BlockHash | null
}

function changesOf(block: OpenFate, tipHeight: number, orphanDepth: number): FateChange[] {
  const { hash, height, hashThere } = block
  const changes: FateChange[] = []
  let { fate, seq } = block
  for (let step = 0; step < STEPS_MAX; step++) {
    const next = nextFate(fate, block, { tipHeight, hashThere }, orphanDepth)
    if (next === null) break
    fate = next
    seq += 1
    changes.push({ hash, height, fate, seq })
  }
  return changes
}

async function readOpenFates(db: Kysely<Database>, tipHeight: number): Promise<OpenFate[]> {
  const { rows } = await sql<{
    hash: string
    height: number
    fate: Fate | null
    seq: number | null
    there: string | null
  }>`
    select blocks.hash, blocks.height, last.fate, last.seq, tips.hash as there
      from blocks
      left join lateral (
        select fate, seq from block_fates
         where block_hash = blocks.hash order by seq desc limit 1) last on true
      left join tips on tips.height = blocks.height
     where last.fate is null or last.fate = 'found'
        or (last.fate = 'orphaned' and blocks.height > ${tipHeight - ORPHAN_WATCH_BLOCKS}::integer)
     order by blocks.height, blocks.hash`.execute(db)
  return rows.map(row => ({
    hash: blockHash(row.hash),
    height: row.height,
    fate: row.fate,
    seq: row.seq ?? 0,
    hashThere: row.there === null ? null : blockHash(row.there),
  }))
}

async function insertFate(
  db: Kysely<Database>,
  { hash, fate, seq }: FateChange,
  tipHeight: number,
  now: UnixMs,
): Promise<void> {
  await db
    .insertInto('block_fates')
    .values({
      block_hash: hash,
      seq,
      fate,
      tip_height: tipHeight,
      decided_ms: BigInt(now),
    })
    .execute()
  await sql`select pg_notify('fates', ${hash})`.execute(db)
}
