import { type Kysely, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import { equalBytes } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  blockHash,
  type Digest,
  digest,
  type EpochId,
  epochId,
  type UnixMs,
  unixMs,
  workerId,
} from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import {
  encodeWork,
  type FinderPaid,
  hashStatement,
  REJECT_REASONS,
  type RejectReason,
  verifyWork,
} from '../statement/index.ts'
import {
  type AccountFacts,
  type BookedBlock,
  type ClosedEpoch,
  countWork,
  countWorkers,
  type RejectCount,
  type SharesOfWorker,
  type WorkOfWorker,
} from './count.ts'

/** What a statement needs to know that stands in no table. */
export type StatementContext = {
  readonly network: string
  /** Throws for a scheme that the configuration does not know: its work cannot be stated. */
  readonly rewardPoolOf: (scheme: string) => string
}

/**
 * Writes the statement of the oldest closed epoch that has none, chained to the one before.
 * One writer at a time; a crash before the commit leaves it to the next call.
 *
 * @returns the epoch stated, or null when all closed epochs are
 */
export async function writeNextStatement(
  db: Kysely<Database>,
  context: StatementContext,
  now: UnixMs,
): Promise<EpochId | null> {
  return db.transaction().execute(async transaction => {
    await sql`select pg_advisory_xact_lock(hashtext('work_statements'))`.execute(transaction)
    const before = await transaction
      .selectFrom('work_statements')
      .select(['epoch_id', 'hash'])
      .orderBy('epoch_id', 'desc')
      .limit(1)
      .executeTakeFirst()
    const epoch = await readClosedEpoch(transaction, epochId((before?.epoch_id ?? 0n) + 1n))
    if (epoch === null) return null
    const previous = before ? digest(before.hash) : null
    const { bytes, workers } = await buildStatement(transaction, context, epoch, previous)
    await transaction
      .insertInto('work_statements')
      .values({
        epoch_id: epoch.id,
        hash: hashStatement(bytes),
        previous_hash: previous,
        bytes,
        created_ms: BigInt(now),
      })
      .execute()
    await insertWorkers(transaction, epoch.id, workers)
    await sql`select pg_notify('epochs', ${epoch.id.toString()})`.execute(transaction)
    return epoch.id
  })
}

/**
 * Builds an epoch's statement again from its shares and compares the bytes.
 * After the shares' retention it differs, since there is nothing left to count.
 */
export async function recountEpoch(
  db: Kysely<Database>,
  context: StatementContext,
  epoch: EpochId,
): Promise<'equal' | 'differs' | 'no statement'> {
  const stored = await db
    .selectFrom('work_statements')
    .select(['bytes', 'previous_hash'])
    .where('epoch_id', '=', epoch)
    .executeTakeFirst()
  const closed = await readClosedEpoch(db, epoch)
  if (!stored || !closed) return 'no statement'
  const previous = stored.previous_hash === null ? null : digest(stored.previous_hash)
  const { bytes } = await buildStatement(db, context, closed, previous)
  return equalBytes(bytes, stored.bytes) ? 'equal' : 'differs'
}

async function buildStatement(
  db: Kysely<Database>,
  context: StatementContext,
  epoch: ClosedEpoch,
  previous: Digest | null,
): Promise<{ bytes: Uint8Array; workers: WorkOfWorker[] }> {
  const shares = await readShares(db, epoch.id)
  const rejects = await readRejects(db, epoch.id)
  const ids = [...new Set([...shares, ...rejects].map(row => row.account))]
  const accounts = await readAccounts(db, ids)
  const blocks = await readBlocks(db, epoch.id)
  const statement = countWork({ ...context, epoch, shares, rejects, accounts, blocks, previous })
  const complaints = verifyWork(statement, shares)
  assert(complaints.length === 0, `a statement of ours keeps its rules: ${complaints.join('; ')}`)
  return { bytes: encodeWork(statement), workers: countWorkers(shares) }
}

async function readClosedEpoch(db: Kysely<Database>, id: EpochId): Promise<ClosedEpoch | null> {
  const row = await db.selectFrom('epochs').selectAll().where('id', '=', id).executeTakeFirst()
  if (!row || row.closed_ms === null || row.close_reason === null) return null
  return {
    id: epochId(row.id),
    openedAt: unixMs(Number(row.opened_ms)),
    closedAt: unixMs(Number(row.closed_ms)),
    closeReason: row.close_reason,
    blockTarget: BigInt(`0x${row.block_target.toString('hex')}`),
    subsidy: sats(row.subsidy_sats),
  }
}

/** Counted by the database: rows come back by worker, height and difficulty, not by share. */
async function readShares(db: Kysely<Database>, epoch: EpochId): Promise<SharesOfWorker[]> {
  const rows = await db
    .selectFrom('shares')
    .select(['account_id', 'worker_id', 'height', 'difficulty_log2'])
    .select(eb => eb.fn.countAll<bigint>().as('count'))
    .where('epoch_id', '=', epoch)
    .groupBy(['account_id', 'worker_id', 'height', 'difficulty_log2'])
    .execute()
  return rows.map(row => ({
    account: accountId(row.account_id),
    worker: workerId(row.worker_id),
    height: row.height,
    difficultyLog2: row.difficulty_log2,
    shares: row.count,
  }))
}

async function readRejects(db: Kysely<Database>, epoch: EpochId): Promise<RejectCount[]> {
  const rows = await db
    .selectFrom('rejects')
    .select(['account_id', 'reason', 'count'])
    .where('epoch_id', '=', epoch)
    .execute()
  return rows.map(row => ({
    account: accountId(row.account_id),
    reason: asReason(row.reason),
    count: row.count,
  }))
}

function asReason(text: string): RejectReason {
  const reason = REJECT_REASONS.find(each => each === text)
  assert(reason !== undefined, 'a stored reject has a known reason')
  return reason
}

async function readAccounts(
  db: Kysely<Database>,
  ids: readonly AccountId[],
): Promise<AccountFacts[]> {
  const rows = await db
    .selectFrom('accounts')
    .innerJoin('payees', 'payees.id', 'accounts.payee_id')
    .select(['accounts.id', 'accounts.scheme', 'payees.destination'])
    // One parameter for all of them: a list of parameters would end at 65,535 accounts.
    .where(sql<boolean>`accounts.id = any(${[...ids]}::bigint[])`)
    .execute()
  return rows.map(row => ({
    account: accountId(row.id),
    payee: row.destination,
    scheme: row.scheme,
  }))
}

async function readBlocks(db: Kysely<Database>, epoch: EpochId): Promise<BookedBlock[]> {
  const rows = await db
    .selectFrom('blocks')
    .leftJoin('accounts', 'accounts.id', 'blocks.account_id')
    .leftJoin('payees', 'payees.id', 'accounts.payee_id')
    .select(['hash', 'height', 'blocks.scheme', 'blocks.account_id', 'value_sats'])
    .select(['finder_sats', 'finder_fee_basis_points', 'payees.destination'])
    .where('epoch_id', '=', epoch)
    .execute()
  return rows.map(row => ({
    hash: blockHash(row.hash),
    height: row.height,
    scheme: row.scheme,
    finder: row.account_id === null ? null : accountId(row.account_id),
    value: sats(row.value_sats),
    paid: paidOf(row),
  }))
}

function paidOf(row: {
  readonly finder_sats: bigint | null
  readonly finder_fee_basis_points: number | null
  readonly destination: string | null
}): FinderPaid | null {
  const { finder_sats: amount, finder_fee_basis_points: feeBasisPoints, destination } = row
  if (amount === null || feeBasisPoints === null) return null
  assert(destination !== null, 'who was paid in a coinbase has an account')
  return { payee: destination, amount: sats(amount), feeBasisPoints }
}

async function insertWorkers(
  db: Kysely<Database>,
  epoch: EpochId,
  workers: readonly WorkOfWorker[],
): Promise<void> {
  await sql`
    insert into worker_work (epoch_id, height, worker_id, account_id, shares, work)
    select ${epoch}::bigint, height, worker_id, account_id, shares, work
      from unnest(${workers.map(row => row.height)}::integer[],
                  ${workers.map(row => row.worker)}::bigint[],
                  ${workers.map(row => row.account)}::bigint[],
                  ${workers.map(row => row.shares)}::bigint[],
                  ${workers.map(row => row.work)}::numeric[])
             as row (height, worker_id, account_id, shares, work)`.execute(db)
}
