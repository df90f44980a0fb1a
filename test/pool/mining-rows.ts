import { createHash } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/lib/db/schema.ts'

/** A miner as the rows that stratum and payouts write. */
export type Miner = {
  readonly account: bigint
  readonly worker: bigint
  readonly session: bigint
  readonly extranonce1: Uint8Array
}

/** Pairs of from_ms and difficulty_log2. */
export type Steps = readonly (readonly [number, number])[]

/** Adds payee, account, an unnamed worker and a session, told apart by the number. */
export async function addMiner(
  db: Kysely<Database>,
  number: number,
  { scheme = 'pplns', steps = [[0, 4]] }: { scheme?: string; steps?: Steps } = {},
): Promise<Miner> {
  const payee = await db
    .insertInto('payees')
    .values({ kind: 'bitcoin', destination: `bcrt1qminer${number}`, created_ms: 0n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const account = await db
    .insertInto('accounts')
    .values({ payee_id: payee.id, scheme, created_ms: 0n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const worker = await db
    .insertInto('workers')
    .values({ account_id: account.id, name: '', created_ms: 0n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const extranonce1 = new Uint8Array(4)
  new DataView(extranonce1.buffer).setUint32(0, number)
  const session = await db
    .insertInto('sessions')
    .values({
      resume_token: hashOf(`token ${number}`).subarray(0, 8),
      extranonce1,
      scheme,
      account_id: account.id,
      host: '127.0.0.1',
      port: 3333,
      agent: 'test',
      difficulties: JSON.stringify(steps),
      opened_ms: 0n,
      last_seen_ms: 0n,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return { account: account.id, worker: worker.id, session: session.id, extranonce1 }
}

export type ShareToAdd = {
  readonly height: number
  readonly difficultyLog2: number
  readonly name: string
}

/**
 * Commits shares as stratum does: in one statement that holds the open epoch FOR SHARE.
 *
 * @param db a transaction, where the test decides when it commits
 * @returns the epoch that took them; null when none was open at that moment
 */
export async function commitShares(
  db: Kysely<Database>,
  miner: Miner,
  shares: readonly ShareToAdd[],
): Promise<bigint | null> {
  const { rows } = await sql<{ id: bigint | null }>`
    with open as (select id from epochs where closed_ms is null for share),
    added as (
      insert into shares (height, hash, epoch_id, account_id, worker_id, session_id, job_id,
                          difficulty_log2, header, extranonce2, received_ms)
      select height, hash, open.id, ${miner.account}::bigint, ${miner.worker}::bigint,
             ${miner.session}::bigint, 1, difficulty_log2, ${Buffer.alloc(80)}::bytea,
             ${Buffer.alloc(8)}::bytea, 0
        from open, unnest(${shares.map(share => share.height)}::integer[],
                          ${shares.map(share => hashOf(share.name))}::bytea[],
                          ${shares.map(share => share.difficultyLog2)}::smallint[])
               as share (height, hash, difficulty_log2)
      returning hash)
    select (select id from open) as id, (select count(*) from added)`.execute(db)
  return rows[0]?.id ?? null
}

/** Books a block as stratum does, in the open epoch. */
export async function addBlock(
  db: Kysely<Database>,
  miner: Miner,
  block: { readonly hash: string; readonly height: number; readonly scheme?: string },
): Promise<void> {
  await sql`
    insert into blocks (hash, height, epoch_id, session_id, account_id, scheme, value_sats, work,
                        found_ms, recovered)
    select ${block.hash}, ${block.height}::integer, id, ${miner.session}::bigint,
           ${miner.account}::bigint, ${block.scheme ?? 'pplns'}, 5000000000, 2, 0, false
      from (select id from epochs where closed_ms is null for share) as open`.execute(db)
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
