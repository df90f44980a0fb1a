import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { inBatches } from '../lib/in-batches.ts'
import type { IpNetwork } from '../lib/ip-address.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Clock } from '../lib/time.ts'
import { watchBans } from './ban-source.ts'
import { coinbaseBytes } from './coinbase.ts'
import { createDuplicates } from './duplicates.ts'
import { leaseRun, restoreHashes, restoreJobs } from './job-store.ts'
import { createJobMaker, createLiveJobs } from './live-jobs.ts'
import { createSessionStore } from './session-store.ts'
import { createShareCheck } from './share.ts'
import { createShareStore } from './share-store.ts'
import type { Authorize } from './stratum/connection.ts'
import type { BlockNode } from './stratum/found-block.ts'
import { createGuard, type GuardRules } from './stratum/guard.ts'
import { createSessionServer } from './stratum/session-server.ts'
import { listenForMiners, type StratumPort } from './stratum/stratum-server.ts'
import type { Work } from './template.ts'

/** Miners that have not followed the wish to connect anew by then are hung up on. */
const DRAIN_MS_MAX = 3000
/** Sessions that come back and share a look for jobs of other processes; more share the next. */
const RESUMED_PER_LOOK_MAX = 20_000

/** A process that serves miners. */
export type Mining = {
  /** The ports that are really listened on, in the order asked for. */
  readonly ports: readonly number[]
  /**
   * Work for everyone, from now on.
   *
   * @returns how long its coinbase is where it pays the pool, from `coinbaseBytes`
   */
  readonly work: (template: Work) => number
  /** The node has no work: what is out goes on, newcomers wait. */
  readonly pause: () => void
  readonly connectionCount: () => number
  /** Takes no more miners, and asks those there are to connect anew, while their shares count. */
  readonly drain: () => Promise<void>
  /** Takes no more miners, commits what is there, answers it, and ends. */
  readonly stop: () => Promise<void>
}

export type MiningOptions = {
  readonly ports: readonly StratumPort[]
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly authorize: Authorize
  readonly nodes: readonly BlockNode[]
  /** Names the pool in its coinbases: printable ASCII. */
  readonly tag: string
  /** Receives every block's whole value. */
  readonly payScript: Uint8Array
  /** How long an accepted share may wait for PostgreSQL before its miner gets an error. */
  readonly shareWaitMaxMs: number
  /** Who may connect; without it everybody may, any number of times. */
  readonly door?: DoorRules
}

/** Who may connect, how often, and through which proxies. */
export type DoorRules = GuardRules & {
  /** They say for whom they connect, and must (the PROXY protocol). */
  readonly proxies: readonly IpNetwork[]
}

const OPEN_DOOR: DoorRules = { connectionsPerSubscriber: null, exempt: [], proxies: [] }

/**
 * Starts the stratum role. First it restores what the last process knew: jobs that miners still
 * work on and the shares accepted on them. Sessions are found again when their miners come back.
 */
export async function startMining(options: MiningOptions): Promise<Mining> {
  const { db, clock, random, log, tag, payScript } = options
  const jobs = createLiveJobs()
  const duplicates = createDuplicates()
  for (const job of await restoreJobs(db, clock.now())) jobs.add(job, job.createdAt)
  const live = jobs.all(clock.now())
  const heights = [...new Set(live.map(({ template }) => template.height))]
  await restoreHashes(db, heights, duplicates.add)
  // Those who come back at once, as when another process ended, ask the database together.
  const learnJobs = inBatches<void, true>(async asked => {
    const now = clock.now()
    const known = jobs.all(now).map(({ id }) => id)
    jobs.learn(await restoreJobs(db, now, known))
    return asked.map(() => true)
  }, RESUMED_PER_LOOK_MAX)
  const makeJob = createJobMaker({ run: await leaseRun(db), tag, payScript })

  const shares = createShareStore({ db, clock, log, waitMaxMs: options.shareWaitMaxMs })
  const { connectionsPerSubscriber, exempt, proxies } = options.door ?? OPEN_DOOR
  // A proxy is asked for whom it connects; it is nobody to be counted or banned itself.
  const guard = createGuard({ connectionsPerSubscriber, exempt: [...exempt, ...proxies] })
  const bans = await watchBans({ db, clock, log, guard })
  const sessions = createSessionServer({
    ...{ clock, log, jobs, duplicates, shares, learnJobs },
    check: createShareCheck(duplicates),
    sessions: createSessionStore(db, clock, random),
    authorize: options.authorize,
    nodes: options.nodes,
    strike: host => {
      const ban = guard.strike(host, clock.now())
      if (ban === null) return
      log.warn(ban, 'banned for what it did on its connections')
      bans.keep(ban)
    },
  })
  const door = { guard, proxies, clock }
  const miners = await listenForMiners(options.ports, sessions, log, door)
  return {
    ports: miners.ports,
    work: template => {
      const job = makeJob(template, clock.now())
      sessions.publish(job)
      return coinbaseBytes(job)
    },
    pause: sessions.pause,
    connectionCount: miners.connectionCount,
    async drain() {
      miners.stopAccepting()
      sessions.drain()
      await miners.untilEmpty(DRAIN_MS_MAX)
    },
    async stop() {
      miners.stopListening()
      // What has been read is checked at the end of this turn, and recorded.
      await new Promise(resolve => setImmediate(resolve))
      // A node answers or is given up in bounded time; what it took is booked with its worker.
      await sessions.blocksAnswered()
      await shares.stop()
      miners.endAll()
      await sessions.stop()
      await bans.stop()
    },
  }
}
