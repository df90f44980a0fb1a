import {
  Queue as BullQueue,
  createPostgresBackend,
  type IQueueBackend,
  isPgPool,
  type JobProgress,
  type JobSchedulerJson,
  runMigrations,
  Worker,
} from 'bullmq'
import { Redis } from 'ioredis'
import { Client, Pool } from 'pg'
import { assert } from './assert.ts'
import type { UnixMs } from './ids.ts'
import { type Job, jobRunner, messageOf, type Picked } from './job-runner.ts'
import type { Log } from './log.ts'
import type { Clock } from './time.ts'

export type { Job } from './job-runner.ts'

/** Where the queue keeps its alarm clock. A URL may hold a password and is never logged. */
export type QueueStore =
  /** Redis or Valkey, `redis://` or `rediss://`, never evicting (`maxmemory-policy noeviction`). */
  | { readonly kind: 'redis'; readonly url: string }
  /** The pool's own database, as the processes' role, after `migrateQueue`. */
  | { readonly kind: 'postgres'; readonly url: string }

/** An alarm clock for one role's jobs. Losing what it stores loses nothing. */
export type Queue = {
  /** Makes the schedules be exactly these, removes those of vanished jobs, and begins to run. */
  readonly start: (jobs: readonly Job[]) => Promise<void>
  /**
   * Has a run begin soon, after whatever is visible now. Many wakes before that run are one.
   * Never fails: a lost wake only means that the job waits for its time.
   */
  readonly wake: (name: string) => Promise<void>
  /** Puts back schedules that are missing or late. Throws where the store does not answer. */
  readonly reconcile: () => Promise<void>
  /** Waits for running jobs up to CLOSE_MS_MAX, then leaves them to be run again elsewhere. */
  readonly close: () => Promise<void>
}

/** Jobs that run at once in this process; another one waits for its turn. */
const JOBS_AT_ONCE = 4
/** Connections to PostgreSQL: one listens for good, the others serve the jobs at once. */
const POSTGRES_CONNECTIONS = JOBS_AT_ONCE + 2
/** A flushed store has its schedules back after at most this. */
export const HEARTBEAT_MS = 5000
/** A schedule this long behind its time has lost its next job, and is made again. */
const LATE_MS = 60_000
/** A store that has not answered by then counts as away; the next heartbeat asks again. */
const ANSWER_MS_MAX = 5000
/** Shutdown does not wait longer for a job that does not end. */
export const CLOSE_MS_MAX = 10_000
/** Schedules read at once; a queue with more jobs than this is a mistake. */
const JOBS_MAX = 1000
const SCHEMA = 'bullmq'
const PREFIX = 'sidepool'

/**
 * @param name one queue for each role, since a start removes the schedules it does not know
 * @param heartbeatMs HEARTBEAT_MS, but for tests
 */
export function openQueue(options: {
  readonly name: string
  readonly store: QueueStore
  readonly log: Log
  readonly clock: Clock
  readonly heartbeatMs?: number
}): Queue {
  const { name, log } = options
  const runner = jobRunner(name, log)
  const complain = (error: Error) => log.warn({ queue: name, reason: error.message }, 'queue away')
  const clock = openStore(options.store, { name, run: runner.run, complain })
  let heartbeat: NodeJS.Timeout | null = null

  const bounded = async (what: string, work: Promise<unknown>) => {
    await withinMs(ANSWER_MS_MAX, work).catch((error: unknown) => {
      log.warn({ queue: name, reason: messageOf(error) }, what)
    })
  }
  const reconcile = () =>
    withinMs(ANSWER_MS_MAX, putBack(clock, runner.jobs(), options.clock.now()))

  return {
    start: async jobs => {
      runner.set(jobs)
      clock.work()
      heartbeat = setInterval(
        () => bounded('schedules not looked after', reconcile()),
        options.heartbeatMs ?? HEARTBEAT_MS,
      )
      await bounded('vanished schedules not removed', removeVanished(clock, jobs))
      await bounded('schedules not made yet', reconcile())
    },
    wake: job => bounded('wake lost', clock.ring(job)),
    reconcile,
    close: async () => {
      if (heartbeat) clearInterval(heartbeat)
      await closeWithin(clock, name, log)
      await clock.close()
    },
  }
}

/**
 * Makes the queue's tables in the pool's database and lets the processes' role use them. Run with
 * the owner's URL, after the pool's own migrations; harmless when repeated.
 *
 * @param names of all queues; the role may create nothing, so their counters are made here
 */
export async function migrateQueue(ownerUrl: string, names: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    await runMigrations(client, SCHEMA)
    for (const name of names) await client.query(`select ${SCHEMA}.next_job_id($1)`, [name])
    await client.query(`
      grant usage on schema ${SCHEMA} to sidepool_app;
      grant select, insert, update, delete on all tables in schema ${SCHEMA} to sidepool_app;
      grant usage on all sequences in schema ${SCHEMA} to sidepool_app;
      grant execute on all functions in schema ${SCHEMA} to sidepool_app`)
  } finally {
    await client.end()
  }
}

async function removeVanished(clock: AlarmClock, jobs: readonly Job[]): Promise<void> {
  const wanted = new Set(jobs.map(job => job.name))
  for (const { key } of await clock.schedules()) {
    if (!wanted.has(key)) await clock.unschedule(key)
  }
}

/** Only what is missing, changed or late is made again: a healthy schedule keeps its time. */
async function putBack(clock: AlarmClock, jobs: readonly Job[], now: UnixMs): Promise<void> {
  const present = new Map((await clock.schedules()).map(scheduler => [scheduler.key, scheduler]))
  for (const { name, everyMs } of jobs) {
    const scheduler = present.get(name)
    const next = scheduler?.next ?? 0
    const late = next + everyMs + LATE_MS < now
    if (scheduler?.every === everyMs && !late) continue
    await clock.schedule(name, everyMs)
  }
}

type BullQueueOf<B extends IQueueBackend, C> = BullQueue<
  unknown,
  void,
  string,
  unknown,
  void,
  string,
  B,
  C
>
type BullWorkerOf<B extends IQueueBackend, C> = Worker<unknown, void, string, B, JobProgress, C>

/** What both stores can do, without their types. */
type AlarmClock = {
  readonly schedules: () => Promise<readonly JobSchedulerJson[]>
  readonly schedule: (job: string, everyMs: number) => Promise<unknown>
  readonly unschedule: (job: string) => Promise<unknown>
  readonly ring: (job: string) => Promise<unknown>
  readonly work: () => void
  readonly stopWork: (force: boolean) => Promise<void>
  readonly close: () => Promise<void>
}

function alarmClock<B extends IQueueBackend, C>(
  queue: BullQueueOf<B, C>,
  newWorker: () => BullWorkerOf<B, C>,
  disconnect: () => Promise<void>,
  complain: (error: Error) => void,
): AlarmClock {
  let worker: BullWorkerOf<B, C> | null = null
  queue.on('error', complain)
  return {
    schedules: () => queue.getJobSchedulers(0, JOBS_MAX),
    schedule: (name, every) => queue.upsertJobScheduler(name, { every }, { name, data: {} }),
    unschedule: name => queue.removeJobScheduler(name),
    ring: name => {
      const deduplication = { id: `wake-${name}`, keepLastIfActive: true }
      return queue.add(name, { wake: true }, { deduplication })
    },
    work: () => {
      worker = newWorker()
      worker.on('error', complain)
    },
    stopWork: force => worker?.close(force) ?? Promise.resolve(),
    close: async () => {
      await withinMs(ANSWER_MS_MAX, queue.close()).catch(() => {})
      await withinMs(ANSWER_MS_MAX, disconnect()).catch(() => {})
    },
  }
}

/** Finished jobs go at once: keeping some by count or age is slow and deadlocks on PostgreSQL. */
const WORKER = {
  concurrency: JOBS_AT_ONCE,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 0 },
}

type Wiring = {
  readonly name: string
  readonly run: (job: Picked) => Promise<void>
  readonly complain: (error: Error) => void
}

function openStore(store: QueueStore, wiring: Wiring): AlarmClock {
  return store.kind === 'redis' ? openRedis(store.url, wiring) : openPostgres(store.url, wiring)
}

function openRedis(url: string, { name, run, complain }: Wiring): AlarmClock {
  // Endless retries, as the worker's blocking reads want it; our own calls have their time limit.
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  connection.on('error', complain)
  const options = { connection, prefix: PREFIX }
  return alarmClock(
    new BullQueue(name, options),
    () => new Worker(name, run, { ...options, ...WORKER }),
    async () => connection.disconnect(),
    complain,
  )
}

function openPostgres(url: string, { name, run, complain }: Wiring): AlarmClock {
  // The planner's compiler costs more than it saves on the queue's small statements.
  const options = `-c search_path=${SCHEMA},public -c jit=off`
  const connection = new Pool({ connectionString: url, max: POSTGRES_CONNECTIONS, options })
  connection.on('error', complain)
  assert(isPgPool(connection), 'pg has the pool that the queue wants')
  return alarmClock(
    new BullQueue(name, { connection }, createPostgresBackend),
    () => new Worker(name, run, { connection, ...WORKER }, createPostgresBackend),
    () => connection.end(),
    complain,
  )
}

async function closeWithin(clock: AlarmClock, queue: string, log: Log): Promise<void> {
  try {
    await withinMs(CLOSE_MS_MAX, clock.stopWork(false))
  } catch {
    log.warn({ queue }, 'closed with jobs still running; they are run again elsewhere')
    await withinMs(ANSWER_MS_MAX, clock.stopWork(true)).catch(() => {})
  }
}

/** Rejects when the time is up; what was begun goes on, and its own failure is then nobody's. */
async function withinMs<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  work.catch(() => {})
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
