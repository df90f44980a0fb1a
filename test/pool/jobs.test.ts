import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromHex } from '../../src/lib/bytes.ts'
import { type UnixMs, unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { type AccountingDeps, accountingJobs } from '../../src/pool/jobs.ts'
import {
  ensurePartition,
  keepPartitions,
  pruneTransactions,
} from '../../src/pool/retention-store.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addMiner, commitShares } from './mining-rows.ts'

let node: TestNode
let database: TestDatabase
let now: UnixMs = unixMs(1_000_000)

beforeAll(async () => {
  node = await testNode()
  database = await testDatabase()
})

afterAll(async () => {
  await node.remove()
  await database.drop()
})

function deps(): AccountingDeps {
  return {
    db: database.db,
    node: bitcoindClient(connectNode(node.rpc)),
    clock: { now: () => now },
    log: createLog('test', 'silent'),
    network: 'regtest',
    payScript: fromHex(`0014${'11'.repeat(20)}`),
    epochLengthMs: 60_000,
    orphanDepth: 1,
    retentionBlocks: 4032,
    rewardPoolOf: scheme => scheme,
  }
}

async function partitions(): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'shares'::regclass order by c.oid`.execute(database.db)
  return rows.map(row => row.name)
}

async function epochs(): Promise<string[]> {
  const rows = await database.db.selectFrom('epochs').selectAll().orderBy('id').execute()
  return rows.map(row => `${row.id} ${row.close_reason ?? 'open'}`)
}

test('from nothing, the jobs in any order bring the pool to where it takes shares', async () => {
  const jobs = new Map(accountingJobs(deps()).map(job => [job.name, job]))
  const run = async (name: string) => jobs.get(name)?.run()
  for (const name of jobs.keys()) await run(name)
  expect(await epochs(), 'a node that syncs is not believed').toEqual([])
  await node.mine(2)

  await run('close-epochs')
  expect(await epochs(), 'no epoch before the chain was looked at').toEqual([])
  await Promise.all([run('follow-chain'), run('follow-chain')])
  await Promise.all([run('close-epochs'), run('close-epochs')])
  expect(await epochs()).toEqual(['1 open'])
  expect(await partitions()).toEqual(['shares_0'])
  await run('keep-partitions')
  await run('keep-partitions')
  expect(await partitions()).toEqual(['shares_0', 'shares_1008'])

  const miner = await addMiner(database.db, 1)
  expect(
    await commitShares(database.db, miner, [{ height: 3, difficultyLog2: 0, name: 'a' }]),
  ).toBe(1n)
  await run('close-epochs')
  expect(await epochs()).toEqual(['1 open'])
  now = unixMs(now + 60_000)
  await Promise.all([run('close-epochs'), run('close-epochs')])
  expect(await epochs()).toEqual(['1 time', '2 open'])
  const stated = await database.db.selectFrom('work_statements').select('epoch_id').execute()
  expect(stated).toEqual([{ epoch_id: 1n }])
})

test('an epoch closes by time also while the node is away', async () => {
  const away = bitcoindClient(connectNode({ ...node.rpc, url: 'http://127.0.0.1:1' }))
  const jobs = accountingJobs({ ...deps(), node: away })
  now = unixMs(now + 60_000)
  await jobs.find(job => job.name === 'close-epochs')?.run()
  expect(await epochs()).toEqual(['1 time', '2 time', '3 open'])
})

test('a week of heights is dropped once all of it is out of retention and stated', async () => {
  const { db } = database
  const top = (height: number) =>
    db
      .insertInto('tips')
      .values({
        height,
        hash: 'ee'.repeat(32),
        previous_block: 'ee'.repeat(32),
        time_ms: 0n,
        seen_ms: 0n,
      })
      .execute()
  await ensurePartition(db, 1)
  await top(2000)
  expect(await keepPartitions(db, 993)).toBe(0)
  await database.ownerDb
    .updateTable('epochs')
    .set({ closed_ms: BigInt(now), close_reason: 'time' })
    .where('closed_ms', 'is', null)
    .execute()
  expect(await keepPartitions(db, 992), 'a statement is missing').toBe(0)
  await database.ownerDb
    .updateTable('epochs')
    .set({ closed_ms: null, close_reason: null })
    .where('id', '=', 3n)
    .execute()
  expect(await keepPartitions(db, 992)).toBe(1)
  expect(await partitions()).not.toContain('shares_0')
  expect(await partitions()).toContain('shares_2016')
})

test('partitions are not dropped under a long query, for shares would wait behind it', async () => {
  const { db } = database
  await ensurePartition(db, 1)
  await db.transaction().execute(async reader => {
    await sql`select count(*) from shares`.execute(reader)
    await expect(keepPartitions(db, 992)).rejects.toThrow(/lock timeout/)
  })
  expect(await keepPartitions(db, 992)).toBe(1)
})

test('transactions are forgotten ten minutes after the last job on them', async () => {
  const { db } = database
  const MINUTE = 60_000
  const template = (id: bigint, receivedAt: number) =>
    db
      .insertInto('templates')
      .values({
        id,
        height: 1,
        previous_block: 'ee'.repeat(32),
        version: 1n,
        bits: 1n,
        target: Buffer.alloc(32),
        min_time: 0n,
        cur_time: 0n,
        value_sats: 0n,
        subsidy_sats: 0n,
        merkle_branches: [],
        transactions: Buffer.alloc(1),
        received_ms: BigInt(receivedAt),
      })
      .execute()
  await template(1n, 0)
  await template(2n, 0)
  await template(3n, 6 * MINUTE)
  const job = { template_id: 2n, coinbase1: Buffer.alloc(1), coinbase2: Buffer.alloc(1) }
  await db
    .insertInto('jobs')
    .values({ ...job, id: 1n, created_ms: BigInt(5 * MINUTE) })
    .execute()
  expect(await pruneTransactions(db, unixMs(10 * MINUTE))).toBe(0)
  expect(await pruneTransactions(db, unixMs(11 * MINUTE))).toBe(1)
  expect(await pruneTransactions(db, unixMs(15 * MINUTE))).toBe(0)
  expect(await pruneTransactions(db, unixMs(15 * MINUTE + 1))).toBe(1)
  const kept = await db
    .selectFrom('templates')
    .select('id')
    .where('transactions', 'is not', null)
    .execute()
  expect(kept).toEqual([{ id: 3n }])
})
