import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  auditChain,
  balancesOf,
  chartAccount,
  extendChain,
  owedTo,
  postEntries,
} from '../../src/ledger/index.ts'
import {
  accountId,
  type BlockHash,
  blockHash,
  type EpochId,
  epochId,
  unixMs,
} from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { type CreditParts, creditJobs, rewardMethods } from '../../src/payouts/index.ts'
import { fatesAfter, lastTip, workBack } from '../../src/pool/index.ts'
import {
  checkRewardLink,
  checkRewardSources,
  checkWork,
  decodeReward,
  encodeWork,
  hashStatement,
  type RewardStatement,
} from '../../src/statement/index.ts'
import { entryOf } from '../ledger/entries.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { hex64, type LineOf, workOf } from './work.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await addTip(200)
})
afterEach(() => database.drop())

/** For work that takes seconds on an idle machine; how long is not what is tested. */
const LARGE_TIMEOUT_MS = 300_000
const NETWORK_WORK = 2n ** 40n
const VALUE = 5_000_000_000n

function partsOf(changed: Partial<CreditParts> = {}): CreditParts {
  const { db } = database
  return {
    db,
    clock: { now: () => unixMs(5000) },
    log: createLog('test', 'silent'),
    network: 'regtest',
    source: {
      workBack: (from, limit) => workBack(db, from, limit),
      fatesAfter: (id, limit) => fatesAfter(db, id, limit),
      tipHeight: async () => (await lastTip(db))?.height ?? null,
    },
    methodOf: rewardMethods({
      main: { method: 'pplns', window: 2 },
      pps: { method: 'pps' },
      solo: { method: 'solo' },
    }),
    feeBasisPoints: () => 200,
    ...changed,
  }
}

async function creditAll(parts = partsOf()) {
  for (const job of creditJobs(parts)) await job.run()
}

async function addTip(height: number) {
  const hash = hex64(height)
  const tip = { height, hash, previous_block: hex64(height - 1), time_ms: 0n, seen_ms: 0n }
  await database.db.insertInto('tips').values(tip).execute()
}

async function addAccounts(count: number) {
  await sql`
    insert into payees (kind, destination, created_ms)
    select 'bitcoin', 'payee-' || n, 0 from generate_series(1, ${count}::integer) n order by n`.execute(
    database.db,
  )
  await sql`
    insert into accounts (payee_id, scheme, created_ms)
    select id, 'port', 0 from payees order by id`.execute(database.db)
}

type BlockIn = { readonly nth: number; readonly rewardPool: string; readonly finder: bigint | null }

/** The rows of an epoch that closed with the work and the blocks given, and its statement. */
async function addEpoch(epoch: bigint, lines: readonly LineOf[], blocks: readonly BlockIn[] = []) {
  const { db } = database
  const found = blocks.map(({ nth, rewardPool, finder }) => ({
    hash: blockHash(hex64(0xb10c_0000 + nth)),
    height: 100 + nth,
    rewardPool,
    finder: finder === null ? null : accountId(finder),
  }))
  await db
    .insertInto('epochs')
    .values({
      id: epoch,
      opened_ms: epoch * 1000n,
      block_target: new Uint8Array(32),
      subsidy_sats: VALUE,
      closed_ms: epoch * 1000n + 1000n,
      close_reason: 'time',
    })
    .execute()
  for (const block of found)
    await db
      .insertInto('blocks')
      .values({
        hash: block.hash,
        height: block.height,
        epoch_id: epoch,
        account_id: block.finder,
        scheme: 'port',
        value_sats: VALUE,
        work: NETWORK_WORK,
        found_ms: 0n,
        recovered: false,
      })
      .execute()
  const last = await db
    .selectFrom('work_statements')
    .select('hash')
    .where('epoch_id', '=', epoch - 1n)
    .executeTakeFirst()
  const bare = workOf({ epoch, networkWork: NETWORK_WORK, lines, subsidy: VALUE }).statement
  const blocksFound = found.map(block => ({ ...block, value: bare.subsidy }))
  const previous = (last?.hash ?? null) as typeof bare.previous
  const statement = { ...bare, blocks: blocksFound, previous }
  expect(checkWork(statement)).toEqual([])
  const bytes = encodeWork(statement)
  await db
    .insertInto('work_statements')
    .values({
      epoch_id: epoch,
      hash: hashStatement(bytes),
      previous_hash: last?.hash ?? null,
      bytes,
      created_ms: 0n,
    })
    .execute()
  return found.map(block => block.hash)
}

async function addFate(
  block: BlockHash | undefined,
  seq: number,
  fate: 'found' | 'orphaned' | 'mature',
) {
  const row = { block_hash: block ?? '', seq, fate, tip_height: 200, decided_ms: 0n }
  await database.db.insertInto('block_fates').values(row).execute()
}

async function statements(): Promise<RewardStatement[]> {
  const rows = await database.db
    .selectFrom('reward_statements')
    .selectAll()
    .orderBy('number')
    .execute()
  return rows.map(row => {
    const reading = decodeReward(new Uint8Array(row.bytes))
    if (reading.kind === 'malformed') throw new Error(reading.reason)
    return reading.statement
  })
}

async function held() {
  const rows = await database.db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
    .select(['name', 'amount_msat'])
    .where('amount_msat', '<>', 0n)
    .execute()
  return Object.fromEntries(rows.map(row => [row.name, row.amount_msat]))
}

const work = (account: bigint, done: bigint, rewardPool = 'main'): LineOf => {
  return { account, work: done * 2n ** 20n, rewardPool }
}

test('a block is divided, orphaned, found again and owed, by one statement', async () => {
  await addAccounts(3)
  await addEpoch(1n, [work(1n, 100n), work(3n, 100n)])
  const [block] = await addEpoch(
    2n,
    [work(1n, 100n), work(2n, 100n)],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  await addFate(block, 1, 'found')
  await creditAll()
  const found = await held()
  expect(found['asset:coinbase_immature']).toBe(VALUE * 1000n)
  expect(found['miner:1:pending']).toBe(-2_450_000_000_000n)
  await addFate(block, 2, 'orphaned')
  await creditAll()
  expect(await held()).toEqual({})
  await addFate(block, 3, 'found')
  await creditAll()
  expect(await held()).toEqual(found)
  await addFate(block, 4, 'mature')
  await creditAll()
  const owed = await owedTo(database.db, [1n, 2n, 3n].map(accountId))
  expect([...owed.values()].map(({ pending, payable }) => [pending, payable])).toEqual([
    [0n, 2_450_000_000_000n],
    [0n, 1_225_000_000_000n],
    [0n, 1_225_000_000_000n],
  ])
  expect(await statements()).toHaveLength(1)
})

test('statements are chained, name their sources, and their lines are found by account', async () => {
  await addAccounts(3)
  const [first] = await addEpoch(
    1n,
    [work(1n, 5n), work(2n, 3n, 'pps')],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  const [second, third] = await addEpoch(
    2n,
    [work(1n, 1n), work(3n, 2n, 'solo')],
    [
      { nth: 2, rewardPool: 'solo', finder: 3n },
      { nth: 3, rewardPool: 'unknown', finder: null },
    ],
  )
  for (const block of [first, second, third]) await addFate(block, 1, 'found')
  await creditAll()
  const made = await statements()
  expect(made.map(each => [each.number, each.rewardPool, each.method])).toEqual([
    [1n, 'pps', 'pps'],
    [2n, 'main', 'pplns'],
    [3n, 'solo', 'solo'],
    [4n, 'unknown', 'solo'],
  ])
  const sources = await workBack(database.db, epochId(2n), 10)
  const rows = await database.db
    .selectFrom('reward_statements')
    .selectAll()
    .orderBy('number')
    .execute()
  for (const [index, statement] of made.entries()) {
    const before = made[index - 1]
    const hash = before ? (rows[index - 1]?.hash as NonNullable<typeof statement.previous>) : null
    expect(checkRewardLink(statement, before && hash ? { statement: before, hash } : null)).toEqual(
      [],
    )
    if (statement.basis.kind === 'block') expect(checkRewardSources(statement, sources)).toEqual([])
    const lines = await database.db
      .selectFrom('reward_lines')
      .select(['account_id', 'amount_msat'])
      .where('statement_number', '=', statement.number)
      .orderBy('account_id')
      .execute()
    expect(lines).toEqual(
      statement.lines.map(line => ({ account_id: line.account, amount_msat: line.amount })),
    )
  }
  expect(rows.map(row => row.height)).toEqual([200, 101, 102, 103])
})

test('work of a pool that pays epochs is owed at once, and its blocks are income', async () => {
  await addAccounts(2)
  const [block] = await addEpoch(
    1n,
    [work(1n, 1024n, 'pps'), work(2n, 512n, 'pps')],
    [{ nth: 1, rewardPool: 'pps', finder: 1n }],
  )
  await addFate(block, 1, 'found')
  await creditAll()
  const owed = { 'miner:1:payable': -4_785_156_250n, 'miner:2:payable': -2_392_578_125n }
  expect(await held()).toEqual({
    ...owed,
    'expense:pps_cost': 7_177_734_375n,
    'asset:coinbase_immature': VALUE * 1000n,
    'income:pps_block_income': -VALUE * 1000n,
  })
  await addFate(block, 2, 'orphaned')
  await creditAll()
  expect(await held()).toEqual({ ...owed, 'expense:pps_cost': 7_177_734_375n })
})

test('jobs that run again, or many at once, credit everything once', async () => {
  await addAccounts(2)
  const blocks: (BlockHash | undefined)[] = []
  for (let epoch = 1; epoch <= 6; epoch++) {
    blocks.push(
      ...(await addEpoch(
        BigInt(epoch),
        [work(1n, 3n), work(2n, 3n, 'pps')],
        [{ nth: epoch, rewardPool: 'main', finder: 1n }],
      )),
    )
  }
  for (const block of blocks) await addFate(block, 1, 'found')
  for (const block of blocks) await addFate(block, 2, 'mature')
  await Promise.all(Array.from({ length: 8 }, () => creditAll()))
  const after = await held()
  expect((await statements()).map(each => each.number)).toEqual([
    1n,
    2n,
    3n,
    4n,
    5n,
    6n,
    7n,
    8n,
    9n,
    10n,
    11n,
    12n,
  ])
  expect(after['asset:l1']).toBe(6n * VALUE * 1000n)
  expect(after['asset:coinbase_immature']).toBeUndefined()
  await creditAll()
  expect(await held()).toEqual(after)
  await extendChain(database.db)
  expect((await auditChain(database.db)).findings).toEqual([])
})

test('a crash at any step of a credit leaves nothing half done', async () => {
  await addAccounts(2)
  const [block] = await addEpoch(
    1n,
    [work(1n, 3n), work(2n, 3n, 'pps')],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  await addFate(block, 1, 'found')
  for (const table of [
    'credit_progress',
    'reward_statements',
    'reward_lines',
    'journal',
    'legs',
    'ledger_balances',
  ]) {
    const on = sql.table(table)
    await sql`create function crash() returns trigger language plpgsql as
      'begin raise exception ''crash''; end'`.execute(database.ownerDb)
    await sql`create trigger crash after insert or update on ${on}
      for each statement execute function crash()`.execute(database.ownerDb)
    for (const job of creditJobs(partsOf())) await expect(job.run()).rejects.toThrow('crash')
    await sql`drop trigger crash on ${on}`.execute(database.ownerDb)
    await sql`drop function crash()`.execute(database.ownerDb)
    expect(await held()).toEqual({})
    expect(await statements()).toEqual([])
    const progress = await database.db.selectFrom('credit_progress').selectAll().execute()
    expect(progress).toEqual([])
  }
  await creditAll()
  expect(await statements()).toHaveLength(2)
})

test('a fate waits until its epoch is stated, and a forgotten pool until it is known', async () => {
  await addAccounts(1)
  const [block] = await addEpoch(1n, [work(1n, 3n)], [{ nth: 1, rewardPool: 'main', finder: 1n }])
  await addFate(block, 1, 'found')
  const parts = partsOf()
  const early = { ...parts.source, workBack: async (_: EpochId) => [] }
  await creditAll({ ...parts, source: early })
  expect(await statements()).toEqual([])
  await expect(creditAll(partsOf({ methodOf: rewardMethods({}) }))).rejects.toThrow(
    'no reward pool',
  )
  expect(await held()).toEqual({})
  await creditAll()
  expect(await statements()).toHaveLength(1)
})

test('what the ledger does not take leaves no statement and no progress', async () => {
  await addAccounts(1)
  const [block] = await addEpoch(1n, [work(1n, 3n)], [{ nth: 1, rewardPool: 'main', finder: 1n }])
  await addFate(block, 1, 'found')
  const other = entryOf(`block:${block}:1`, [
    [chartAccount('l1Float'), 1n],
    [chartAccount('treasuryCapital'), -1n],
  ])
  await database.db.transaction().execute(transaction => postEntries(transaction, [other]))
  await expect(creditAll()).rejects.toThrow(`block:${block}:1: conflict`)
  expect(await statements()).toEqual([])
  expect((await held())['asset:coinbase_immature']).toBeUndefined()
  await expect(creditAll()).rejects.toThrow('conflict')
})

test('a block keeps how it was divided when its pool changes its method', async () => {
  await addAccounts(1)
  const [block] = await addEpoch(1n, [work(1n, 3n)], [{ nth: 1, rewardPool: 'main', finder: 1n }])
  await addFate(block, 1, 'found')
  await creditAll()
  await addFate(block, 2, 'mature')
  await creditAll(partsOf({ methodOf: rewardMethods({ main: { method: 'pps' } }) }))
  expect((await held())['miner:1:payable']).toBe(-4_900_000_000_000n)
})

test(
  'a block of 100,000 accounts is divided and owed in one transaction each',
  async () => {
    await addAccounts(100_000)
    const lines = Array.from({ length: 100_000 }, (_, nth) =>
      work(BigInt(nth + 1), BigInt(nth + 1)),
    )
    const [block] = await addEpoch(1n, lines, [{ nth: 1, rewardPool: 'main', finder: 1n }])
    await addFate(block, 1, 'found')
    await addFate(block, 2, 'mature')
    await creditAll()
    const [statement] = await statements()
    expect(statement?.lines).toHaveLength(100_000)
    const [last] = (await owedTo(database.db, [accountId(100_000n)])).values()
    expect(last?.payable).toBe(statement?.lines.at(-1)?.amount)
    const l1 = chartAccount('l1Float')
    expect((await balancesOf(database.db, [l1])).get(l1)).toBe(VALUE * 1000n)
  },
  LARGE_TIMEOUT_MS,
)
