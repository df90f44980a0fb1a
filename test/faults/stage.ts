import { type Kysely, sql } from 'kysely'
import { DatabaseError } from 'pg'
import { unreachable } from '../../src/lib/assert.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import type { Sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import type { PoolProcess } from '../support/pool-process.ts'
import { API_IS_SERVED, type PoolScene, poolScene } from '../support/pool-scene.ts'
import { startTapProxy, type TapProxy, type Verdict } from '../support/tap-proxy.ts'
import { type Striker, striker } from './boundary.ts'
import { openWorld, type World } from './stage-world.ts'

/** No share is ever mined here. */
const HASHES_PER_BLOCK = 1n << 40n
/** What PostgreSQL calls two transactions that wait for each other. */
const DEADLOCK = '40P01'
const FLUSH_WAIT = { everyMs: 50, timeoutMs: 30_000 }

/** A process that can be struck, with taps between it and its servers. */
export type Victim = {
  readonly striker: Striker
  readonly process: PoolProcess
  /** Starts it, again where it died; its queue has then lost everything. */
  readonly start: () => Promise<void>
  /** Starts it again, with its queue as it left it. */
  readonly goOn: () => Promise<void>
  /** Starts it for the first time, unless somebody has. */
  readonly isThere: () => Promise<void>
}

/** Processes of the real program between taps, with miners to pay. */
export type Stage = World & {
  readonly scene: PoolScene
  /** As the pool's owner, past the taps. */
  readonly db: Kysely<Database>
  readonly payouts: Victim
  readonly api: Victim
  /** What is said of fees from now on, in satoshis a thousand virtual bytes; null: too little is known. */
  readonly estimate: (feeRate: Sats | null) => void
  /** Resolves when a database that was killed has been started again. */
  readonly databaseIsBack: () => Promise<void>
  readonly remove: () => Promise<void>
}

export async function openStage(): Promise<Stage> {
  let databaseIsBack = Promise.resolve()
  const killDatabase = () => {
    databaseIsBack = scene.crashPostgres()
  }
  const payouts = target(killDatabase)
  const api = target(killDatabase)
  let estimate: Sats | null = null
  const scene = await poolScene({
    hashesPerBlock: HASHES_PER_BLOCK,
    nodeUrl: async devnet => {
      const port = Number(new URL(devnet.poolNodeUrl).port)
      const tap = payouts.striker.tap('node')
      const node = await startTapProxy(
        () => port,
        (way, chunk, connection) => estimated(chunk, estimate) ?? tap(way, chunk, connection),
      )
      payouts.taps.push(node)
      return `http://127.0.0.1:${node.port}`
    },
  })
  const db = openDatabase(scene.postgres().ownerUrl('postgres'), { max: 3 })
  const world = await openWorld(db, scene)
  const flush = () => flushQueue(db)
  const victims = {
    payouts: await putBetween(scene, payouts, { role: 'payouts', begin: flush }),
    api: await putBetween(scene, api, { role: 'api', readyWhenLogSays: API_IS_SERVED }),
  }
  await victims.payouts.isThere()
  return {
    ...{ scene, db, ...victims, ...world },
    estimate: feeRate => {
      estimate = feeRate
    },
    databaseIsBack: () => databaseIsBack,
    remove: async () => {
      for (const { striker } of [payouts, api]) striker.revive()
      await db.destroy()
      await scene.remove()
      for (const tap of [...payouts.taps, ...api.taps]) await tap.close()
    },
  }
}

/** Whom a striker strikes, before there is a process and all its taps. */
export type Target = {
  readonly striker: Striker
  readonly taps: TapProxy[]
  process: PoolProcess | null
}

/** @param killDatabase what the blow at the database does */
export function target(killDatabase: () => void): Target {
  const made: Target = {
    striker: striker(blow => {
      switch (blow) {
        case 'kill':
        case 'kill, queue kept':
          made.process?.kill()
          break
        case 'cut':
          for (const tap of made.taps) tap.cut()
          break
        case 'kill database':
          killDatabase()
          break
        default:
          unreachable(blow)
      }
    }),
    taps: [],
    process: null,
  }
  return made
}

/** Starts a role behind taps on its way to the database. */
export async function putBetween(
  scene: PoolScene,
  struck: Target,
  told: {
    readonly role: string
    readonly begin?: () => Promise<void>
    readonly readyWhenLogSays?: string
    readonly environment?: Record<string, string>
  },
): Promise<Victim> {
  const { striker, taps } = struck
  const database = await startTapProxy(() => scene.postgres().port, striker.tap('database'))
  taps.push(database)
  const databaseUrl = new URL(scene.appUrl)
  databaseUrl.port = String(database.port)
  const { environment = {} } = told
  const process = scene.role(told.role, { databaseUrl: databaseUrl.href, environment })
  struck.process = process
  let isThere = false
  const goOn = async () => {
    isThere = true
    striker.revive()
    await process.start(told.readyWhenLogSays)
  }
  const start = async () => {
    await told.begin?.()
    await goOn()
  }
  return {
    ...{ striker, process, start, goOn },
    isThere: async () => {
      if (!isThere) await start()
    },
  }
}

/**
 * The answer to a question for the fees of now; null where something else is said. The node itself
 * is never asked: after a hundred payments it has learnt what the stage once told.
 */
function estimated(chunk: Buffer, feeRate: Sats | null): Verdict | null {
  if (!chunk.includes('"estimatesmartfee"')) return null
  const result =
    feeRate === null
      ? { errors: ['Insufficient data or no feerate found'], blocks: 6 }
      : { feerate: Number(feeRate) / 1e8, blocks: 6 }
  const body = JSON.stringify({ result, error: null })
  const head = ['HTTP/1.1 200 OK', 'content-type: application/json', 'connection: close']
  return { answer: `${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n${body}` }
}

/**
 * Loses all that a queue holds. What a killed process asked last may still run and lock the tables
 * in another order; PostgreSQL then ends one of the two, and where it is this one, it comes again.
 */
export async function flushQueue(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select quote_ident(tablename) as name from pg_tables
     where schemaname = 'bullmq' and tablename <> 'migration'`.execute(db)
  const flush = sql.raw(`truncate ${rows.map(({ name }) => `bullmq.${name}`).join(', ')}`)
  const isFlushed = async () => {
    try {
      await flush.execute(db)
      return true
    } catch (error) {
      if (error instanceof DatabaseError && error.code === DEADLOCK) return null
      throw error
    }
  }
  if (!(await pollUntil(isFlushed, FLUSH_WAIT))) throw new Error('a queue is never left alone')
}
