import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis as RedisClient } from 'ioredis'
import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'
import {
  accountOf,
  agrees,
  approveWaiting,
  paidOnL1,
  poolApi,
  startRedis,
} from '../../src/devnet/index.ts'
import { auditChain } from '../../src/ledger/index.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import { createLog } from '../../src/lib/log.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { type TestMiner, testMiner } from '../support/miner.ts'
import {
  API_IS_SERVED,
  MINERS_MAY_CONNECT,
  type PoolScene,
  poolScene,
  TREASURY_TOKEN,
} from '../support/pool-scene.ts'

/** One share in 4096 hashes and a block in some 25 shares: seconds of one slow core. */
const DIFFICULTY = { start: 2 ** -20, minimum: 2 ** -24, maximum: 1, secondsPerShare: 0.5 }
const HASHES_PER_BLOCK = 100_000n
const SOON = { everyMs: 100, timeoutMs: 150_000 }
const BLOCKS = 3

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanUps.splice(0).reverse()) await clean()
})

/** All that BullMQ keeps, but for the record of its own schema. */
const emptyBullmq = sql`
  do $$ declare kept record; begin
    for kept in select tablename from pg_tables
                 where schemaname = 'bullmq' and tablename not like '%migration%' loop
      execute format('truncate bullmq.%I cascade', kept.tablename);
    end loop;
  end $$`

type Cast = { readonly scheme: 'pplns' | 'pps'; readonly payee: string; readonly miner: TestMiner }

async function startPool(environment: Record<string, string>) {
  const scene = await poolScene({
    hashesPerBlock: HASHES_PER_BLOCK,
    difficulty: DIFFICULTY,
    epochMinutes: 0.05,
  })
  cleanUps.push(scene.remove)
  const roles = ['accounting', 'payouts', 'api', 'stratum'] as const
  const processes = roles.map(role => scene.role(role, { environment }))
  const ready = [undefined, undefined, API_IS_SERVED, MINERS_MAY_CONNECT]
  await Promise.all(processes.map((each, index) => each.start(ready[index])))
  const log = () => processes.map(each => each.log().slice(-1500)).join('\n')
  const api = poolApi(`http://127.0.0.1:${scene.apiPort}`, TREASURY_TOKEN)
  const until = async <T>(what: string, look: () => Promise<T | null>): Promise<T> => {
    const found = await pollUntil(look, SOON)
    if (found === null) throw new Error(`waited in vain: ${what}\n${log()}`)
    return found
  }
  return { scene, api, until }
}

async function startCast(scene: PoolScene): Promise<Cast[]> {
  const schemes = ['pplns', 'pps'] as const
  const cast = await Promise.all(
    schemes.map(async scheme => {
      const payee = await scene.newAddress()
      const port = scene.ports[scheme]
      const miner = testMiner({ port, user: `${payee}.rig`, hashesPerSecond: 20_000 })
      return { scheme, payee, miner }
    }),
  )
  cleanUps.push(() => Promise.all(cast.map(({ miner }) => miner.stop())))
  return cast
}

async function countBlocks(scene: PoolScene): Promise<number> {
  const db = openDatabase(scene.appUrl, { max: 1 })
  const { count } = await db
    .selectFrom('blocks')
    .select(({ fn }) => fn.countAll<bigint>().as('count'))
    .executeTakeFirstOrThrow()
    .finally(() => db.destroy())
  return Number(count)
}

/** From two miners' shares to two paid addresses, with a blow against the queue in the middle. */
async function runToSettlement(
  environment: Record<string, string>,
  loseTheQueue: (scene: PoolScene) => Promise<unknown>,
): Promise<void> {
  const { scene, api, until } = await startPool(environment)
  const { devnet, operatorSecret } = scene
  const cast = await startCast(scene)
  const accounts = () =>
    Promise.all(cast.map(({ payee }) => accountOf(api, paidOnL1(devnet), payee)))
  await until('blocks are found and everyone has earned', async () => {
    const all = await accounts()
    const haveEarned = all.every(account => account !== null && account.statementsMsat > 0n)
    return haveEarned && (await countBlocks(scene)) >= BLOCKS ? true : null
  })
  await Promise.all(cast.map(({ miner }) => miner.stop()))
  await loseTheQueue(scene)
  // The interval of 100 blocks passes, and with it the coinbases mature.
  await devnet.mine(100)
  const paid = await until('everyone is paid', async () => {
    if ((await approveWaiting(api, operatorSecret)).length > 0) await loseTheQueue(scene)
    await devnet.mine(1)
    const all = await accounts()
    return all.every(account => account !== null && agrees(account)) ? all : null
  })
  for (const account of paid) {
    expect(account?.statementsMsat).toBe(
      (account?.owedMsat ?? 0n) + (account?.paidSats ?? 0n) * 1000n,
    )
    expect(account?.chainSats).toBe(account?.paidSats)
    expect(account?.txids.length).toBeGreaterThan(0)
  }
  const db = openDatabase(scene.appUrl, { max: 1 })
  try {
    expect((await auditChain(db)).findings).toEqual([])
  } finally {
    await db.destroy()
  }
}

test('shares become confirmed payments, the queue on PostgreSQL and emptied on the way', async () => {
  await runToSettlement({}, async scene => {
    const db = openDatabase(scene.postgres().ownerUrl('postgres'), { max: 1 })
    // The running queue locks its tables in an order of its own, so one of the two may have to yield.
    const isEmptied = async () =>
      emptyBullmq.execute(db).then(
        () => true,
        () => null,
      )
    expect(await pollUntil(isEmptied, SOON).finally(() => db.destroy())).toBe(true)
  })
}, 400_000)

test('shares become confirmed payments, the queue on Redis and flushed on the way', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-redis-'))
  const redis = await startRedis({ dir, log: createLog('test', 'silent'), random: systemRandom })
  cleanUps.push(() => rm(dir, { recursive: true, force: true }), redis.stop)
  await runToSettlement({ REDIS_URL: redis.url }, async () => {
    const client = new RedisClient(redis.url)
    await client.flushall()
    client.disconnect()
  })
}, 400_000)

test('an orphaned block takes back what it had credited, and a returned one gives it again', async () => {
  const { scene, api, until } = await startPool({})
  const { devnet } = scene
  const cast = await startCast(scene)
  const solo = cast[0]
  if (!solo) throw new Error('the cast has a miner')
  const isCredited = async () => {
    const account = await accountOf(api, paidOnL1(devnet), solo.payee)
    const { owedMsat, statementsMsat } = account ?? { owedMsat: 0n, statementsMsat: 0n }
    return owedMsat > 0n && owedMsat === statementsMsat ? true : null
  }
  await until('a block of the PPLNS miner is credited', isCredited)
  await Promise.all(cast.map(({ miner }) => miner.stop()))
  // Everything the pool has found so far is replaced by a longer chain of somebody else's.
  const db = openDatabase(scene.appUrl, { max: 1 })
  cleanUps.push(() => db.destroy())
  const found = await db.selectFrom('blocks').selectAll().orderBy('height').execute()
  const first = found[0]
  if (!first) throw new Error('a block was credited')
  const before = Number(await devnet.call('getblockcount'))
  await devnet.call('invalidateblock', first.hash)
  await devnet.mine(before - first.height + 3)
  await until('the credit is taken back', async () => {
    const account = await accountOf(api, paidOnL1(devnet), solo.payee)
    return account?.owedMsat === 0n ? account : null
  })
  const fates = await db.selectFrom('block_fates').selectAll().orderBy('id').execute()
  expect(fates.filter(({ fate }) => fate === 'orphaned').length).toBe(found.length)
  expect((await auditChain(db)).findings).toEqual([])
  // The chain comes back, and with it exactly the credit that was there, under new entries.
  await devnet.call('invalidateblock', await devnet.call('getblockhash', first.height))
  await devnet.call('reconsiderblock', first.hash)
  await devnet.mine(5)
  await until('the credit is back', isCredited)
  expect((await auditChain(db)).findings).toEqual([])
}, 400_000)
