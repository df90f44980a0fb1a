import { type Kysely, sql } from 'kysely'
import { z } from 'zod'
import { workFromTarget } from '../lib/bitcoin/target.ts'
import { fromHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  type SessionId,
  sessionId,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { UNKNOWN_SCHEME } from './count.ts'
import { type FinderTerms, payFinder, termsOf } from './finder-coinbase.ts'
import {
  type ChainBlock,
  type Claim,
  claimOf,
  creditedDifficulty,
  type DifficultyInForce,
  isFromJob,
  targetOfBlock,
} from './recovery.ts'
import { ensurePartition } from './retention-store.ts'

/** Jobs on one previous block that are compared with a block; beyond, its job counts as lost. */
const JOBS_COMPARED_MAX = 10_000
/** A header may be this far ahead. Source: Bitcoin Core, MAX_FUTURE_BLOCK_TIME. */
const HEADER_AHEAD_MS_MAX = 7_200_000
/** A share whose job was never stored. */
const LOST_JOB = 0n

type Lease = {
  readonly session: SessionId
  readonly account: AccountId | null
  readonly scheme: string
  readonly steps: readonly DifficultyInForce[]
  /** Null where its coinbases pay the pool. */
  readonly terms: FinderTerms | null
}

type StoredJob = { readonly id: bigint; readonly createdAt: UnixMs }

/**
 * Books a block of ours that nobody booked, with its share rebuilt, in the epoch that is open;
 * the block then closes it. Keys decide when another process books the same block meanwhile.
 *
 * @returns nothing was written when no epoch is open at that moment, or when the block, though in
 *   our layout, is a stranger's
 */
export async function bookRecovered(
  db: Kysely<Database>,
  block: ChainBlock,
): Promise<'booked' | 'no open epoch' | 'not ours'> {
  const named = await findLease(db, block)
  const claim = claimOf(block, named?.terms ?? null)
  if (claim === null) return 'not ours'
  const lease = claim.isUnexplained ? null : named
  const job = await findJob(db, block, lease?.terms ?? null)
  const target = targetOfBlock(block, await findTarget(db, block))
  await ensurePartition(db, block.height)
  return db.transaction().execute(async transaction => {
    const epoch = await transaction
      .selectFrom('epochs')
      .select('id')
      .where('closed_ms', 'is', null)
      .forShare()
      .executeTakeFirst()
    if (!epoch) return 'no open epoch'
    if (lease !== null && lease.account !== null) {
      const difficultyLog2 = creditedDifficulty(lease.steps, job?.createdAt ?? null, target)
      const worker = await unnamedWorker(transaction, lease.account, block.minedAt)
      await transaction
        .insertInto('shares')
        .values({
          height: block.height,
          hash: fromHex(block.hash),
          epoch_id: epoch.id,
          account_id: lease.account,
          worker_id: worker,
          session_id: lease.session,
          job_id: job?.id ?? LOST_JOB,
          difficulty_log2: difficultyLog2,
          header: block.header,
          extranonce2: block.extranonce2,
          received_ms: BigInt(block.minedAt),
        })
        .onConflict(conflict => conflict.doNothing())
        .execute()
    }
    await insertBlock(transaction, block, lease, { epoch: epoch.id, target, ...claim })
    return 'booked'
  })
}

async function insertBlock(
  db: Kysely<Database>,
  block: ChainBlock,
  lease: Lease | null,
  {
    epoch,
    target,
    value,
    paid,
  }: Omit<Claim, 'isUnexplained'> & { readonly epoch: bigint; readonly target: bigint },
): Promise<void> {
  await db
    .insertInto('blocks')
    .values({
      hash: block.hash,
      height: block.height,
      epoch_id: epoch,
      session_id: lease?.session ?? null,
      account_id: lease?.account ?? null,
      scheme: lease?.scheme ?? UNKNOWN_SCHEME,
      value_sats: value,
      finder_sats: paid?.amount ?? null,
      finder_fee_basis_points: paid?.feeBasisPoints ?? null,
      work: workFromTarget(target),
      found_ms: BigInt(block.minedAt),
      recovered: true,
    })
    .onConflict(conflict => conflict.doNothing())
    .execute()
  await sql`select pg_notify('blocks', ${block.hash})`.execute(db)
}

/** Who held the block's extranonce1 when it was made; null when no record says. */
async function findLease(db: Kysely<Database>, block: ChainBlock): Promise<Lease | null> {
  const row = await db
    .selectFrom('sessions')
    .select(['id', 'account_id', 'scheme', 'difficulties'])
    .select(['finder_script', 'finder_fee_basis_points'])
    .where('extranonce1', '=', Buffer.from(block.extranonce1))
    .where('opened_ms', '<=', BigInt(block.minedAt + HEADER_AHEAD_MS_MAX))
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!row) return null
  return {
    session: sessionId(row.id),
    account: row.account_id === null ? null : accountId(row.account_id),
    scheme: row.scheme,
    steps: difficulties.parse(row.difficulties),
    terms: termsOf(row),
  }
}

const difficulties = z
  .array(
    z
      .tuple([z.int().min(0), z.int()])
      .transform(([from, difficultyLog2]) => ({ from: unixMs(from), difficultyLog2 })),
  )
  .min(1)

async function findJob(
  db: Kysely<Database>,
  block: ChainBlock,
  terms: FinderTerms | null,
): Promise<StoredJob | null> {
  const rows = await db
    .selectFrom('jobs')
    .innerJoin('templates', 'templates.id', 'jobs.template_id')
    .select(['jobs.id', 'jobs.coinbase1', 'jobs.coinbase2', 'jobs.created_ms'])
    .select('witness_commitment')
    .where('templates.previous_block', '=', block.previousBlock)
    .orderBy('jobs.id')
    .limit(JOBS_COMPARED_MAX)
    .execute()
  const row = rows.find(({ coinbase1, coinbase2, witness_commitment: commitment }) => {
    const halves = { coinbase1, coinbase2 }
    return isFromJob(block, terms ? payFinder(halves, commitment !== null, terms) : halves)
  })
  return row ? { id: row.id, createdAt: unixMs(Number(row.created_ms)) } : null
}

async function findTarget(db: Kysely<Database>, block: ChainBlock): Promise<bigint | null> {
  const row = await db
    .selectFrom('templates')
    .select('target')
    .where('previous_block', '=', block.previousBlock)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? BigInt(`0x${row.target.toString('hex')}`) : null
}

/** A coinbase names the session, not the worker: its share counts for the account as a whole. */
async function unnamedWorker(
  db: Kysely<Database>,
  account: AccountId,
  now: UnixMs,
): Promise<bigint> {
  await db
    .insertInto('workers')
    .values({ account_id: account, name: '', created_ms: BigInt(now) })
    .onConflict(conflict => conflict.doNothing())
    .execute()
  const { id } = await db
    .selectFrom('workers')
    .select('id')
    .where('account_id', '=', account)
    .where('name', '=', '')
    .executeTakeFirstOrThrow()
  return id
}
