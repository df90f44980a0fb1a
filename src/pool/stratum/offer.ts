import type { UnixMs } from '../../lib/ids.ts'
import type { Job } from '../job.ts'
import { type Channel, stepsToSave, takeJob } from './channel.ts'
import type { Effect, Session, Step } from './session-state.ts'

/**
 * Hands a job to an open session, and before it what the miner must know to work on it: firmware
 * takes a difficulty as that of the next job, so it is said directly before one and never alone.
 *
 * @param cleanJobs true drops what the miner has
 */
export function offerJob(session: Session, job: Job, cleanJobs: boolean, now: UnixMs): Step {
  const { phase } = session
  if (phase.kind !== 'open') return { session: { ...session, job }, effects: [] }
  const { isToldAgain } = session
  const told = isToldAgain ? { ...phase.channel, announcedLog2: null } : phase.channel
  const taken = takeJob(told, job, now)
  const effects: Effect[] = []
  const mask = session.versionMask & job.versionMask
  if (session.announcedMask !== null && (session.announcedMask !== mask || isToldAgain))
    effects.push({ kind: 'send', reply: { kind: 'set version mask', mask } })
  if (taken.newDifficultyLog2 !== null) {
    const difficultyLog2 = taken.newDifficultyLog2
    effects.push({ kind: 'send', reply: { kind: 'set difficulty', difficultyLog2 } })
  }
  effects.push({
    kind: 'send',
    reply: { kind: 'notify', job, cleanJobs: cleanJobs || isToldAgain },
  })
  const announcedMask = session.announcedMask === null ? null : mask
  const open = { ...phase, channel: taken.channel }
  return {
    session: { ...session, job, announcedMask, isToldAgain: false, phase: open },
    effects,
  }
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
