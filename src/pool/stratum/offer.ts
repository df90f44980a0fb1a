import type { UnixMs } from '../../lib/ids.ts'
import { EXTRANONCE2_BYTES } from '../coinbase.ts'
import type { PayFinder } from '../finder-coinbase.ts'
import type { Job } from '../job.ts'
import { type Channel, openChannel, stepsToSave, takeJob } from './channel.ts'
import { send } from './effects.ts'
import type { Effect, Phase, Session, Step, World } from './session-state.ts'

type OpenPhase = Extract<Phase, { kind: 'open' }>

/**
 * Hands a job to an open session, and before it what the miner must know to work on it: firmware
 * takes a difficulty as that of the next job, so it is said directly before one and never alone.
 *
 * @param cleanJobs true drops what the miner has
 */
export function offerJob(
  session: Session,
  job: Job,
  cleanJobs: boolean,
  { now, payFinder }: Pick<World, 'now' | 'payFinder'>,
): Step {
  const own = ownJob(session, job, payFinder)
  if (session.phase.kind !== 'open' || own === null)
    return { session: { ...session, job }, effects: [] }
  const { isToldAgain } = session
  const { phase, extranonce } = withNextLease(session.phase, job, now)
  const told = isToldAgain ? { ...phase.channel, announcedLog2: null } : phase.channel
  const taken = takeJob(told, job, now)
  const effects: Effect[] = [...extranonce]
  const mask = session.versionMask & job.versionMask
  if (session.announcedMask !== null && (session.announcedMask !== mask || isToldAgain))
    effects.push({ kind: 'send', reply: { kind: 'set version mask', mask } })
  if (taken.newDifficultyLog2 !== null) {
    const difficultyLog2 = taken.newDifficultyLog2
    effects.push({ kind: 'send', reply: { kind: 'set difficulty', difficultyLog2 } })
  }
  effects.push({
    kind: 'send',
    reply: { kind: 'notify', job: own, cleanJobs: cleanJobs || isToldAgain },
  })
  const announcedMask = session.announcedMask === null ? null : mask
  const open = { ...phase, channel: taken.channel }
  return {
    session: { ...session, job, announcedMask, isToldAgain: false, phase: open },
    effects,
  }
}

/** The job as this session has it; null while it is not known whom its coinbase is to pay. */
export function ownJob({ coinbase }: Session, job: Job, payFinder: PayFinder): Job | null {
  if (coinbase.kind === 'pool') return job
  return coinbase.terms && payFinder(job, coinbase.terms)
}

/** A new lease begins with a job; shares on jobs before it stay with the lease before. */
function withNextLease(
  phase: OpenPhase,
  job: Job,
  now: UnixMs,
): { readonly phase: OpenPhase; readonly extranonce: readonly Effect[] } {
  const { next, channel } = phase
  if (next === null) return { phase, extranonce: [] }
  const { extranonce1, resumeToken } = next
  return {
    phase: {
      ...{ kind: 'open', channel: openChannel(next, now), resumeToken, next: null },
      former: { channel, untilMs: job.createdAt },
    },
    extranonce: [
      send({ kind: 'set extranonce', extranonce1, extranonce2Bytes: EXTRANONCE2_BYTES }),
    ],
  }
}

/** The channel that a job was handed out on. */
export function channelOf({ channel, former }: OpenPhase, job: Job): Channel {
  return former !== null && job.createdAt < former.untilMs ? former.channel : channel
}

/** Puts a changed channel in place; a difficulty that is newly asked for is to be saved. */
export function withChannel(session: Session, channel: Channel): Step {
  const { phase } = session
  if (phase.kind !== 'open') return { session, effects: [] }
  const before = phase.channel.unsaved
  const next = { ...session, phase: { ...phase, channel } }
  const { sessionId, unsaved } = channel
  if (unsaved === null || unsaved.failed || unsaved === before)
    return { session: next, effects: [] }
  const steps = stepsToSave(channel)
  return {
    session: next,
    effects: [{ kind: 'save steps', sessionId, steps, step: unsaved.step }],
  }
}
