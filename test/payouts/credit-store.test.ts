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
import { accountId, type BlockHash, type EpochId, epochId } from '../../src/lib/ids.ts'
import { creditJobs, rewardMethods } from '../../src/payouts/index.ts'
import { workBack } from '../../src/pool/index.ts'
import { checkRewardLink, checkRewardSources } from '../../src/statement/index.ts'
import { entryOf } from '../ledger/entries.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { creditWorld, VALUE, work } from './credit-world.ts'

let database: TestDatabase
let world: ReturnType<typeof creditWorld>
beforeEach(async () => {
  database = await testDatabase()
  world = creditWorld(database.db)
  await world.addTip(200)
})
afterEach(() => database.drop())

/** For work that takes seconds on an idle machine; how long is not what is tested. */
const LARGE_TIMEOUT_MS = 300_000

test('a block is divided, orphaned, found again and owed, by one statement', async () => {
  await world.addAccounts(3)
  await world.addEpoch(1n, [work(1n, 100n), work(3n, 100n)])
  const [block] = await world.addEpoch(
    2n,
    [work(1n, 100n), work(2n, 100n)],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  await world.addFate(block, 1, 'found')
  await world.creditAll()
  const found = await world.held()
  expect(found['asset:coinbase_immature']).toBe(VALUE * 1000n)
  expect(found['miner:1:pending']).toBe(-2_450_000_000_000n)
  await world.addFate(block, 2, 'orphaned')
  await world.creditAll()
  expect(await world.held()).toEqual({})
  await world.addFate(block, 3, 'found')
  await world.creditAll()
  expect(await world.held()).toEqual(found)
  await world.addFate(block, 4, 'mature')
  await world.creditAll()
  const owed = await owedTo(database.db, [1n, 2n, 3n].map(accountId))
  expect([...owed.values()].map(({ pending, payable }) => [pending, payable])).toEqual([
    [0n, 2_450_000_000_000n],
    [0n, 1_225_000_000_000n],
    [0n, 1_225_000_000_000n],
  ])
  expect(await world.statements()).toHaveLength(1)
})

test('statements are chained, name their sources, and their lines are found by account', async () => {
  await world.addAccounts(3)
  const [first] = await world.addEpoch(
    1n,
    [work(1n, 5n), work(2n, 3n, 'pps')],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  const [second, third] = await world.addEpoch(
    2n,
    [work(1n, 1n), work(3n, 2n, 'solo')],
    [
      { nth: 2, rewardPool: 'solo', finder: 3n },
      { nth: 3, rewardPool: 'unknown', finder: null },
    ],
  )
  for (const block of [first, second, third]) await world.addFate(block, 1, 'found')
  await world.creditAll()
  const made = await world.statements()
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
  await world.addAccounts(2)
  const [block] = await world.addEpoch(
    1n,
    [work(1n, 1024n, 'pps'), work(2n, 512n, 'pps')],
    [{ nth: 1, rewardPool: 'pps', finder: 1n }],
  )
  await world.addFate(block, 1, 'found')
  await world.creditAll()
  const owed = { 'miner:1:payable': -4_785_156_250n, 'miner:2:payable': -2_392_578_125n }
  expect(await world.held()).toEqual({
    ...owed,
    'expense:pps_cost': 7_177_734_375n,
    'asset:coinbase_immature': VALUE * 1000n,
    'income:pps_block_income': -VALUE * 1000n,
  })
  await world.addFate(block, 2, 'orphaned')
  await world.creditAll()
  expect(await world.held()).toEqual({ ...owed, 'expense:pps_cost': 7_177_734_375n })
})

test('jobs that run again, or many at once, credit everything once', async () => {
  await world.addAccounts(2)
  const blocks: (BlockHash | undefined)[] = []
  for (let epoch = 1; epoch <= 6; epoch++) {
    blocks.push(
      ...(await world.addEpoch(
        BigInt(epoch),
        [work(1n, 3n), work(2n, 3n, 'pps')],
        [{ nth: epoch, rewardPool: 'main', finder: 1n }],
      )),
    )
  }
  for (const block of blocks) await world.addFate(block, 1, 'found')
  for (const block of blocks) await world.addFate(block, 2, 'mature')
  await Promise.all(Array.from({ length: 8 }, () => world.creditAll()))
  const after = await world.held()
  expect((await world.statements()).map(each => each.number)).toEqual([
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
  await world.creditAll()
  expect(await world.held()).toEqual(after)
  await extendChain(database.db)
  expect((await auditChain(database.db)).findings).toEqual([])
})

test('a crash at any step of a credit leaves nothing half done', async () => {
  await world.addAccounts(2)
  const [block] = await world.addEpoch(
    1n,
    [work(1n, 3n), work(2n, 3n, 'pps')],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  await world.addFate(block, 1, 'found')
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
    for (const job of creditJobs(world.partsOf())) await expect(job.run()).rejects.toThrow('crash')
    await sql`drop trigger crash on ${on}`.execute(database.ownerDb)
    await sql`drop function crash()`.execute(database.ownerDb)
    expect(await world.held()).toEqual({})
    expect(await world.statements()).toEqual([])
    const progress = await database.db.selectFrom('credit_progress').selectAll().execute()
    expect(progress).toEqual([])
  }
  await world.creditAll()
  expect(await world.statements()).toHaveLength(2)
})

test('a fate waits until its epoch is stated, and a forgotten pool until it is known', async () => {
  await world.addAccounts(1)
  const [block] = await world.addEpoch(
    1n,
    [work(1n, 3n)],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  await world.addFate(block, 1, 'found')
  const parts = world.partsOf()
  const early = { ...parts.source, workBack: async (_: EpochId) => [] }
  await world.creditAll({ ...parts, source: early })
  expect(await world.statements()).toEqual([])
  await expect(world.creditAll(world.partsOf({ methodOf: rewardMethods({}) }))).rejects.toThrow(
    'no reward pool',
  )
  expect(await world.held()).toEqual({})
  await world.creditAll()
  expect(await world.statements()).toHaveLength(1)
})

test('what the ledger does not take leaves no statement and no progress', async () => {
  await world.addAccounts(1)
  const [block] = await world.addEpoch(
    1n,
    [work(1n, 3n)],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  await world.addFate(block, 1, 'found')
  const other = entryOf(`block:${block}:1`, [
    [chartAccount('l1Float'), 1n],
    [chartAccount('treasuryCapital'), -1n],
  ])
  await database.db.transaction().execute(transaction => postEntries(transaction, [other]))
  await expect(world.creditAll()).rejects.toThrow(`block:${block}:1: conflict`)
  expect(await world.statements()).toEqual([])
  expect((await world.held())['asset:coinbase_immature']).toBeUndefined()
  await expect(world.creditAll()).rejects.toThrow('conflict')
})

test('a block keeps how it was divided when its pool changes its method', async () => {
  await world.addAccounts(1)
  const [block] = await world.addEpoch(
    1n,
    [work(1n, 3n)],
    [{ nth: 1, rewardPool: 'main', finder: 1n }],
  )
  await world.addFate(block, 1, 'found')
  await world.creditAll()
  await world.addFate(block, 2, 'mature')
  await world.creditAll(world.partsOf({ methodOf: rewardMethods({ main: { method: 'pps' } }) }))
  expect((await world.held())['miner:1:payable']).toBe(-4_900_000_000_000n)
})

test(
  'a block of 100,000 accounts is divided and owed in one transaction each',
  async () => {
    await world.addAccounts(100_000)
    const lines = Array.from({ length: 100_000 }, (_, nth) =>
      work(BigInt(nth + 1), BigInt(nth + 1)),
    )
    const [block] = await world.addEpoch(1n, lines, [{ nth: 1, rewardPool: 'main', finder: 1n }])
    await world.addFate(block, 1, 'found')
    await world.addFate(block, 2, 'mature')
    await world.creditAll()
    const [statement] = await world.statements()
    expect(statement?.lines).toHaveLength(100_000)
    const [last] = (await owedTo(database.db, [accountId(100_000n)])).values()
    expect(last?.payable).toBe(statement?.lines.at(-1)?.amount)
    const l1 = chartAccount('l1Float')
    expect((await balancesOf(database.db, [l1])).get(l1)).toBe(VALUE * 1000n)
  },
  LARGE_TIMEOUT_MS,
)
