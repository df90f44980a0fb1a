import { type Kysely, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import { toHex } from '../lib/bytes.ts'
import { wholeNumbers } from '../lib/db/arrays.ts'
import type { Database } from '../lib/db/schema.ts'
import type { AccountId, BlockHash, JobId, SessionId, UnixMs, WorkerId } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import type { RejectReason } from '../statement/index.ts'
import type { PaidFinder } from './finder-coinbase.ts'
import type { Job } from './job.ts'
import { insertJobs } from './job-store.ts'
import { copyShares } from './share-copy-store.ts'

/** A row of `shares`, but for the epoch, which the commit finds out. */
export type ShareRow = {
  readonly height: number
  readonly hash: Uint8Array
  readonly accountId: AccountId
  readonly workerId: WorkerId
  readonly sessionId: SessionId
  readonly jobId: JobId
  readonly difficultyLog2: number
  readonly header: Uint8Array
  readonly extranonce2: Uint8Array
  readonly receivedAt: UnixMs
}

/** What one node said of a header that met the block target. */
export type CandidateRow = {
  readonly hash: BlockHash
  readonly node: string
  readonly height: number
  readonly jobId: JobId
  readonly sessionId: SessionId
  readonly answer: string
  readonly submittedAt: UnixMs
}

/** A block that a node accepted. It belongs to the epoch of the commit. */
export type BlockRow = {
  readonly hash: BlockHash
  readonly height: number
  readonly sessionId: SessionId
  readonly accountId: AccountId | null
  readonly scheme: string
  /** What its coinbase pays the pool. */
  readonly value: Sats
  readonly paid: PaidFinder | null
  /** Expected hashes of the block target. */
  readonly work: bigint
  readonly foundAt: UnixMs
}

/** Refused shares since the last flush. */
export type RejectRow = {
  readonly sessionId: SessionId
  readonly accountId: AccountId
  readonly workerId: WorkerId
  readonly reason: RejectReason
  readonly count: bigint
}

/** What is committed together. */
export type Group = {
  readonly jobs: readonly Job[]
  readonly shares: readonly ShareRow[]
  readonly candidates: readonly CandidateRow[]
  readonly blocks: readonly BlockRow[]
  readonly rejects: readonly RejectRow[]
}

export type GroupOutcome =
  | {
      readonly kind: 'committed'
      /** Shares that this commit did not add, since their hashes were there; mostly none. */
      readonly known: readonly ShareRow[]
    }
  /** The open epoch closed at that moment, or none is open yet: nothing was written. */
  | { readonly kind: 'no open epoch' }

/**
 * Commits a group. Shares alone are copied, or where that is refused go in one statement, which is
 * a transaction of its own; with anything else it is one transaction, jobs first. Each holds the
 * open epoch FOR SHARE, so that whoever closes it waits, and all that is written belongs to it.
 *
 * @param beforeCommit hears the id of a transaction of several statements, so that a lost reply can
 *   be looked up; it calls the whole thing off by throwing
 */
export async function commitGroup(
  db: Kysely<Database>,
  group: Group,
  beforeCommit: (transactionId: string) => void,
): Promise<GroupOutcome> {
  const { jobs, candidates, blocks, rejects } = group
  if (jobs.length + candidates.length + blocks.length + rejects.length === 0)
    return commitShares(db, group.shares)
  return db.transaction().execute(async transaction => {
    await insertJobs(transaction, jobs)
    const inserted = await insertShares(transaction, group.shares)
    if (inserted.epoch !== null) {
      await insertRejects(transaction, inserted.epoch, rejects)
      await insertBlocks(transaction, inserted.epoch, group)
    }
    beforeCommit(inserted.transactionId)
    return asOutcome(inserted, group.shares)
  })
}

async function commitShares(
  db: Kysely<Database>,
  shares: readonly ShareRow[],
): Promise<GroupOutcome> {
  const { kind } = await copyShares(db, shares)
  if (kind === 'committed') return { kind, known: [] }
  return kind === 'refused' ? asOutcome(await insertShares(db, shares), shares) : { kind }
}

/** SQLSTATE of a transaction id that the server has not given out: invalid_parameter_value. */
const FROM_THE_FUTURE = '22023'

/** What became of a transaction whose reply was lost; `in progress` until the server noticed. */
export async function transactionFate(
  db: Kysely<Database>,
  transactionId: string,
): Promise<'committed' | 'aborted' | 'in progress'> {
  try {
    const { rows } = await sql<{ status: 'committed' | 'aborted' | 'in progress' | null }>`
      select pg_xact_status(${transactionId}::xid8) as status`.execute(db)
    // Null is one too old to know, and ours is seconds old.
    return rows[0]?.status ?? 'in progress'
  } catch (error) {
    // A server that crashed, or took over from another, forgets ids of which nothing was on disk,
    // and to such a one nothing was committed.
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === FROM_THE_FUTURE) return 'aborted'
    throw error
  }
}

/** Of shares that were there already, those that these sessions brought: hex of their hashes. */
export async function findOwn(
  db: Kysely<Database>,
  shares: readonly ShareRow[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ hash: Buffer }>`
    select shares.hash
      from unnest(${column(shares, share => share.height)}::integer[],
                  ${column(shares, share => Buffer.from(share.hash))}::bytea[],
                  ${column(shares, share => share.sessionId)}::bigint[],
                  ${column(shares, share => share.receivedAt)}::bigint[])
             as ours (height, hash, session_id, received_ms)
      join shares using (height, hash, session_id, received_ms)`.execute(db)
  return new Set(rows.map(({ hash }) => hash.toString('hex')))
}

type Inserted = {
  readonly epoch: bigint | null
  readonly transactionId: string
  /** Null where all were added, so that a group without duplicates sends none back. */
  readonly hashes: readonly Buffer[] | null
}

async function insertShares(db: Kysely<Database>, shares: readonly ShareRow[]): Promise<Inserted> {
  const { rows } = await sql<Inserted>`
    with open as (select id from epochs where closed_ms is null for share),
    added as (
      insert into shares (height, hash, epoch_id, account_id, worker_id, session_id, job_id,
                          difficulty_log2, header, extranonce2, received_ms)
      select height, substr(${packed(shares, 32, share => share.hash)}::bytea, 32 * nth - 31, 32),
             open.id, account_id, worker_id, session_id, job_id, difficulty_log2,
             substr(${packed(shares, 80, share => share.header)}::bytea, 80 * nth - 79, 80),
             substr(${packed(shares, 8, share => share.extranonce2)}::bytea, 8 * nth - 7, 8),
             received_ms
        from open, unnest(
          ${wholeNumbers(shares, share => share.height)}::integer[],
          ${wholeNumbers(shares, share => share.accountId)}::bigint[],
          ${wholeNumbers(shares, share => share.workerId)}::bigint[],
          ${wholeNumbers(shares, share => share.sessionId)}::bigint[],
          ${wholeNumbers(shares, share => share.jobId)}::bigint[],
          ${wholeNumbers(shares, share => share.difficultyLog2)}::smallint[],
          ${wholeNumbers(shares, share => share.receivedAt)}::bigint[])
          with ordinality
          as share (height, account_id, worker_id, session_id, job_id,
                    difficulty_log2, received_ms, ordinal),
          lateral (select ordinal::integer as nth) as place
      on conflict do nothing
      returning hash)
    select (select id from open) as epoch,
           pg_current_xact_id()::text as "transactionId",
           case when (select count(*) from added) < ${shares.length}
                then array(select hash from added) end as hashes`.execute(db)
  const [row] = rows
  if (!row) throw new Error('a select without from gave no row')
  return row
}

async function insertRejects(
  db: Kysely<Database>,
  epoch: bigint,
  rejects: readonly RejectRow[],
): Promise<void> {
  if (rejects.length === 0) return
  await sql`
    insert into rejects (epoch_id, session_id, account_id, worker_id, reason, count)
    select ${epoch}::bigint, session_id, account_id, worker_id, reason, count
      from unnest(${column(rejects, reject => reject.sessionId)}::bigint[],
                  ${column(rejects, reject => reject.accountId)}::bigint[],
                  ${column(rejects, reject => reject.workerId)}::bigint[],
                  ${column(rejects, reject => reject.reason)}::text[],
                  ${column(rejects, reject => reject.count)}::bigint[])
             as reject (session_id, account_id, worker_id, reason, count)
    on conflict (epoch_id, session_id, worker_id, reason)
      do update set count = rejects.count + excluded.count`.execute(db)
}

async function insertBlocks(
  db: Kysely<Database>,
  epoch: bigint,
  { candidates, blocks }: Group,
): Promise<void> {
  for (const { submittedAt, jobId, sessionId, ...candidate } of candidates) {
    const ids = { job_id: jobId, session_id: sessionId, submitted_ms: BigInt(submittedAt) }
    await db
      .insertInto('block_candidates')
      .values({ ...candidate, ...ids })
      .onConflict(conflict => conflict.doNothing())
      .execute()
  }
  for (const block of blocks) {
    await db
      .insertInto('blocks')
      .values({
        hash: block.hash,
        height: block.height,
        epoch_id: epoch,
        session_id: block.sessionId,
        account_id: block.accountId,
        scheme: block.scheme,
        value_sats: block.value,
        finder_sats: block.paid?.amount ?? null,
        finder_fee_basis_points: block.paid?.feeBasisPoints ?? null,
        work: block.work,
        found_ms: BigInt(block.foundAt),
        recovered: false,
      })
      .onConflict(conflict => conflict.doNothing())
      .execute()
    // Wakes the accounting role, which closes the epoch; it looks by itself too.
    await sql`select pg_notify('blocks', ${block.hash})`.execute(db)
  }
}

function asOutcome({ epoch, hashes }: Inserted, shares: readonly ShareRow[]): GroupOutcome {
  if (epoch === null) return { kind: 'no open epoch' }
  if (hashes === null) return { kind: 'committed', known: [] }
  const added = new Set(hashes.map(toHex))
  return { kind: 'committed', known: shares.filter(({ hash }) => !added.has(toHex(hash))) }
}

function column<Row, Value>(rows: readonly Row[], of: (row: Row) => Value): Value[] {
  return rows.map(of)
}

/** Bytes one after another: the driver sends them as they are, not as hex that both sides spell. */
function packed(
  rows: readonly ShareRow[],
  width: number,
  of: (row: ShareRow) => Uint8Array,
): Buffer {
  const parts = rows.map(of)
  assert(
    parts.every(({ length }) => length === width),
    'packed bytes are cut by their length',
  )
  return Buffer.concat(parts)
}
