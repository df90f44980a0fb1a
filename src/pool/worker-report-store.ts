import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, accountId, type EpochId, type WorkerId, workerId } from '../lib/ids.ts'
import { REPORT_ROWS_MAX } from './report-store.ts'

/** A worker and what it did in a run of epochs; rejects only by reasons that occurred. */
export type WorkerReport = {
  readonly worker: WorkerId
  readonly account: AccountId
  /** Empty where the miner gave none. */
  readonly name: string
  readonly shares: bigint
  readonly work: bigint
  readonly rejects: Readonly<Record<string, bigint>>
}

/**
 * Workers of some accounts in the order of their ids.
 *
 * @param after only workers with a greater id
 * @param epochs first and last, both counted; null where nothing was closed of late
 */
export async function listWorkers(
  db: Kysely<Database>,
  options: {
    readonly accounts: readonly AccountId[]
    readonly after: WorkerId | null
    readonly limit: number
    readonly epochs: { readonly first: EpochId; readonly last: EpochId } | null
  },
): Promise<readonly WorkerReport[]> {
  const { accounts, after, limit } = options
  const [first, last] = [options.epochs?.first ?? 0n, options.epochs?.last ?? 0n]
  const { rows } = await sql<{
    id: bigint
    account: bigint
    name: string
    shares: bigint
    work: bigint
    rejects: Record<string, string> | null
  }>`
    with page as materialized (
      select id, account_id, name from workers
       where account_id = any(${accounts}::bigint[]) and id > ${after ?? 0n}::bigint
       order by id limit ${Math.min(limit, REPORT_ROWS_MAX)}
    ), worked as (
      select worker_id, sum(shares)::numeric as shares, sum(work) as work from worker_work
       where epoch_id between ${first}::bigint and ${last}::bigint
         and worker_id in (select id from page)
       group by worker_id
    ), refused as (
      select worker_id, jsonb_object_agg(reason, count::text) as rejects
        from (select worker_id, reason, sum(count) as count from rejects
               where account_id = any(${accounts}::bigint[])
                 and epoch_id >= ${first}::bigint and worker_id in (select id from page)
               group by worker_id, reason) by_reason
       group by worker_id
    )
    select page.id, page.account_id as account, page.name,
           coalesce(worked.shares, 0) as shares, coalesce(worked.work, 0) as work,
           refused.rejects
      from page left join worked on worked.worker_id = page.id
                left join refused on refused.worker_id = page.id
     order by page.id`.execute(db)
  return rows.map(row => ({
    worker: workerId(row.id),
    account: accountId(row.account),
    name: row.name,
    shares: row.shares,
    work: row.work,
    rejects: Object.fromEntries(
      Object.entries(row.rejects ?? {}).map(([reason, count]) => [reason, BigInt(count)]),
    ),
  }))
}
