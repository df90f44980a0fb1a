import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import { startEmbeddedPostgres } from '../../src/lib/db/embedded-postgres.ts'
import { ensureAppLogin, migrate } from '../../src/lib/db/migrate.ts'
import { blockHash, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { type ShareRow, transactionFate } from '../../src/pool/group-store.ts'
import { restoreHashes, restoreJobs } from '../../src/pool/job-store.ts'
import { newestCoinbaseBytes } from '../../src/pool/report-store.ts'
import { createShareStore, type ShareStore } from '../../src/pool/share-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { startTapProxy, type TapProxy, type Verdict } from '../support/tap-proxy.ts'
import {
  FIXED_CLOCK,
  openEpoch,
  prepare,
  recordShare,
  SILENT,
  shareMaker,
  storedHashes,
  untilBlocked,
} from './mining-fixtures.ts'
import { jobOf, NOW, templateOf } from './stratum/fixtures.ts'

let database: TestDatabase
let proxy: TapProxy
let tap: (direction: 'to server' | 'to client', chunk: Buffer) => Verdict = () => 'pass'
let throughProxy: TestDatabase['db']
let it: Awaited<ReturnType<typeof prepare>>
let nextShare: () => ShareRow
let store: ShareStore
const job = jobOf(1n, templateOf({ branches: [new Uint8Array(32).fill(3)] }))

beforeAll(async () => {
  database = await testDatabase()
  it = await prepare(database)
  nextShare = shareMaker({ ...it, job })
  const url = new URL(database.appUrl)
  const port = Number(url.port)
  proxy = await startTapProxy(
    () => port,
    (direction, chunk) => tap(direction, chunk),
  )
  url.port = String(proxy.port)
  throughProxy = openDatabase(url.href, { max: 2 })
})
afterAll(async () => {
  await throughProxy.destroy()
  await proxy.close()
  await database.drop()
})

const storeOn = (db: TestDatabase['db'], clock = FIXED_CLOCK) =>
  createShareStore({ db, clock, log: SILENT, waitMaxMs: 10_000 })

beforeEach(() => {
  tap = () => 'pass'
  store = storeOn(throughProxy)
  store.addJob(job)
})
afterEach(() => store.stop())

const rejectOf = (reason: 'stale' | 'duplicate') =>
  ({ ...it.worker, sessionId: it.sessionId, reason }) as const
const rejectCount = async (reason: string) => {
  const { rows } = await sql<{ count: bigint }>`
    select coalesce(sum(count), 0)::bigint as count from rejects where reason = ${reason}`.execute(
    database.ownerDb,
  )
  return rows[0]?.count
}

describe('a group', () => {
  test('is on disk when its shares are answered, with its job', async () => {
    const shares = Array.from({ length: 500 }, nextShare)
    const outcomes = await Promise.all(shares.map(share => recordShare(store, share)))
    expect(new Set(outcomes)).toEqual(new Set(['committed']))
    const row = await database.db
      .selectFrom('shares')
      .innerJoin('jobs', 'jobs.id', 'shares.job_id')
      .selectAll('shares')
      .where('hash', '=', Buffer.from(shares[0]?.hash ?? []))
      .executeTakeFirstOrThrow()
    expect(row).toMatchObject({
      ...{ height: 100, epoch_id: 1n, account_id: it.accountId, job_id: 1n },
      ...{ session_id: it.sessionId, worker_id: it.worker.workerId, difficulty_log2: -8 },
      ...{ header: Buffer.from(shares[0]?.header ?? []), received_ms: BigInt(NOW + 1) },
    })
  })

  test('with a row that the database never takes loses only that row', async () => {
    const shares = Array.from({ length: 9 }, nextShare)
    const broken = { ...nextShare(), difficultyLog2: 40_000 }
    const all = [...shares.slice(0, 4), broken, ...shares.slice(4)]
    store.countReject(rejectOf('stale'))
    const before = await rejectCount('stale')
    const outcomes = await Promise.all(all.map(share => recordShare(store, share)))
    expect(outcomes.filter(outcome => outcome === 'committed')).toHaveLength(9)
    expect(outcomes[4]).toBe('unavailable')
    await store.stop()
    expect(await rejectCount('stale')).toBe((before ?? 0n) + 1n)
  })

  test('keeps the bytes of each share beside its numbers', async () => {
    const shares = [1, 2, 3, 4].map(n => ({
      ...nextShare(),
      header: new Uint8Array(80).fill(n),
      extranonce2: new Uint8Array(8).fill(n + 10),
      difficultyLog2: -n,
    }))
    await Promise.all(shares.map(share => recordShare(store, share)))
    const rows = await database.ownerDb
      .selectFrom('shares')
      .select(['hash', 'header', 'extranonce2', 'difficulty_log2', 'received_ms'])
      .where(
        'hash',
        'in',
        shares.map(({ hash }) => Buffer.from(hash)),
      )
      .orderBy('hash')
      .execute()
    expect(rows).toEqual(
      shares.map(share => ({
        hash: Buffer.from(share.hash),
        header: Buffer.from(share.header),
        extranonce2: Buffer.from(share.extranonce2),
        difficulty_log2: share.difficultyLog2,
        received_ms: BigInt(share.receivedAt),
      })),
    )
  })

  test('holds what two processes accept of one share to one', async () => {
    const other = storeOn(database.db)
    const shares = Array.from({ length: 50 }, nextShare)
    const outcomes = await Promise.all(
      shares.flatMap(share => [recordShare(store, share), recordShare(other, share)]),
    )
    await other.stop()
    expect(outcomes.filter(outcome => outcome === 'committed')).toHaveLength(50)
    expect(outcomes.filter(outcome => outcome === 'duplicate')).toHaveLength(50)
  })

  test('that meets the closing of its epoch goes to the next one', async () => {
    await recordShare(store, nextShare())
    const share = nextShare()
    let outcome: Promise<unknown> | undefined
    await database.ownerDb.transaction().execute(async closer => {
      await sql`select from epochs where closed_ms is null for update`.execute(closer)
      outcome = recordShare(store, share)
      await untilBlocked(database)
      await sql`update epochs set closed_ms = 2, close_reason = 'time'
                 where closed_ms is null`.execute(closer)
      await openEpoch(closer, 2n)
    })
    expect(await outcome).toBe('committed')
    const row = await database.db
      .selectFrom('shares')
      .select('epoch_id')
      .where('hash', '=', Buffer.from(share.hash))
      .executeTakeFirstOrThrow()
    expect(row.epoch_id).toBe(2n)
  })

  test('books a block that a node took to the epoch that is open, and says so', async () => {
    const listener = new Client({ connectionString: database.appUrl })
    await listener.connect()
    const heard = new Promise(resolve => listener.on('notification', resolve))
    await listener.query('listen blocks')
    const share = nextShare()
    const hash = blockHash(toHex(share.hash))
    const about = { hash, height: 100, sessionId: it.sessionId }
    const candidate = { ...about, node: 'a', jobId: job.id, answer: 'accepted', submittedAt: NOW }
    const rest = { scheme: 'pplns', value: sats(5n), paid: null, work: 2n ** 80n, foundAt: NOW }
    const block = { ...about, ...rest, accountId: it.accountId }
    const outcome = await new Promise(resolve =>
      store.record({ share, candidates: [candidate], block }, resolve),
    )
    expect(outcome).toBe('committed')
    expect(await heard).toMatchObject({ channel: 'blocks', payload: hash })
    await listener.end()
    const stored = await database.db.selectFrom('blocks').selectAll().executeTakeFirstOrThrow()
    expect(stored).toMatchObject({ hash, epoch_id: 2n, work: 2n ** 80n, recovered: false })
  })
})

describe('a lost reply', () => {
  test('to shares alone is found out, and counts once', async () => {
    await recordShare(store, nextShare())
    let lost = 0
    let isInserting = false
    tap = (direction, chunk) => {
      if (direction === 'to server') isInserting ||= chunk.includes('PGCOPY')
      if (direction !== 'to client' || !isInserting || lost > 0) return 'pass'
      lost++
      setImmediate(proxy.cut)
      return 'drop'
    }
    const share = nextShare()
    expect(await recordShare(store, share)).toBe('committed')
    expect(lost).toBe(1)
    expect((await storedHashes(database)).filter(hash => hash === toHex(share.hash))).toHaveLength(
      1,
    )
  })

  for (const [what, verdict] of [
    ['to a commit', 'pass'],
    ['to a commit that never arrived', 'drop'],
  ] as const)
    test(`${what} counts rejects once`, async () => {
      const before = (await rejectCount('stale')) ?? 0n
      await recordShare(store, nextShare())
      let lost = 0
      tap = (direction, chunk) => {
        const isCommit = direction === 'to server' && /commit/i.test(chunk.toString('latin1'))
        if (isCommit && lost === 0) {
          lost++
          if (verdict === 'drop') setImmediate(proxy.cut)
          return verdict
        }
        if (direction === 'to client' && lost === 1) {
          lost++
          setImmediate(proxy.cut)
          return 'drop'
        }
        return 'pass'
      }
      const flushing = createShareStore({
        ...{ db: throughProxy, clock: ticking(), log: SILENT, waitMaxMs: 1e9 },
      })
      for (let i = 0; i < 7; i++) flushing.countReject(rejectOf('stale'))
      expect(await recordShare(flushing, nextShare())).toBe('committed')
      expect(lost).toBeGreaterThan(0)
      await flushing.stop()
      expect(await rejectCount('stale')).toBe(before + 7n)
    })
})

test('a transaction that the server forgot in a crash is aborted, and no error', async () => {
  const { rows } = await sql<{ next: string }>`
    select (pg_current_xact_id()::text::bigint + 1000000)::text as next`.execute(database.db)
  expect(await transactionFate(database.db, rows[0]?.next ?? '')).toBe('aborted')
})

describe('while PostgreSQL is away', () => {
  test('a server that stays silent is given up, and the share counts once', async () => {
    await recordShare(store, nextShare())
    let isSilent = false
    let wasSilent = false
    tap = (direction, chunk) => {
      // The rows are copied, the reply never comes, and the next to speak is the retry.
      if (direction === 'to server') isSilent = !wasSilent && chunk.includes('PGCOPY')
      wasSilent ||= isSilent
      return direction === 'to client' && isSilent ? 'drop' : 'pass'
    }
    const share = nextShare()
    const outcome = recordShare(store, share)
    expect(await outcome).toBe('committed')
    expect(wasSilent).toBe(true)
    proxy.cut()
    expect((await storedHashes(database)).filter(hash => hash === toHex(share.hash))).toHaveLength(
      1,
    )
  })

  test('shares wait within a bound, a block is recorded whenever it is back', async () => {
    let now: number = NOW
    const patient = createShareStore({
      ...{ db: throughProxy, log: SILENT, waitMaxMs: 1000 },
      clock: { now: () => unixMs(now) },
    })
    await recordShare(patient, nextShare())
    tap = () => 'drop'
    const away = setInterval(proxy.cut, 20)
    const [share, foundShare, late] = [nextShare(), nextShare(), nextShare()]
    const hash = blockHash(toHex(foundShare.hash))
    const about = { hash, height: 100, sessionId: it.sessionId }
    const candidate = { ...about, node: 'a', jobId: job.id, answer: 'no', submittedAt: NOW }
    const lost = recordShare(patient, share)
    const found = new Promise(resolve =>
      patient.record({ share: foundShare, candidates: [candidate], block: null }, resolve),
    )
    now += 1001
    expect([await lost, await found]).toEqual(['unavailable', 'unavailable'])
    clearInterval(away)
    tap = () => 'pass'
    expect(await recordShare(patient, late)).toBe('committed')
    const rows = await database.db
      .selectFrom('block_candidates')
      .select('answer')
      .where('hash', '=', hash)
      .execute()
    expect(rows).toEqual([{ answer: 'no' }])
    expect(await storedHashes(database)).not.toContain(toHex(share.hash))
    await patient.stop()
  })
})

test('a kill of PostgreSQL under load loses no answered share and stores none twice', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-kill-'))
  const start = () => startEmbeddedPostgres({ dir, log: SILENT, random: systemRandom })
  let postgres = await start()
  const between = await startTapProxy(
    () => postgres.port,
    () => 'pass',
  )
  const url = (text: string) => Object.assign(new URL(text), { port: String(between.port) }).href
  await migrate(postgres.ownerUrl('postgres'))
  const appUrl = await ensureAppLogin(postgres.ownerUrl('postgres'), 'postgres', 'test-only')
  const db = openDatabase(url(appUrl), { max: 3 })
  const ownerDb = openDatabase(url(postgres.ownerUrl('postgres')), { max: 3 })
  const own = await prepare({ db, ownerDb })
  const make = shareMaker({ ...own, job })
  const loaded = createShareStore({ db, clock: FIXED_CLOCK, log: SILENT, waitMaxMs: 1 })
  loaded.addJob(job)

  const answered: string[] = []
  const all: Promise<void>[] = []
  const load = async () => {
    for (let i = 0; i < 200; i++) {
      const share = make()
      all.push(
        recordShare(loaded, share).then(outcome => {
          if (outcome === 'committed') answered.push(toHex(share.hash))
        }),
      )
      if (i % 10 === 0) await new Promise(resolve => setImmediate(resolve))
    }
  }
  await load()
  await pollUntil(() => answered.length > 0 || null, { everyMs: 5, timeoutMs: 45_000 })
  await Promise.all([load(), postgres.kill()])
  await load()
  const before = answered.length
  postgres = await start()
  await load()
  await Promise.all(all)
  expect(answered.length).toBe(800)
  expect(before).toBeLessThan(800)
  expect(await storedHashes({ ownerDb })).toEqual(answered.toSorted())
  await loaded.stop()
  await db.destroy()
  await ownerDb.destroy()
  await between.close()
  await postgres.stop()
  await rm(dir, { recursive: true, force: true })
})

test('a restart finds the jobs that miners work on, and the shares accepted on them', async () => {
  const share = nextShare()
  await recordShare(store, share)
  const { coinbase1, coinbase2 } = job
  // Both extranonces, and a witness of one 32-byte item with its marker and flag (BIP 141).
  const bytes = coinbase1.length + (4 + 8) + coinbase2.length + 36
  expect(await newestCoinbaseBytes(database.db)).toBe(bytes)
  const jobs = await restoreJobs(database.db, NOW)
  // The coinbase keeps what the template commits to, so that nothing else is restored of it.
  expect(jobs).toHaveLength(1)
  expect([{ ...job, cleanJobs: false }]).toMatchObject(jobs)
  const seen = new Set<string>()
  await restoreHashes(database.db, [100], (_, hash) => seen.add(toHex(hash)))
  expect([...seen].sort()).toEqual(await storedHashes(database))
  expect(seen.has(toHex(share.hash))).toBe(true)
  expect(await restoreJobs(database.db, unixMs(NOW + 600_001))).toEqual([])
})

/** A clock that moves on by two seconds with each look, so that rejects are always due. */
function ticking() {
  let now: number = NOW
  return {
    now: () => {
      now += 2000
      return unixMs(now)
    },
  }
}
