import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { Complaint } from '../statement/index.ts'

/** A check names this many complaints and looks no further: the first ones tell enough. */
const COMPLAINTS_MAX = 100

/**
 * Whether every row that shares, rejects and block candidates name is there, where the database
 * itself does not see to it: a foreign key would be checked at every share. A share's worker and
 * session must be its account's too. Job 0 stands for a job that a crash lost.
 */
export async function auditReferences(db: Kysely<Database>): Promise<readonly Complaint[]> {
  const complaints: Complaint[] = [...(await findForeignEpochs(db))]
  const epochs = await db.selectFrom('epochs').select('id').orderBy('id').execute()
  for (const { id } of epochs) {
    const named = sql`select distinct account_id, worker_id, session_id, job_id
                        from shares where epoch_id = ${id}::bigint`
    complaints.push(...(await findDangling(db, `a share of epoch ${id}`, named)))
    if (complaints.length >= COMPLAINTS_MAX) break
  }
  const rejects = sql`select distinct account_id, worker_id, session_id, 0 as job_id from rejects`
  complaints.push(...(await findDangling(db, 'a reject', rejects)))
  complaints.push(...(await findForeignCandidates(db)), ...(await findUnpromisedPaid(db)))
  return complaints.slice(0, COMPLAINTS_MAX)
}

/** A coinbase pays its finder only by the terms of its session, which never change. */
async function findUnpromisedPaid(db: Kysely<Database>): Promise<readonly Complaint[]> {
  const { rows } = await sql<{ hash: string }>`
    select hash from blocks as block
     where finder_sats is not null and not exists (
       select from sessions where id = session_id and account_id = block.account_id
          and finder_fee_basis_points = block.finder_fee_basis_points)
     order by hash limit ${COMPLAINTS_MAX}`.execute(db)
  return rows.map(({ hash }) => `block ${hash}: paid its finder, which its session does not say`)
}

/** @param named rows of account, worker, session and job that are named together */
async function findDangling(
  db: Kysely<Database>,
  what: string,
  named: RawBuilder<unknown>,
): Promise<readonly Complaint[]> {
  const { rows } = await sql<{ kind: string; id: bigint }>`
    with named as materialized (${named})
    select distinct 'account' as kind, account_id as id from named
     where not exists (select from accounts where id = account_id)
    union all
    select distinct 'worker', worker_id from named
     where not exists (
       select from workers where id = worker_id and workers.account_id = named.account_id)
    union all
    select distinct 'session', session_id from named
     where not exists (
       select from sessions where id = session_id and sessions.account_id = named.account_id)
    union all
    select distinct 'job', job_id from named
     where job_id <> 0 and not exists (select from jobs where id = job_id)
    limit ${COMPLAINTS_MAX}`.execute(db)
  return rows.map(({ kind, id }) => `${what} names ${kind} ${id}, which is missing or another's`)
}

/** Epochs have no gaps, so whatever lies outside them is beyond their ends. */
async function findForeignEpochs(db: Kysely<Database>): Promise<readonly Complaint[]> {
  const { rows } = await sql<{ kind: string; id: bigint }>`
    with known as (select coalesce(max(id), 0) as last from epochs)
    select distinct 'share' as kind, epoch_id as id from shares, known
     where epoch_id < 1 or epoch_id > last
    union all
    select distinct 'reject', epoch_id from rejects, known where epoch_id < 1 or epoch_id > last
    limit ${COMPLAINTS_MAX}`.execute(db)
  return rows.map(({ kind, id }) => `a ${kind} names epoch ${id}, which is missing`)
}

async function findForeignCandidates(db: Kysely<Database>): Promise<readonly Complaint[]> {
  const { rows } = await sql<{ hash: string }>`
    select distinct hash from block_candidates as candidate
     where not exists (select from sessions where id = session_id)
        or (job_id <> 0 and not exists (select from jobs where id = job_id))
     limit ${COMPLAINTS_MAX}`.execute(db)
  return rows.map(({ hash }) => `block candidate ${hash}: its session or job is missing`)
}
