import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../src/lib/db/database.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { ofKind, type TestMiner, testMiner } from '../support/miner.ts'
import type { PoolProcess } from '../support/pool-process.ts'
import { MINERS_MAY_CONNECT, type PoolScene, poolScene } from '../support/pool-scene.ts'
import { startTapProxy, type TapProxy, type Verdict } from '../support/tap-proxy.ts'

/**
 * Two stratum processes share a port, and one of them is killed while miners submit to both, at an
 * exact point of a commit. Its miners come back to the other one, which has never seen the jobs
 * that they worked on, and send again what was not answered.
 */
const MINERS = 12
/** One share in 256 hashes, whatever vardiff would like: many shares in every commit. */
const DIFFICULTY = { start: 2 ** -24, minimum: 2 ** -24, maximum: 2 ** -24, secondsPerShare: 1 }
const SOON = { everyMs: 20, timeoutMs: 60_000 }

type Point = 'insert sent' | 'committed, reply unseen'
/** Which process is struck where; each of them is killed, and goes on alone, in turn. */
const BLOWS: readonly { readonly victim: 0 | 1; readonly point: Point }[] = [
  { victim: 0, point: 'insert sent' },
  { victim: 1, point: 'committed, reply unseen' },
]

type Process = { readonly stratum: PoolProcess; readonly database: TapProxy }

let scene: PoolScene
let wire: TapProxy
let processes: Process[] = []
let miners: TestMiner[] = []
let strike: (typeof BLOWS)[number] | null = null

/** The real program, whose traffic with the database a test sees and can strike at. */
async function startProcess(nth: 0 | 1): Promise<Process> {
  let insertOn: number | null = null
  const struck = (point: Point): Verdict => {
    if (strike?.victim !== nth || strike.point !== point) return 'pass'
    strike = null
    stratum.kill()
    return 'drop'
  }
  const database = await startTapProxy(
    () => scene.postgres().port,
    (direction, chunk, connection) => {
      if (direction === 'to server') {
        if (!/insert into shares|PGCOPY/.test(chunk.toString('latin1'))) return 'pass'
        insertOn = connection
        return struck('insert sent')
      }
      if (connection !== insertOn) return 'pass'
      insertOn = null
      return struck('committed, reply unseen')
    },
  )
  const tapped = new URL(scene.appUrl)
  tapped.port = String(database.port)
  const stratum = scene.role('stratum', { databaseUrl: tapped.href })
  await stratum.start(MINERS_MAY_CONNECT)
  return { stratum, database }
}

beforeAll(async () => {
  scene = await poolScene({
    ...{ hashesPerBlock: 1n << 40n, difficulty: DIFFICULTY, epochMinutes: 0.05 },
    stratumProcesses: 2,
  })
  wire = await startTapProxy(
    () => scene.ports.pplns,
    () => 'pass',
  )
  await scene.role('accounting').start()
  processes = [await startProcess(0), await startProcess(1)]
  const users = await Promise.all(Array.from({ length: MINERS }, scene.newAddress))
  miners = users.map(user => testMiner({ port: wire.port, user, hashesPerSecond: 4000 }))
})

afterAll(async () => {
  await Promise.all(miners.map(miner => miner.stop()))
  await wire?.close()
  for (const { database } of processes) await database.close()
  await scene?.remove()
})

const count = ({ events }: TestMiner, kind: string) =>
  events.filter(event => event.kind === kind).length

/** Every miner has a share accepted that was not before. */
async function untilAllMine(): Promise<void> {
  const before = miners.map(miner => count(miner, 'accepted'))
  const all = () =>
    miners.every((miner, index) => count(miner, 'accepted') > (before[index] ?? 0)) || null
  const logs = processes.map(({ stratum }) => stratum.log().slice(-1500)).join('\n')
  expect(await pollUntil(async () => all(), SOON), `all mine\n${logs}`).toBe(true)
}

/** Both processes make jobs that the other did not find in the database when it started. */
async function newJobs(): Promise<void> {
  const before = miners.map(miner => count(miner, 'job'))
  await scene.devnet.mine(1)
  const all = () =>
    miners.every((miner, index) => count(miner, 'job') > (before[index] ?? 0)) || null
  expect(await pollUntil(async () => all(), SOON), 'all have a new job').toBe(true)
  await untilAllMine()
}

/** Some miners worked for the process that was struck, and some for the other. */
async function strikeOnce(blow: (typeof BLOWS)[number]): Promise<void> {
  const { stratum } = processes[blow.victim] as Process
  await newJobs()
  const before = miners.map(miner => count(miner, 'disconnected'))
  strike = blow
  await stratum.ended()
  await untilAllMine()
  const moved = miners.filter((miner, index) => count(miner, 'disconnected') > (before[index] ?? 0))
  expect(moved.length, 'miners of the process that was killed').toBeGreaterThan(0)
  expect(moved.length, 'miners of the other').toBeLessThan(MINERS)
}

async function startAgain({ victim }: (typeof BLOWS)[number]): Promise<void> {
  const { stratum } = processes[victim] as Process
  await stratum.start(MINERS_MAY_CONNECT)
  // All connect anew, so that the kernel gives some of them to either process again.
  wire.cut()
  await untilAllMine()
}

test('a process that is killed beside another loses no accepted share, and its sessions go on there', async () => {
  const leases = await Promise.all(
    miners.map(async miner => (await miner.until(ofKind('subscribed'))).extranonce1),
  )
  await untilAllMine()
  for (const [nth, blow] of BLOWS.entries()) {
    if (nth > 0) await startAgain(BLOWS[nth - 1] as (typeof BLOWS)[number])
    await strikeOnce(blow)
  }
  await Promise.all(miners.map(miner => miner.stop()))

  const all = miners.flatMap(({ events }) => events)
  const hashes = (kind: 'accepted' | 'sent again' | 'lost') =>
    all.flatMap(event => (event.kind === kind ? [event.hash] : []))
  expect(hashes('lost'), 'sessions that were not taken up again').toEqual([])
  for (const [index, { events }] of miners.entries())
    for (const event of events)
      if (event.kind === 'subscribed') expect(event.extranonce1).toBe(leases[index])
  // What was on disk already is a duplicate, and a new block may overtake a share.
  const rejected = all.filter(event => event.kind === 'rejected')
  const duplicates = rejected.filter(({ reason }) => reason.includes('duplicate'))
  const others = rejected.filter(event => !duplicates.includes(event))
  expect(others.map(({ reason }) => reason).filter(reason => !/stale/.test(reason))).toEqual([])
  const again = new Set(hashes('sent again'))
  const accepted = hashes('accepted')
  expect(
    accepted.filter(hash => again.has(hash)).length,
    'accepted by a process that did not make their jobs',
  ).toBeGreaterThan(0)

  const db = openDatabase(scene.appUrl, { max: 1 })
  const rows = await db
    .selectFrom('shares')
    .select('hash')
    .execute()
    .finally(() => db.destroy())
  const stored = new Set(rows.map(({ hash }) => hash.toString('hex')))
  expect(stored.size, 'a hash is stored once').toBe(rows.length)
  expect(new Set(accepted).size, 'accepted once each').toBe(accepted.length)
  const onDisk = [...accepted, ...duplicates.map(({ hash }) => hash)]
  expect(onDisk.filter(hash => !stored.has(hash))).toEqual([])
}, 180_000)
