import { type Kysely, sql, type Transaction } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BlockHash, digest, type EpochId, type UnixMs } from '../lib/ids.ts'
import {
  decodeReward,
  encodeReward,
  hashStatement,
  type RewardStatement,
} from '../statement/index.ts'
import type { Place } from './credit.ts'

/** The place of the next reward statement. The caller holds the lock of the one writer. */
export async function nextPlace(transaction: Transaction<Database>): Promise<Place> {
  const last = await transaction
    .selectFrom('reward_statements')
    .select(['number', 'hash'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last
    ? { number: last.number + 1n, previous: digest(last.hash) }
    : { number: 1n, previous: null }
}

/** Whatever no field of a statement says, and its row must. */
export type StatementRow = {
  readonly epoch: EpochId
  /** Of the block, or of the tip when an epoch was credited: intervals begin to count there. */
  readonly height: number
  readonly at: UnixMs
}

/** Writes a statement and its lines; the bytes are what counts. */
export async function insertReward(
  transaction: Transaction<Database>,
  statement: RewardStatement,
  { epoch, height, at }: StatementRow,
): Promise<void> {
  const bytes = encodeReward(statement)
  await transaction
    .insertInto('reward_statements')
    .values({
      number: statement.number,
      reward_pool: statement.rewardPool,
      epoch_id: epoch,
      block_hash: statement.basis.kind === 'block' ? statement.basis.hash : null,
      height,
      hash: hashStatement(bytes),
      previous_hash: statement.previous,
      bytes,
      created_ms: BigInt(at),
    })
    .execute()
  await sql`
    insert into reward_lines (statement_number, account_id, amount_msat)
    select ${statement.number}::bigint, account_id, amount_msat
      from unnest(${statement.lines.map(line => line.account)}::bigint[],
                  ${statement.lines.map(line => line.amount)}::bigint[])
             as line (account_id, amount_msat)`.execute(transaction)
}

/** The statement that divides a block, from its bytes; null while there is none. */
export async function rewardOfBlock(
  db: Kysely<Database>,
  block: BlockHash,
): Promise<RewardStatement | null> {
  const row = await db
    .selectFrom('reward_statements')
    .select(['bytes', 'hash'])
    .where('block_hash', '=', block)
    .executeTakeFirst()
  if (!row) return null
  const bytes = new Uint8Array(row.bytes)
  assert(hashStatement(bytes) === row.hash, 'a stored statement has its hash')
  const reading = decodeReward(bytes)
  assert(reading.kind === 'statement', 'a stored statement can be read')
  return reading.statement
}
