import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, accountId, type UnixMs, unixMs } from '../lib/ids.ts'
import { type Moment, type NextPayment, nextPayment, type Scheme } from './scheme.ts'

/**
 * When the interval of an account `a` began, as height and time: at the planning of its last
 * unreleased payout, or else at its first credit. No row before that.
 */
export const INTERVAL_BEGAN = sql`(
  select coalesce(last.height, first.height) as height, coalesce(last.at, first.at) as at
    from (select r.height, r.created_ms as at from reward_lines rl
            join reward_statements r on r.number = rl.statement_number
           where rl.account_id = a.id order by rl.statement_number limit 1) first
    full join (select planned_height as height, planned_ms as at from payouts
                where account_id = a.id and state <> 'released'
                order by id desc limit 1) last on true
)`

/**
 * When accounts are due at the earliest, if their balances then reach the minimum: an interval
 * after the planning of the last unreleased payout, or after the first credit.
 *
 * @returns no entry for an account without a credit, or of a scheme that is no longer offered
 */
export async function nextPaymentsOf(
  db: Kysely<Database>,
  schemes: readonly Scheme[],
  accounts: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, NextPayment>> {
  const { rows } = await sql<{ id: bigint; scheme: string; height: number; at: bigint }>`
    select a.id, a.scheme, since.height, since.at
      from accounts a
      cross join lateral ${INTERVAL_BEGAN} since
     where a.id = any(${accounts}::bigint[])`.execute(db)
  const intervals = new Map(schemes.map(scheme => [scheme.name, scheme.interval]))
  const due = new Map<AccountId, NextPayment>()
  for (const { id, scheme, height, at } of rows) {
    const interval = intervals.get(scheme)
    if (interval) due.set(accountId(id), nextPayment(interval, { height, at: unixMs(Number(at)) }))
  }
  return due
}

/** The instant on the pool's two clocks; null before the first tip is known. */
export async function momentOf(db: Kysely<Database>, at: UnixMs): Promise<Moment | null> {
  const tip = await db
    .selectFrom('tips')
    .select(eb => eb.fn.max('height').as('height'))
    .executeTakeFirst()
  const height: number | null = tip?.height ?? null
  return height === null ? null : { height, at }
}
