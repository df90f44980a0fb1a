import { assert } from '../lib/assert.ts'
import { jobId, type UnixMs } from '../lib/ids.ts'
import { buildJob, type Job, numberInRun } from './job.ts'
import type { Work } from './template.ts'

/** What became of the job that a share names. */
export type JobLookup =
  | { readonly kind: 'live'; readonly job: Job }
  /** Its previous block is no longer the tip; a block on it is submitted all the same. */
  | { readonly kind: 'stale'; readonly job: Job }
  | { readonly kind: 'unknown' }

/** The jobs that a share may still name. */
export type LiveJobs = {
  /** Makes it the current job. A new previous block retires all others, but deletes none. */
  readonly add: (job: Job, now: UnixMs) => void
  /** Knows jobs of other processes too, oldest first; they replace none, and are the first to go. */
  readonly learn: (jobs: readonly Job[]) => void
  readonly find: (wireId: string, now: UnixMs) => JobLookup
  readonly current: () => Job | null
  /** All that can still be found, oldest first. */
  readonly all: (now: UnixMs) => readonly Job[]
}

/** How long a job is still known after the next one came: late shares are told apart by it. */
export const JOB_RETENTION_MS = 600_000
/** The oldest job is forgotten beyond that, since each one may hold a whole block's transactions. */
export const JOBS_MAX = 64

/**
 * Keeps the jobs of the last minutes. To restore them after a restart, add them again, oldest
 * first, each at the time it was made.
 */
export function createLiveJobs(): LiveJobs {
  type Entry = { readonly job: Job; readonly replacedAt: UnixMs | null }
  let entries = new Map<string, Entry>()
  let current: Job | null = null
  const isKept = ({ replacedAt }: Entry, now: UnixMs) =>
    replacedAt === null || now - replacedAt <= JOB_RETENTION_MS

  function add(job: Job, now: UnixMs): void {
    assert(!entries.has(job.wireId), 'no two jobs have the same id')
    if (current) entries.set(current.wireId, { job: current, replacedAt: now })
    entries.set(job.wireId, { job, replacedAt: null })
    current = job
    for (const [wireId, entry] of entries) if (!isKept(entry, now)) entries.delete(wireId)
    forgetOldest()
  }

  function learn(jobs: readonly Job[]): void {
    const others = jobs
      .filter(({ wireId }) => !entries.has(wireId))
      .map((job): [string, Entry] => [job.wireId, { job, replacedAt: job.createdAt }])
    entries = new Map([...others, ...entries])
    forgetOldest()
  }

  function forgetOldest(): void {
    for (const wireId of entries.keys()) if (entries.size > JOBS_MAX) entries.delete(wireId)
  }

  function find(wireId: string, now: UnixMs): JobLookup {
    const entry = entries.get(wireId)
    if (!entry || !isKept(entry, now)) return { kind: 'unknown' }
    const tip = current?.template.previousBlock
    // A reorganisation may bring back the block that old jobs build on; they are good again then.
    return { kind: entry.job.template.previousBlock === tip ? 'live' : 'stale', job: entry.job }
  }

  const all = (now: UnixMs) =>
    [...entries.values()].filter(entry => isKept(entry, now)).map(({ job }) => job)
  return { add, learn, find, all, current: () => current }
}

/** Makes each template into the next job of a process's run. */
export type JobMaker = (template: Work, now: UnixMs) => Job

/**
 * Numbers templates and jobs alike, and says with each job whether the previous block changed, so
 * that earlier work is worthless. The same template again gives another job with another coinbase.
 *
 * @param run this process's number, never used before
 */
export function createJobMaker(options: {
  readonly run: bigint
  readonly tag: string
  readonly payScript: Uint8Array
}): JobMaker {
  const { run, tag, payScript } = options
  let counter = 0
  let tip: string | null = null
  return (template, now) => {
    counter += 1
    const id = numberInRun(run, counter)
    const cleanJobs = template.previousBlock !== tip
    tip = template.previousBlock
    return buildJob({
      id: jobId(id),
      templateId: id,
      template,
      tag,
      payScript,
      cleanJobs,
      now,
    })
  }
}
