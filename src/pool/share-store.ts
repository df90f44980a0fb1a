import type { Kysely } from 'kysely'
import { toHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import type { UnixMs } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import {
  type BlockRow,
  type CandidateRow,
  commitGroup,
  findOwn,
  type RejectRow,
  type ShareRow,
  transactionFate,
} from './group-store.ts'
import type { Job } from './job.ts'
import { JOB_RETENTION_MS } from './live-jobs.ts'
import { createRejectCounts } from './reject-counts.ts'
import type { CommitOutcome } from './stratum/session-state.ts'

/** Shares of one commit; what is more goes into the next. */
export const SHARES_PER_GROUP_MAX = 2000
/** Shares that wait for a commit; more are `unavailable` at once. */
const SHARES_WAITING_MAX = 50_000
const REJECTS_EVERY_MS = 1000
/** Lost replies whose rejects wait to be looked up; beyond, the oldest rejects stay uncounted. */
const DOUBTFUL_MAX = 100
/** A commit without an answer for so long is given up, and its group tried on another connection. */
const ATTEMPT_MAX_MS = 5000
const RETRY_AFTER_MS = 100

/** What is recorded of one submission: a share, a block, or both. */
export type Recording = {
  readonly share: ShareRow | null
  readonly candidates: readonly CandidateRow[]
  readonly block: BlockRow | null
}

/** The way of shares to disk: in groups, one commit at a time. */
export type ShareStore = {
  /** `done` is called once, after the commit or when the share is given up. */
  readonly record: (recording: Recording, done: (outcome: CommitOutcome) => void) => void
  /** Counts a refused share; written with a later group. */
  readonly countReject: (reject: Omit<RejectRow, 'count'>) => void
  /** Written with the next group, so before any share on it. */
  readonly addJob: (job: Job) => void
  /** Commits what is there, then ends; while PostgreSQL is away it gives up instead. */
  readonly stop: () => Promise<void>
}

type Item = {
  readonly recording: Recording
  readonly since: UnixMs
  /** Null when the miner has been answered and only the block is still to be recorded. */
  readonly done: ((outcome: CommitOutcome) => void) | null
}

/** A group on its way, through all its attempts. */
type Flight = {
  items: readonly Item[]
  jobs: readonly Job[]
  rejects: readonly RejectRow[]
  /** An attempt ended without an answer, so that what is there already may be ours. */
  isDoubtful: boolean
  transactionId: string | null
}

/**
 * @param waitMaxMs how long a share waits while PostgreSQL is away. A block is never given up:
 *   its miner is answered, and it is recorded whenever that is possible.
 */
export function createShareStore(deps: {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly waitMaxMs: number
}): ShareStore {
  const { db, clock, log, waitMaxMs } = deps
  const rejects = createRejectCounts()
  let queue: Item[] = []
  let jobs: readonly Job[] = []
  let doubtful: { readonly transactionId: string; readonly rejects: readonly RejectRow[] }[] = []
  let rejectsFlushedAt = clock.now()
  let running: Promise<void> | null = null
  let isAway = false
  let isStopping = false
  const timer = setInterval(wake, REJECTS_EVERY_MS)
  timer.unref()

  function wake(): void {
    if (running !== null || !hasWork()) return
    running = run().finally(() => {
      running = null
      // What came after the last look would else wait for the next to come.
      if (!isStopping) wake()
    })
  }

  function hasWork(): boolean {
    if (queue.length + jobs.length > 0) return true
    if (isStopping) return !rejects.isEmpty()
    return rejectsAreDue() && (!rejects.isEmpty() || doubtful.length > 0)
  }

  const rejectsAreDue = () => isStopping || clock.now() - rejectsFlushedAt >= REJECTS_EVERY_MS

  async function run(): Promise<void> {
    // The rest of this turn of the event loop still joins the group.
    await new Promise(resolve => setImmediate(resolve))
    while (hasWork()) {
      const isSettled = await fly(takeFlight())
      // PostgreSQL is away, and nobody waits for it any more.
      if (!isSettled && isStopping) return
    }
  }

  function takeFlight(): Flight {
    const items = queue.slice(0, SHARES_PER_GROUP_MAX)
    queue = queue.slice(SHARES_PER_GROUP_MAX)
    const isDue = rejectsAreDue()
    if (isDue) rejectsFlushedAt = clock.now()
    const taken = { items, jobs, rejects: isDue ? rejects.takeAll() : [] }
    jobs = []
    return { ...taken, isDoubtful: false, transactionId: null }
  }

  /** Tries until the group is committed, or nothing of it is left that somebody waits for. */
  async function fly(flight: Flight): Promise<boolean> {
    for (let tries = 0; ; tries++) {
      try {
        await settleDoubtful()
        if (await attempt(flight)) {
          if (isAway) log.info({}, 'PostgreSQL takes shares again')
          isAway = false
          return true
        }
        // The epoch closed at that moment; the next one is there already.
        if (tries === 0) continue
      } catch (error) {
        if (isPermanent(error)) return divide(flight, error)
        if (!isAway) log.warn({ error: String(error) }, 'shares wait for PostgreSQL')
        isAway = true
        flight.isDoubtful = true
        setRejectsAside(flight)
      }
      await new Promise(resolve => setTimeout(resolve, RETRY_AFTER_MS))
      flight.items = giveUpOld(flight.items)
      queue = giveUpOld(queue)
      if (isStopping || flight.items.length === 0) return putBack(flight)
    }
  }

  /** @returns false when no epoch was open */
  async function attempt(flight: Flight): Promise<boolean> {
    const deadline = { hasPassed: false }
    let timeout: ReturnType<typeof setTimeout> | undefined
    const passed = new Promise<never>((_, reject) => {
      timeout = setTimeout(() => {
        deadline.hasPassed = true
        reject(new Error(`no answer within ${ATTEMPT_MAX_MS} ms`))
      }, ATTEMPT_MAX_MS)
    })
    try {
      return await Promise.race([commit(flight, deadline), passed])
    } finally {
      clearTimeout(timeout)
    }
  }

  async function commit(flight: Flight, deadline: { hasPassed: boolean }): Promise<boolean> {
    const recordings = flight.items.map(({ recording }) => recording)
    const shares = recordings.flatMap(({ share }) => (share ? [share] : []))
    const candidates = recordings.flatMap(recording => recording.candidates)
    const blocks = recordings.flatMap(({ block }) => (block ? [block] : []))
    const group = { jobs: flight.jobs, shares, candidates, blocks, rejects: flight.rejects }
    const outcome = await commitGroup(db, group, transactionId => {
      if (deadline.hasPassed) throw new Error('this attempt was given up')
      flight.transactionId = transactionId
    })
    if (outcome.kind === 'no open epoch') {
      flight.transactionId = null
      return false
    }
    const { known } = outcome
    const own = known.length > 0 && flight.isDoubtful ? await findOwn(db, known) : null
    // Whoever gave this attempt up makes another one, and that one answers.
    if (deadline.hasPassed) return true
    const duplicates = new Set(known.filter(({ hash }) => !own?.has(toHex(hash))))
    for (const { recording, done } of flight.items) {
      const isDuplicate = recording.share !== null && duplicates.has(recording.share)
      done?.(isDuplicate ? 'duplicate' : 'committed')
    }
    return true
  }

  /** Rejects are no rows of their own that a repeat would find, so a lost reply is looked up. */
  async function settleDoubtful(): Promise<void> {
    for (const each of doubtful) {
      const fate = await transactionFate(db, each.transactionId)
      if (fate === 'in progress') continue
      doubtful = doubtful.filter(other => other !== each)
      if (fate === 'aborted') each.rejects.forEach(rejects.add)
    }
  }

  function setRejectsAside(flight: Flight): void {
    const { transactionId } = flight
    // Without an id the commit was never asked for.
    if (transactionId === null) flight.rejects.forEach(rejects.add)
    else doubtful = [...doubtful, { transactionId, rejects: flight.rejects }].slice(-DOUBTFUL_MAX)
    flight.rejects = []
    flight.transactionId = null
  }

  function giveUpOld(items: readonly Item[]): Item[] {
    const before = clock.now() - waitMaxMs
    return items.flatMap(item => {
      if (item.since > before) return [item]
      item.done?.('unavailable')
      return item.recording.candidates.length > 0 ? [{ ...item, done: null }] : []
    })
  }

  function putBack(flight: Flight): false {
    const oldest = clock.now() - JOB_RETENTION_MS
    for (const { done } of flight.items) if (isStopping) done?.('unavailable')
    jobs = [...flight.jobs, ...jobs].filter(job => job.createdAt > oldest)
    flight.rejects.forEach(rejects.add)
    return false
  }

  /**
   * A row that PostgreSQL will never take: a bug of ours, or a broken schema. It must not take its
   * group along, so halves are tried until it is alone; then it is given up, and says so.
   */
  async function divide(flight: Flight, error: unknown): Promise<boolean> {
    const { items, jobs: flightJobs } = flight
    if (items.length > 1) {
      const middle = items.length >> 1
      const halves = [items.slice(0, middle), items.slice(middle)]
      const rest = { isDoubtful: flight.isDoubtful, transactionId: null }
      // Refused shares are counted apart: should it be one of them, no share is lost to it.
      const parts = [
        ...halves.map(half => ({ ...rest, items: half, jobs: flightJobs, rejects: [] })),
        { ...rest, items: [], jobs: [], rejects: flight.rejects },
      ]
      let isSettled = true
      for (const part of parts) isSettled = (await fly(part)) && isSettled
      return isSettled
    }
    const counts = { shares: items.length, jobs: flightJobs.length, rejects: flight.rejects.length }
    log.error({ error: String(error), ...counts }, 'a share cannot be stored')
    for (const { done } of items) done?.('unavailable')
    return true
  }

  return {
    record(recording, done) {
      if (queue.length >= SHARES_WAITING_MAX && recording.candidates.length === 0) {
        done('unavailable')
        return
      }
      queue.push({ recording, since: clock.now(), done })
      wake()
    },
    countReject(reject) {
      rejects.add({ ...reject, count: 1n })
    },
    addJob(job) {
      jobs = [...jobs, job]
      wake()
    },
    async stop() {
      clearInterval(timer)
      isStopping = true
      // A last look at lost replies; without an answer their rejects stay uncounted.
      await settleDoubtful().catch(() => {})
      wake()
      await running
      for (const { done } of queue) done?.('unavailable')
      queue = []
    },
  }
}

/** Classes of SQLSTATE that no repetition mends: bad data, broken constraints, bad statements. */
function isPermanent(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false
  return typeof error.code === 'string' && /^(22|23|42)[0-9A-Z]{3}$/.test(error.code)
}
