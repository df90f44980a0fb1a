import { type Kysely, sql } from 'kysely'
import type { BatchState, Database } from '../lib/db/schema.ts'
import {
  type AccountId,
  type BatchId,
  type BlockHash,
  batchId,
  blockHash,
  type Digest,
  digest,
  type EpochId,
  type PayoutId,
  payoutId,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { type Millisats, millisats, type Sats, sats } from '../lib/money.ts'

/** Statements looked through from an epoch on; what a window reaches farther is not shown. */
const REWARDS_SEARCHED_MAX = 1000
/** Payouts after a credit; by then it is long paid. */
const PAYOUTS_MAX = 20

/** A reward statement that used an epoch, and what it gave an account. */
export type TracedReward = {
  readonly number: bigint
  readonly hash: Digest
  /** Null where it pays an epoch's work at once. */
  readonly block: BlockHash | null
  /** The part of the epoch's work that counted, as the statement has it. */
  readonly part: string
  /** Zero where the account has no line in it. */
  readonly amount: Millisats
  readonly creditedAt: UnixMs
}

/** Oldest first: the reward statements of a reward pool that used an epoch's work. */
export async function rewardsFromEpoch(
  db: Kysely<Database>,
  from: { readonly epoch: EpochId; readonly rewardPool: string; readonly account: AccountId },
): Promise<readonly TracedReward[]> {
  const { rows } = await sql<{
    number: bigint
    hash: string
    block: string | null
    part: string
    amount: bigint
    created: bigint
  }>`
    select number, hash, block_hash as block, created_ms as created,
           (used ->> 'numerator') || '/' || (used ->> 'denominator') as part,
           coalesce(amount_msat, 0) as amount
      from (select * from reward_statements
             where epoch_id >= ${from.epoch}::bigint and reward_pool = ${from.rewardPool}
             order by number limit ${REWARDS_SEARCHED_MAX}) as later
     cross join lateral jsonb_array_elements(convert_from(bytes, 'UTF8')::jsonb -> 'work') as used
      left join reward_lines on statement_number = number and account_id = ${from.account}::bigint
     where used ->> 'epoch' = ${from.epoch.toString()}
     order by number`.execute(db)
  return rows.map(row => ({
    number: row.number,
    hash: digest(row.hash),
    block: row.block === null ? null : blockHash(row.block),
    part: row.part,
    amount: millisats(row.amount),
    creditedAt: unixMs(Number(row.created)),
  }))
}

/** A payout that may carry a credit: an account's money has no names on it. */
export type TracedPayout = {
  readonly payout: PayoutId
  readonly batch: BatchId
  readonly amount: Sats
  readonly state: BatchState
  readonly plannedAt: UnixMs
}

/** Oldest first: an account's payouts planned from an instant on. */
export async function payoutsSince(
  db: Kysely<Database>,
  { account, since }: { readonly account: AccountId; readonly since: UnixMs },
): Promise<readonly TracedPayout[]> {
  const rows = await db
    .selectFrom('payouts')
    .select(['id', 'batch_id', 'amount_sats', 'state', 'planned_ms'])
    .where('account_id', '=', account)
    .where('planned_ms', '>=', BigInt(since))
    .orderBy('id')
    .limit(PAYOUTS_MAX)
    .execute()
  return rows.map(row => ({
    payout: payoutId(row.id),
    batch: batchId(row.batch_id),
    amount: sats(row.amount_sats),
    state: row.state,
    plannedAt: unixMs(Number(row.planned_ms)),
  }))
}
