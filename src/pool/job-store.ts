import { type Kysely, sql } from 'kysely'
import { targetHex } from '../lib/bitcoin/target.ts'
import { fromHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import { blockHash, type JobId, jobId, type UnixMs, unixMs } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import { type Job, jobFrom } from './job.ts'
import { JOB_RETENTION_MS, JOBS_MAX } from './live-jobs.ts'
import type { TemplateFacts } from './template.ts'

/** As many jobs as can be live; of older ones a restart knows no more than a process that ran on. */
const JOBS_RESTORED_MAX = JOBS_MAX

/** The next run: ids that this process makes begin with it, so they repeat no other's. */
export async function leaseRun(db: Kysely<Database>): Promise<bigint> {
  const { rows } = await sql<{ run: bigint }>`select nextval('stratum_runs') as run`.execute(db)
  const [row] = rows
  if (!row) throw new Error('the sequence stratum_runs gave no value')
  return row.run
}

/**
 * Writes jobs with their templates, as far as they are not there yet, and makes the partition that
 * their shares go to.
 *
 * @param db a transaction, so that a job is there before the first share on it
 */
export async function insertJobs(db: Kysely<Database>, jobs: readonly Job[]): Promise<void> {
  const templates = new Map(jobs.map(job => [job.templateId, job]))
  for (const { templateId, template, createdAt } of templates.values()) {
    await sql`select ensure_share_partition(${template.height}::integer)`.execute(db)
    await db
      .insertInto('templates')
      .values(templateRow(templateId, template, createdAt))
      .onConflict(conflict => conflict.doNothing())
      .execute()
  }
  if (jobs.length === 0) return
  const rows = jobs.map(job => ({
    id: job.id,
    template_id: job.templateId,
    coinbase1: job.coinbase1,
    coinbase2: job.coinbase2,
    created_ms: BigInt(job.createdAt),
  }))
  await db
    .insertInto('jobs')
    .values(rows)
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/**
 * The jobs, of all processes, that shares may still name, oldest first.
 *
 * @param known jobs that are not read again, each with a block's transactions
 */
export async function restoreJobs(
  db: Kysely<Database>,
  now: UnixMs,
  known: readonly JobId[] = [],
): Promise<Job[]> {
  const rows = await db
    .selectFrom('jobs')
    .innerJoin('templates', 'templates.id', 'jobs.template_id')
    .selectAll('templates')
    .select(['jobs.id as job_id', 'coinbase1', 'coinbase2', 'created_ms'])
    .where('created_ms', '>', BigInt(now - JOB_RETENTION_MS))
    .where('transactions', 'is not', null)
    .where(sql<boolean>`jobs.id <> all(${known}::bigint[])`)
    .orderBy('created_ms', 'desc')
    .limit(JOBS_RESTORED_MAX)
    .execute()
  // Jobs of one template share its facts, as they did before.
  const templates = new Map<bigint, TemplateFacts>()
  const jobs = rows.map(row => {
    const template = templates.get(row.id) ?? templateOf(row)
    templates.set(row.id, template)
    return jobFrom({
      id: jobId(row.job_id),
      templateId: row.id,
      template,
      coinbase1: new Uint8Array(row.coinbase1),
      coinbase2: new Uint8Array(row.coinbase2),
      cleanJobs: false,
      createdAt: unixMs(Number(row.created_ms)),
    })
  })
  return jobs.reverse()
}

/** Hashes of accepted shares at the heights of live jobs, for the first gate against duplicates. */
export async function restoreHashes(
  db: Kysely<Database>,
  heights: readonly number[],
  add: (height: number, hash: Uint8Array) => unknown,
): Promise<void> {
  if (heights.length === 0) return
  const shares = db
    .selectFrom('shares')
    .select(['height', 'hash'])
    .where('height', 'in', [...heights])
    .orderBy('height')
    .orderBy('hash')
  let last: { height: number; hash: Buffer } | undefined
  // Page by page along the key, so that ten minutes of a large pool never lie in memory twice.
  do {
    const after = last
    const page = after
      ? shares.where(sql<boolean>`(height, hash) > (${after.height}, ${after.hash})`)
      : shares
    const rows = await page.limit(HASHES_PER_PAGE).execute()
    for (const { height, hash } of rows) add(height, hash)
    last = rows.length === HASHES_PER_PAGE ? rows.at(-1) : undefined
  } while (last)
}

const HASHES_PER_PAGE = 20_000

function templateRow(id: bigint, template: TemplateFacts, receivedAt: UnixMs) {
  return {
    id,
    height: template.height,
    previous_block: template.previousBlock,
    version: BigInt(template.version),
    bits: BigInt(template.bits),
    target: fromHex(targetHex(template.target)),
    min_time: BigInt(template.minTime),
    cur_time: BigInt(template.curTime),
    value_sats: template.value,
    subsidy_sats: template.subsidy,
    merkle_branches: template.branches.map(branch => Buffer.from(branch)),
    witness_commitment: template.witnessCommitment,
    transactions: template.blockTransactions,
    received_ms: BigInt(receivedAt),
  }
}

type TemplateRow = {
  readonly height: number
  readonly previous_block: string
  readonly version: bigint
  readonly bits: bigint
  readonly target: Buffer
  readonly min_time: bigint
  readonly cur_time: bigint
  readonly value_sats: bigint
  readonly subsidy_sats: bigint
  readonly merkle_branches: readonly Buffer[]
  readonly witness_commitment: Buffer | null
  readonly transactions: Buffer | null
}

function templateOf(row: TemplateRow): TemplateFacts {
  const { witness_commitment: commitment, transactions } = row
  return {
    height: row.height,
    previousBlock: blockHash(row.previous_block),
    version: Number(row.version),
    bits: Number(row.bits),
    target: BigInt(`0x${row.target.toString('hex')}`),
    minTime: Number(row.min_time),
    curTime: Number(row.cur_time),
    value: sats(row.value_sats),
    subsidy: sats(row.subsidy_sats),
    branches: row.merkle_branches.map(branch => new Uint8Array(branch)),
    witnessCommitment: commitment && new Uint8Array(commitment),
    blockTransactions: new Uint8Array(transactions ?? []),
  }
}
