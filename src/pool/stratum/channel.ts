import { assert } from '../../lib/assert.ts'
import type { SessionId, UnixMs } from '../../lib/ids.ts'
import { unixMs } from '../../lib/ids.ts'
import type { Job } from '../job.ts'
import { difficultyCapLog2 } from '../share-target.ts'
import { countShare, judgePace, startVardiff, type Vardiff, type VardiffRule } from '../vardiff.ts'

/**
 * A new difficulty is stored first and in force for jobs made from a second later on, so that no
 * job ever waits for the database, and a restart knows what was enforced for which job.
 */
const STEP_LEAD_MS = 1000
/** Steps that a session keeps. A job lives ten minutes and a step takes seconds; beyond, the
 * oldest is dropped, and a share on a job from before it counts at the next one's difficulty. */
export const STEPS_MAX = 64

/** From this time on, jobs are made at this difficulty. */
export type DifficultyStep = { readonly fromMs: UnixMs; readonly log2: number }

/**
 * One stream of jobs with a target. A Stratum V1 connection has one of them; nothing here knows
 * about connections, so that a connection of many channels needs no other share path.
 */
export type Channel = {
  readonly sessionId: SessionId
  readonly extranonce1: Uint8Array
  /** In order of time, never empty; before the first one the first holds. */
  readonly steps: readonly DifficultyStep[]
  /** Asked for and not yet known to be stored; one that failed is asked for again later. */
  readonly unsaved: { readonly step: DifficultyStep; readonly failed: boolean } | null
  /** What the miner was told last; null before its first job. */
  readonly announcedLog2: number | null
  /** When the newest job it has was made. */
  readonly jobMadeAt: UnixMs
  readonly vardiff: Vardiff
}

/** The steps of a new session. */
export function firstStep(log2: number): readonly DifficultyStep[] {
  return [{ fromMs: unixMs(0), log2 }]
}

export function openChannel(
  lease: Pick<Channel, 'sessionId' | 'extranonce1' | 'steps'>,
  now: UnixMs,
): Channel {
  assert(lease.steps.length > 0, 'a session has a difficulty')
  return {
    ...lease,
    unsaved: null,
    announcedLog2: null,
    jobMadeAt: unixMs(0),
    vardiff: startVardiff(now),
  }
}

/**
 * The difficulty enforced for a job: a function of what is stored, so that it is the same before
 * and after a restart. Never harder than the block target: a possible block is always a share.
 */
export function jobDifficulty(channel: Channel, job: Job): number {
  let log2 = firstOf(channel.steps).log2
  for (const step of channel.steps) if (step.fromMs <= job.createdAt) log2 = step.log2
  return Math.min(log2, difficultyCapLog2(job.template))
}

/** Hands out a job. The miner must be told the difficulty first when it differs from the last. */
export function takeJob(
  channel: Channel,
  job: Job,
  now: UnixMs,
): { readonly channel: Channel; readonly newDifficultyLog2: number | null } {
  const log2 = jobDifficulty(channel, job)
  const changed = log2 !== channel.announcedLog2
  const jobMadeAt = unixMs(Math.max(channel.jobMadeAt, job.createdAt))
  const vardiff = changed ? startVardiff(now) : channel.vardiff
  return {
    channel: { ...channel, announcedLog2: log2, jobMadeAt, vardiff },
    newDifficultyLog2: changed ? log2 : null,
  }
}

/** Shares on jobs from before the last change say nothing about the pace at this difficulty. */
export function countAccepted(channel: Channel, log2: number): Channel {
  if (log2 !== channel.announcedLog2) return channel
  return { ...channel, vardiff: countShare(channel.vardiff) }
}

/**
 * Looks at the pace and at a step that could not be saved. When the channel that comes back has
 * another `unsaved`, it is to be saved.
 */
export function judgeChannel(channel: Channel, rule: VardiffRule, now: UnixMs): Channel {
  const { announcedLog2: announced, unsaved } = channel
  if (unsaved !== null) return unsaved.failed ? wishLog2(channel, unsaved.step.log2, now) : channel
  const wished = lastOf(channel.steps)
  // Until a job made after the last step is out, the miner still works at the one before.
  if (announced === null || wished.fromMs > channel.jobMadeAt) return channel
  const { vardiff, log2 } = judgePace(channel.vardiff, announced, rule, now)
  const next = { ...channel, vardiff }
  const cappedByBlock = wished.log2 > announced
  if (log2 === wished.log2 || (cappedByBlock && log2 >= announced)) return next
  return wishLog2(next, log2, now)
}

/** Asks for a difficulty from a second later on, in place of one that is not saved yet. */
export function wishLog2(channel: Channel, log2: number, now: UnixMs): Channel {
  const step = { fromMs: unixMs(now + STEP_LEAD_MS), log2 }
  return { ...channel, unsaved: { step, failed: false } }
}

/** The whole list with what is unsaved, since a row holds it whole. */
export function stepsToSave(channel: Channel): readonly DifficultyStep[] {
  if (channel.unsaved === null) return channel.steps
  return [...channel.steps, channel.unsaved.step].slice(-STEPS_MAX)
}

/**
 * A step is stored. If that took so long that a job from after its time is already out at the old
 * difficulty, it is asked for again, later: what is stored must be what was enforced. (Should we
 * be killed between the two, a share sent again for those jobs is judged by the new difficulty.)
 */
export function stepSaved(channel: Channel, saved: DifficultyStep, now: UnixMs): Channel {
  if (channel.unsaved === null || !sameStep(channel.unsaved.step, saved)) return channel
  if (channel.jobMadeAt >= saved.fromMs) return wishLog2(channel, saved.log2, now)
  return { ...channel, steps: stepsToSave(channel), unsaved: null }
}

/** The old difficulty stays in force. Whether it is stored is unknown, so it is asked for again. */
export function stepNotSaved(channel: Channel, step: DifficultyStep): Channel {
  if (channel.unsaved === null || !sameStep(channel.unsaved.step, step)) return channel
  return { ...channel, unsaved: { step, failed: true } }
}

function sameStep(a: DifficultyStep, b: DifficultyStep): boolean {
  return a.fromMs === b.fromMs && a.log2 === b.log2
}

function firstOf(steps: readonly DifficultyStep[]): DifficultyStep {
  const first = steps[0]
  assert(first !== undefined, 'a session has a difficulty')
  return first
}

function lastOf(steps: readonly DifficultyStep[]): DifficultyStep {
  const last = steps.at(-1)
  assert(last !== undefined, 'a session has a difficulty')
  return last
}
