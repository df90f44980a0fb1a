import { assert, unreachable } from '../../lib/assert.ts'
import { type Job, jobTime, versionMask } from '../job.ts'
import type { Candidate, Refusal, ShareVerdict } from '../share.ts'
import { countAccepted, jobDifficulty } from './channel.ts'
import { hangUpOnAbuse } from './effects.ts'
import { countRefused, forgive, GROUND, isFlood } from './ladder.ts'
import type { Request, Submission } from './messages.ts'
import { channelOf, ownJob } from './offer.ts'
import { ERROR_CODES, type ErrorCode, type RequestId, type StratumError } from './replies.ts'
import type {
  CommitOutcome,
  EarlyShare,
  Effect,
  NodeAnswer,
  PendingShare,
  Session,
  Step,
  World,
} from './session-state.ts'

/** Version bits that are left to miners, as far as a template sets none of them (BIP 320). */
export const ROLLABLE_BITS = versionMask(0)
/** How far ahead of its job a share's time may be. Source: Bitcoin Core, MAX_FUTURE_BLOCK_TIME. */
const TIME_AHEAD_MAX_S = 7200

/** Shares of one connection that wait for their worker's name; one more is refused. */
const EARLY_MAX = 64

type SubmitRequest = Extract<Request, { kind: 'submit' }>
type BadSubmitRequest = Extract<Request, { kind: 'bad submit' }>

/** A submission of an open session. Whatever is wrong with it, it is hashed if its job is known. */
export function submit(session: Session, request: SubmitRequest, world: World): Step {
  assert(session.phase.kind === 'open', 'a submission is judged in an open session')
  const { phase } = session
  const { id, submission } = request
  const { username } = request
  const worker = session.workers.get(username) ?? null
  // Some firmware mines on without waiting for the answer to its authorize.
  const awaits = worker === null && session.authorizing.includes(username) ? username : null
  const isUnknown = worker === null && awaits === null
  const found = world.findJob(submission.jobName, world.now)
  const job = found.kind === 'unknown' ? null : ownJob(session, found.job, world.payFinder)
  if (found.kind === 'unknown' || job === null) {
    const refusal = isUnknown ? 'unauthorized' : 'unknown-job'
    return refuse(session, { sessionId: phase.channel.sessionId, id, worker, refusal })
  }
  const channel = channelOf(phase, job)
  const { version, isAllowed } = versionOf(submission, job, session.versionMask)
  const candidate: Candidate = {
    job,
    extranonce1: channel.extranonce1,
    extranonce2: submission.extranonce2,
    time: submission.ntime,
    nonce: submission.nonce,
    version,
    difficultyLog2: jobDifficulty(channel, job),
    refusal: firstOf(
      isUnknown && 'unauthorized',
      found.kind === 'stale' && 'stale',
      !isAllowed && 'bad-version',
      !isTimely(submission.ntime, job, world) && 'bad-time',
    ),
  }
  const { sessionId } = channel
  const pending = { sessionId, requestId: id, worker, awaits, candidate, receivedAt: world.now }
  return { session, effects: [{ kind: 'check', pending }] }
}

/** A submission that names no header: it can be no block, and is only counted. */
export function badSubmit(session: Session, request: BadSubmitRequest): Step {
  assert(session.phase.kind === 'open', 'a submission is judged in an open session')
  const { id, error } = request
  const { sessionId } = session.phase.channel
  const worker = session.workers.get(request.username ?? '') ?? null
  if (worker === null) return refuse(session, { sessionId, id, worker, refusal: 'unauthorized' })
  return refuse(session, { sessionId, id, worker, refusal: request.reason, error })
}

/** The hash is known. A block goes to the nodes before anything else happens. */
export function verdictReached(
  session: Session,
  pending: PendingShare,
  verdict: ShareVerdict,
): Step {
  if (verdict.proof.isBlock)
    return { session, effects: [{ kind: 'submit block', pending, verdict }] }
  return settle(session, pending, verdict, [])
}

/** Nothing is left to do before the record. A refusal is answered at once, an acceptance later. */
export function settle(
  session: Session,
  pending: PendingShare,
  verdict: ShareVerdict,
  answers: readonly NodeAnswer[],
): Step {
  if (verdict.kind === 'accepted' && pending.awaits !== null)
    return settleAwaiting(session, { pending, verdict, answers }, pending.awaits)
  const { accountId } = session
  const record: Effect = { kind: 'record', accountId, pending, verdict, answers }
  if (verdict.kind === 'accepted') return { session, effects: [record] }
  const { sessionId, requestId: id, worker } = pending
  const refused = refuse(session, { sessionId, id, worker, refusal: verdict.refusal })
  return verdict.proof.isBlock ? { ...refused, effects: [record, ...refused.effects] } : refused
}

/** A share whose worker was not known when it came: it waits, is recorded, or is refused. */
function settleAwaiting(session: Session, early: EarlyShare, name: string): Step {
  const { verdict, answers } = early
  const worker = session.workers.get(name) ?? null
  const pending = { ...early.pending, worker, awaits: null }
  if (worker !== null) return settle(session, pending, verdict, answers)
  const mayWait = session.authorizing.includes(name) && session.early.length < EARLY_MAX
  if (mayWait) return { session: { ...session, early: [...session.early, early] }, effects: [] }
  const { proof } = verdict
  const refused = { kind: 'rejected', proof, refusal: 'unauthorized' } as const
  const settled = settle(session, pending, refused, answers)
  return { ...settled, effects: [{ kind: 'forget', pending, verdict }, ...settled.effects] }
}

/** A name is answered: what waited for it goes on, in its order. */
export function settleEarly(step: Step, name: string): Step {
  const due = step.session.early.filter(({ pending }) => pending.awaits === name)
  if (due.length === 0) return step
  const early = step.session.early.filter(share => !due.includes(share))
  let { session, effects }: Step = { ...step, session: { ...step.session, early } }
  for (const { pending, verdict, answers } of due) {
    const settled = settle(session, pending, verdict, answers)
    session = settled.session
    effects = [...effects, ...settled.effects]
  }
  return { session, effects }
}

/** The share is on disk, or will not be: only now is it answered. */
export function recorded(
  session: Session,
  pending: PendingShare,
  verdict: ShareVerdict,
  outcome: CommitOutcome,
): Step {
  // A block that was no share has its answer already.
  if (verdict.kind === 'rejected') return { session, effects: [] }
  const { sessionId, requestId: id, worker } = pending
  switch (outcome) {
    case 'committed': {
      const effects: Effect[] = [{ kind: 'send', reply: { kind: 'true', id } }]
      const { phase } = session
      if (phase.kind !== 'open') return { session, effects }
      const channel = countAccepted(phase.channel, verdict.difficultyLog2)
      const ladder = session.ladder === GROUND ? GROUND : forgive(session.ladder)
      const proven = { ...session, phase: { ...phase, channel }, isProven: true, ladder }
      return { session: proven, effects }
    }
    case 'duplicate':
      return refuse(session, { sessionId, id, worker, refusal: 'duplicate' })
    case 'unavailable': {
      const error = { code: ERROR_CODES.other, text: 'the pool cannot store shares now' }
      return { session, effects: [{ kind: 'send', reply: { kind: 'error', id, error } }] }
    }
    default:
      return unreachable(outcome)
  }
}

/**
 * The version that was hashed: `(version & ~mask) | (bits & mask)` (BIP 310). Bits outside of the
 * mask are refused; the share is then hashed as most firmware would have made it, since it may
 * still be a block.
 */
function versionOf(
  { versionBits }: Submission,
  job: Job,
  sessionMask: number,
): { readonly version: number; readonly isAllowed: boolean } {
  const base = job.template.version
  if (versionBits === null) return { version: base, isAllowed: true }
  const mask = sessionMask & job.versionMask
  const isAllowed = (versionBits & ~mask) === 0
  const used = isAllowed ? mask : ROLLABLE_BITS
  return { version: ((base & ~used) | (versionBits & used)) >>> 0, isAllowed }
}

/** From the time the job was sent with, to two hours past it or past our clock. */
function isTimely(time: number, job: Job, { now }: World): boolean {
  const sent = jobTime(job)
  return time >= sent && time <= Math.min(Math.floor(now / 1000), sent) + TIME_AHEAD_MAX_S
}

type Refused = Pick<PendingShare, 'sessionId' | 'worker'> & {
  readonly id: RequestId
  readonly refusal: Refusal
  readonly error?: StratumError
}

function refuse(session: Session, { sessionId, id, worker, refusal, error }: Refused): Step {
  const reply = { kind: 'error', id, error: error ?? ERRORS[refusal] } as const
  const ladder = countRefused(session.ladder, session.lastLineAt)
  const effects: Effect[] = [{ kind: 'send', reply }]
  if (worker !== null && refusal !== 'unauthorized')
    effects.push({ kind: 'count reject', sessionId, worker, reason: refusal })
  const refused = { session: { ...session, ladder }, effects }
  const isOver = isFlood(ladder) && session.phase.kind !== 'closed'
  return isOver ? hangUpOnAbuse(refused, 'nothing but refused shares') : refused
}

/** What a miner reads. The first word is the reason as statements count it. */
const ERRORS: Readonly<Record<Refusal, StratumError>> = {
  stale: error(ERROR_CODES.stale, 'stale: a newer block was found'),
  'unknown-job': error(ERROR_CODES.stale, 'unknown-job: never sent, or too long ago'),
  duplicate: error(ERROR_CODES.duplicate, 'duplicate: this share was accepted before'),
  'low-difficulty': error(ERROR_CODES.lowDifficulty, 'low-difficulty: above the target'),
  unauthorized: error(ERROR_CODES.unauthorized, 'unauthorized: authorize this worker first'),
  'bad-extranonce2': error(ERROR_CODES.other, 'bad-extranonce2: it has the wrong length'),
  'bad-time': error(ERROR_CODES.other, 'bad-time: too far from the time of the job'),
  'bad-version': error(ERROR_CODES.other, 'bad-version: bits outside of the mask'),
  malformed: error(ERROR_CODES.other, 'malformed: a field is not what it must be'),
}

function error(code: ErrorCode, text: string): StratumError {
  return { code, text }
}

function firstOf(...refusals: readonly (Refusal | false)[]): Refusal | null {
  return refusals.find(refusal => refusal !== false) || null
}
