import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, accountId, digest, type EpochId, epochId } from '../lib/ids.ts'
import {
  type Complaint,
  checkReward,
  checkRewardLink,
  checkRewardSources,
  decodeReward,
  decodeWork,
  type HashedStatement,
  hashStatement,
  type RewardStatement,
} from '../statement/index.ts'
import type { HashedWork } from './reward-method.ts'
import { recomputeReward } from './rewards/recompute.ts'

/** A check names this many complaints and looks no further: the first ones tell enough. */
const COMPLAINTS_MAX = 100

type Row = {
  readonly number: bigint
  readonly reward_pool: string
  readonly epoch_id: bigint
  readonly block_hash: string | null
  readonly hash: string
  readonly previous_hash: string | null
  readonly bytes: Uint8Array
}

/**
 * Whether the reward statements are one chain, each with the hash of its bytes, right sums and the
 * lines that stand again in `reward_lines`; and whether each one comes out the same when it is
 * computed again from the work statements that it names.
 */
export async function auditRewards(db: Kysely<Database>): Promise<readonly Complaint[]> {
  const complaints: Complaint[] = []
  // Undefined where the one before could not be read, so that it is not complained of twice.
  let before: HashedStatement<RewardStatement> | null | undefined = null
  for await (const row of statements(db)) {
    const reading = decodeReward(row.bytes)
    const found: Complaint[] = []
    if (hashStatement(row.bytes) !== row.hash) found.push('hash: not that of its bytes')
    if (reading.kind === 'malformed') {
      found.push(reading.reason)
      before = undefined
    } else {
      const { statement } = reading
      found.push(...checkColumns(statement, row), ...checkReward(statement))
      if (before !== undefined) found.push(...checkRewardLink(statement, before))
      found.push(...(await checkLines(db, statement)), ...(await computeAgain(db, statement)))
      before = { statement, hash: digest(row.hash) }
    }
    complaints.push(...found.map(complaint => `reward ${row.number}: ${complaint}`))
    if (complaints.length >= COMPLAINTS_MAX) break
  }
  return complaints.slice(0, COMPLAINTS_MAX)
}

/** One at a time, since those of large pools have megabytes. */
async function* statements(db: Kysely<Database>): AsyncGenerator<Row> {
  let last = 0n
  for (;;) {
    const row = await db
      .selectFrom('reward_statements')
      .select(['number', 'reward_pool', 'epoch_id', 'block_hash', 'hash', 'previous_hash', 'bytes'])
      .where('number', '>', last)
      .orderBy('number')
      .limit(1)
      .executeTakeFirst()
    if (!row) return
    last = row.number
    yield { ...row, bytes: new Uint8Array(row.bytes) }
  }
}

function checkColumns(statement: RewardStatement, row: Row): readonly Complaint[] {
  const { basis, work } = statement
  const block = basis.kind === 'block' ? basis.hash : null
  const rules: readonly (readonly [boolean, Complaint])[] = [
    [statement.number === row.number, 'number: not that of its row'],
    [statement.rewardPool === row.reward_pool, 'rewardPool: not that of its row'],
    [statement.previous === row.previous_hash, 'previous: not that of its row'],
    [block === row.block_hash, 'basis: not the block of its row'],
    [work[0]?.epoch === row.epoch_id, 'work: not from the epoch of its row on'],
  ]
  return rules.filter(([holds]) => !holds).map(([, complaint]) => complaint)
}

async function checkLines(
  db: Kysely<Database>,
  { number, lines }: RewardStatement,
): Promise<readonly Complaint[]> {
  const rows = await db
    .selectFrom('reward_lines')
    .select(['account_id', 'amount_msat'])
    .where('statement_number', '=', number)
    .execute()
  const kept = new Map(rows.map(row => [accountId(row.account_id), row.amount_msat]))
  const stated = new Map<AccountId, bigint>(lines.map(line => [line.account, line.amount]))
  const accounts = [...new Set([...kept.keys(), ...stated.keys()])]
  return accounts
    .filter(account => kept.get(account) !== stated.get(account))
    .map(account => `account ${account}: its row is not its line`)
}

async function computeAgain(
  db: Kysely<Database>,
  statement: RewardStatement,
): Promise<readonly Complaint[]> {
  const oldest = statement.work.at(-1)?.epoch
  if (oldest === undefined) return ['work: it names none']
  // One more than it used: whether the window ends where it says shows by what lies before.
  const epochs = [...statement.work.map(({ epoch }) => epoch), oldest - 1n]
  const work = await readWork(db, epochs.filter(epoch => epoch > 0n).map(epochId))
  const sources = checkRewardSources(statement, work)
  return sources.length > 0 ? sources : recomputeReward(statement, work)
}

async function readWork(
  db: Kysely<Database>,
  epochs: readonly EpochId[],
): Promise<readonly HashedWork[]> {
  const rows = await db
    .selectFrom('work_statements')
    .select(['hash', 'bytes'])
    .where(sql<boolean>`epoch_id = any(${epochs}::bigint[])`)
    .orderBy('epoch_id', 'desc')
    .execute()
  return rows.flatMap(({ hash, bytes }) => {
    const reading = decodeWork(new Uint8Array(bytes))
    return reading.kind === 'statement' ? [{ ...reading, hash: digest(hash) }] : []
  })
}
