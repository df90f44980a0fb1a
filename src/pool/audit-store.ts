import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { digest, type EpochId, epochId } from '../lib/ids.ts'
import {
  type Complaint,
  checkWork,
  checkWorkLink,
  decodeWork,
  type HashedStatement,
  hashStatement,
  type WorkStatement,
} from '../statement/index.ts'
import { recountEpoch } from './statement-store.ts'
import { readTop } from './tip-store.ts'

/** A check names this many complaints and looks no further: the first ones tell enough. */
const COMPLAINTS_MAX = 100
/** Statements in memory at a time; those of large pools have megabytes. */
const STATEMENTS_PER_TURN = 5

type StatementRow = {
  readonly epoch: EpochId
  readonly hash: string
  readonly previousHash: string | null
  readonly bytes: Uint8Array
}

/**
 * Whether the work statements are one chain from the first epoch on: each has the hash of its
 * bytes, one spelling, right sums, and names the one before; and epochs follow without a gap.
 */
export async function auditWorkChain(db: Kysely<Database>): Promise<readonly Complaint[]> {
  const complaints: Complaint[] = [...(await findEpochGaps(db))]
  // Undefined where the one before could not be read, so that it is not complained of twice.
  let before: HashedStatement<WorkStatement> | null | undefined = null
  for await (const row of statements(db)) {
    const reading = decodeWork(row.bytes)
    const found = [...checkRow(row)]
    if (reading.kind === 'malformed') {
      found.push(reading.reason)
      before = undefined
    } else {
      const { statement } = reading
      if (statement.epoch !== row.epoch) found.push('epoch: not that of its row')
      if (statement.previous !== row.previousHash) found.push('previous: not that of its row')
      found.push(...checkWork(statement))
      if (before !== undefined) found.push(...checkWorkLink(statement, before))
      before = { statement, hash: digest(row.hash) }
    }
    complaints.push(...found.map(complaint => `epoch ${row.epoch}: ${complaint}`))
    if (complaints.length >= COMPLAINTS_MAX) break
  }
  return complaints.slice(0, COMPLAINTS_MAX)
}

function checkRow({ bytes, hash }: StatementRow): readonly Complaint[] {
  return hashStatement(bytes) === hash ? [] : ['hash: not that of its bytes']
}

async function* statements(db: Kysely<Database>): AsyncGenerator<StatementRow> {
  let last = 0n
  for (;;) {
    const rows = await db
      .selectFrom('work_statements')
      .select(['epoch_id', 'hash', 'previous_hash', 'bytes'])
      .where('epoch_id', '>', last)
      .orderBy('epoch_id')
      .limit(STATEMENTS_PER_TURN)
      .execute()
    for (const row of rows) {
      last = row.epoch_id
      const { hash, previous_hash: previousHash } = row
      yield { epoch: epochId(last), hash, previousHash, bytes: new Uint8Array(row.bytes) }
    }
    if (rows.length < STATEMENTS_PER_TURN) return
  }
}

async function findEpochGaps(db: Kysely<Database>): Promise<readonly Complaint[]> {
  const { rows } = await sql<{ id: bigint }>`
    select id from epochs as later
     where id > 1 and not exists (
       select from epochs where id = later.id - 1 and closed_ms = later.opened_ms)
     order by id limit ${COMPLAINTS_MAX}`.execute(db)
  return rows.map(({ id }) => `epoch ${id}: does not begin where epoch ${id - 1n} closed`)
}

/** What counting again found, and how many epochs it could not count. */
export type Recount = {
  readonly complaints: readonly Complaint[]
  /** Epochs whose shares were dropped as old as the configuration says. */
  readonly notKept: number
}

/**
 * Counts every epoch again whose shares are still kept, and compares the statement bit for bit.
 * The workers' work, from which hash rates come, is compared for all epochs.
 *
 * @param retentionBlocks shares below the tip by no more than that must be there
 */
export async function auditRecount(
  db: Kysely<Database>,
  retentionBlocks: number,
): Promise<Recount> {
  const complaints: Complaint[] = []
  const kept = await firstKeptHeight(db)
  const due = ((await readTop(db))?.height ?? 0) - retentionBlocks
  let notKept = 0
  for await (const { epoch, bytes } of statements(db)) {
    const reading = decodeWork(bytes)
    if (reading.kind === 'malformed') continue
    const { statement } = reading
    const worked = await readWorked(db, epoch)
    if (!isWorkOf(statement, worked.tallies))
      complaints.push(`epoch ${epoch}: workers' work differs`)
    const lowest = worked.lowest
    if (lowest === null || (kept !== null && lowest >= kept)) {
      complaints.push(...(await recount(db, statement)))
    } else if (lowest >= due) {
      complaints.push(`epoch ${epoch}: its shares are gone before their time`)
    } else notKept += 1
    if (complaints.length >= COMPLAINTS_MAX) break
  }
  return { complaints: complaints.slice(0, COMPLAINTS_MAX), notKept }
}

/** The first height whose shares are not dropped; null before the first partition is made. */
async function firstKeptHeight(db: Kysely<Database>): Promise<number | null> {
  const { rows } = await sql<{ first: number | null }>`
    select min(substring(relname from 'shares_(\\d+)$')::integer) as first
      from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'shares'::regclass`.execute(db)
  return rows[0]?.first ?? null
}

type Worked = {
  /** The lowest height that was worked on; null where nothing was. */
  readonly lowest: number | null
  readonly tallies: readonly { account: bigint; shares: bigint; work: bigint }[]
}

async function readWorked(db: Kysely<Database>, epoch: EpochId): Promise<Worked> {
  const { rows } = await sql<{ account: bigint; lowest: number; shares: bigint; work: bigint }>`
    select account_id as account, min(height) as lowest, sum(shares) as shares, sum(work) as work
      from worker_work where epoch_id = ${epoch} group by account_id order by account_id`.execute(
    db,
  )
  const lowest = rows.reduce<number | null>(
    (least, row) => Math.min(least ?? row.lowest, row.lowest),
    null,
  )
  return { lowest, tallies: rows }
}

function isWorkOf({ lines }: WorkStatement, tallies: Worked['tallies']): boolean {
  const worked = lines.filter(line => line.shares > 0n)
  return (
    worked.length === tallies.length &&
    worked.every(({ account, shares, work }, index) => {
      const tally = tallies[index]
      return tally?.account === account && tally.shares === shares && tally.work === work
    })
  )
}

/** The reward pools are the statement's own: the configuration may have changed since. */
async function recount(
  db: Kysely<Database>,
  statement: WorkStatement,
): Promise<readonly Complaint[]> {
  const { epoch, network } = statement
  const pools = new Map(statement.lines.map(line => [line.scheme, line.rewardPool]))
  const rewardPoolOf = (scheme: string) => pools.get(scheme) ?? scheme
  try {
    const outcome = await recountEpoch(db, { network, rewardPoolOf }, epoch)
    return outcome === 'equal' ? [] : [`epoch ${epoch}: its shares count to another statement`]
  } catch (error) {
    // Rows that contradict each other break what counting asserts; that is a finding, not a bug.
    return [`epoch ${epoch}: cannot be counted: ${error instanceof Error ? error.message : error}`]
  }
}
