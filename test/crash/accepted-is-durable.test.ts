import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../src/lib/db/database.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { type TestMiner, testMiner } from '../support/miner.ts'
import type { PoolProcess } from '../support/pool-process.ts'
import { MINERS_MAY_CONNECT, type PoolScene, poolScene } from '../support/pool-scene.ts'
import { type Direction, startTapProxy, type TapProxy, type Verdict } from '../support/tap-proxy.ts'

/**
 * Accepted means durable. The stratum process is killed 20 times under load, each time at an exact
 * point between receiving a share and writing its reply, and PostgreSQL five times; miners come
 * back with their session ids and send again what was not answered. At the end every share that
 * any miner was told is accepted is there once, compared by its header's hash.
 *
 * Proxies see the traffic of the sockets and of the database, so the program under test is the
 * real one, without a hook.
 */
const SEED = 20_261_121
const MINERS = 4
const KILLS = 20
const POSTGRES_KILLS = 5
/** One share in 256 hashes, whatever vardiff would like: many shares in every commit. */
const DIFFICULTY = { start: 2 ** -24, minimum: 2 ** -24, maximum: 2 ** -24, secondsPerShare: 1 }
const SOON = { everyMs: 20, timeoutMs: 60_000 }

type Point = 'received' | 'insert sent' | 'committed, reply unseen' | 'reply on its way'
const POINTS: readonly Point[] = [
  'received',
  'insert sent',
  'committed, reply unseen',
  'reply on its way',
]

let scene: PoolScene
let stratum: PoolProcess
let accounting: PoolProcess
let database: TapProxy
let wire: TapProxy
let miners: TestMiner[] = []
/** What is to be struck next, and how many of its occasions pass by first. */
let strike: { point: Point; after: number } | null = null
let insertOn: number | null = null

beforeAll(async () => {
  const epochMinutes = 0.05
  scene = await poolScene({ hashesPerBlock: 1n << 40n, difficulty: DIFFICULTY, epochMinutes })
  wire = await startTapProxy(() => scene.ports.pplns, watchWire)
  database = await startTapProxy(() => scene.postgres().port, watchDatabase)
  const tapped = new URL(scene.appUrl)
  tapped.port = String(database.port)
  accounting = scene.role('accounting')
  await accounting.start()
  stratum = scene.role('stratum', { databaseUrl: tapped.href })
  await stratum.start(MINERS_MAY_CONNECT)
  const users = await Promise.all(Array.from({ length: MINERS }, scene.newAddress))
  miners = users.map(user => testMiner({ port: wire.port, user, hashesPerSecond: 15_000 }))
})

afterAll(async () => {
  await Promise.all(miners.map(miner => miner.stop()))
  await wire?.close()
  await database?.close()
  await scene?.remove()
})

/** Kills the stratum process if this is the moment, and loses the bytes that showed it. */
function struck(point: Point): boolean {
  if (strike?.point !== point || strike.after-- > 0) return false
  strike = null
  stratum.kill()
  return true
}

function watchWire(direction: Direction, chunk: Buffer): Verdict {
  if (direction === 'to server' && chunk.includes('mining.submit') && struck('received'))
    return 'pass'
  if (direction === 'to client' && chunk.includes('"result":true') && struck('reply on its way'))
    return 'drop'
  return 'pass'
}

function watchDatabase(direction: Direction, chunk: Buffer, connection: number): Verdict {
  // Shares with a new job or with rejects go by a statement, shares alone by COPY.
  if (direction === 'to server' && /insert into shares|PGCOPY/.test(chunk.toString('latin1'))) {
    if (struck('insert sent')) return 'drop'
    insertOn = connection
  } else if (direction === 'to client' && connection === insertOn) {
    insertOn = null
    if (struck('committed, reply unseen')) return 'drop'
  }
  return 'pass'
}

function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function hashesOf(kind: 'accepted' | 'lost'): string[] {
  return miners.flatMap(({ events }) =>
    events.flatMap(event => (event.kind === kind ? [event.hash] : [])),
  )
}

/** Every miner has a share accepted that was not before. */
async function untilAllMine(): Promise<void> {
  const before = miners.map(countAccepted)
  const all = () => miners.every((miner, index) => countAccepted(miner) > (before[index] ?? 0))
  const mining = await pollUntil(async () => (all() ? true : null), SOON)
  expect(mining, `all mine again\n${stratum.log().slice(-2000)}`).toBe(true)
}

const countAccepted = ({ events }: TestMiner) =>
  events.filter(event => event.kind === 'accepted').length

test(`${KILLS} kills of the pool and ${POSTGRES_KILLS} of PostgreSQL under load lose no accepted share and count none twice`, async () => {
  const next = chance(SEED)
  await untilAllMine()
  for (let kill = 0; kill < KILLS; kill++) {
    const point = POINTS[kill % POINTS.length] ?? 'received'
    strike = { point, after: Math.floor(next() * 20) }
    await stratum.ended()
    await stratum.start(MINERS_MAY_CONNECT)
    await untilAllMine()
    if (kill % (KILLS / POSTGRES_KILLS) === 0) {
      await scene.crashPostgres()
      await untilAllMine()
    }
  }
  await Promise.all(miners.map(miner => miner.stop()))
  await stratum.stop()
  await auditShares()
}, 300_000)

async function auditShares(): Promise<void> {
  const db = openDatabase(scene.postgres().ownerUrl('postgres'))
  try {
    const rows = await db.selectFrom('shares').select('hash').execute()
    const stored = new Set(rows.map(({ hash }) => hash.toString('hex')))
    const accepted = hashesOf('accepted')
    expect(accepted.length).toBeGreaterThan(KILLS * MINERS)
    expect(stored.size, 'a hash is stored once').toBe(rows.length)
    expect(
      accepted.filter(hash => !stored.has(hash)),
      'accepted and missing',
    ).toEqual([])
    expect(new Set(accepted).size, 'accepted once each').toBe(accepted.length)
    expect(hashesOf('lost'), 'sessions that were not taken up again').toEqual([])
    const sent = miners.flatMap(({ events }) => events.filter(({ kind }) => kind === 'sent again'))
    expect(sent.length, 'shares sent again after a crash').toBeGreaterThan(0)
    const stated = await pollUntil(async () => {
      const { shares } = await db
        .selectFrom('worker_work')
        .select(({ fn }) => fn.sum<bigint | null>('shares').as('shares'))
        .executeTakeFirstOrThrow()
      return shares === BigInt(rows.length) ? shares : null
    }, SOON)
    expect(stated, `shares in statements\n${accounting.log().slice(-3000)}`).toBe(
      BigInt(rows.length),
    )
  } finally {
    await db.destroy()
  }
}
