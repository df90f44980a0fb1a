import { unreachable } from '../../lib/assert.ts'
import type { UnixMs } from '../../lib/ids.ts'
import type { CoinbasePays } from '../finder-coinbase.ts'
import type { Job } from '../job.ts'
import { startVardiff, type VardiffRule } from '../vardiff.ts'
import { stepNotSaved, stepSaved } from './channel.ts'
import { fail, hangUp, hangUpOnAbuse, isTrue, send } from './effects.ts'
import {
  authorize,
  authorized,
  configure,
  leaseTaken,
  opened,
  subscribe,
  suggestDifficulty,
} from './handshake.ts'
import { GROUND } from './ladder.ts'
import { LINE_BYTES_MAX, type Request } from './messages.ts'
import { offerJob, withChannel } from './offer.ts'
import { ERROR_CODES, PING_ID, VERSION_ID } from './replies.ts'
import type { Phase, Session, SessionEvent, Step, World } from './session-state.ts'
import { badSubmit, recorded, settle, settleEarly, submit, verdictReached } from './submit.ts'
import { tick } from './tick.ts'

/** Requests that wait for a lease; real clients send three. More end the connection. */
const WAITING_MAX = 16
/** Lines of a connection that authorized nobody; more end it. */
const LINES_UNAUTHORIZED_MAX = 100
/** Names refused on one connection; more end it, since each costs queries and may leave a payee. */
const REFUSED_NAMES_MAX = 100
/** Lines that are no request at all; more end the connection. */
const GIBBERISH_MAX = 10

/** What a port says of its sessions. */
export type PortTerms = { readonly rule: VardiffRule; readonly coinbasePays: CoinbasePays }

/** @param job the newest one, if there is work at all */
export function newSession(
  { rule, coinbasePays }: PortTerms,
  job: Job | null,
  now: UnixMs,
): Session {
  return {
    phase: { kind: 'new' },
    connectedAt: now,
    lastLineAt: now,
    rule,
    versionMask: 0,
    announcedMask: null,
    job,
    accountId: null,
    coinbase: coinbasePays === 'finder' ? { kind: 'finder', terms: null } : { kind: 'pool' },
    workers: new Map(),
    authorizing: [],
    early: [],
    refusedNames: 0,
    linesUnauthorized: 0,
    gibberishLines: 0,
    isProven: false,
    ladder: GROUND,
    isToldAgain: false,
    agent: '',
    takesExtranonce: false,
    pingedAt: null,
    answersPings: false,
  }
}

/**
 * What happens to a connection, one event at a time. Given the same events and times it gives the
 * same effects, so a recorded conversation can be replayed.
 *
 * ```
 * new ─subscribe→ opening ─opened→ open ─authorize…, submit…→ open
 *  └── any ─closed, or a limit→ closed; shares on their way are still recorded
 * ```
 */
export function step(session: Session, event: SessionEvent, world: World): Step {
  const { now } = world
  switch (event.kind) {
    case 'request':
      return heard(session, event.request, world)
    case 'overlong line':
      return hangUpOnAbuse(
        fail(session, null, ERROR_CODES.other, `a line has at most ${LINE_BYTES_MAX} bytes`),
        'a line too long',
      )
    case 'tick':
      return tick(session, now)
    case 'job':
      return offerJob(session, event.job, event.job.cleanJobs, world)
    case 'opened':
      return resumed(session, event, world)
    case 'not opened':
      return notOpened(session)
    case 'authorize answered':
      return authorizeAnswered(session, event, world)
    case 'verdict':
      return verdictReached(session, event.pending, event.verdict)
    case 'block answered':
      return settle(session, event.pending, event.verdict, event.answers)
    case 'recorded':
      return recorded(session, event.pending, event.verdict, event.outcome)
    case 'step saved':
      return changeChannel(session, channel =>
        event.ok ? stepSaved(channel, event.step, now) : stepNotSaved(channel, event.step),
      )
    case 'lease taken':
      return leaseTaken(session)
    case 'drain':
      return {
        session,
        effects: session.phase.kind === 'open' ? [send({ kind: 'reconnect' })] : [],
      }
    case 'closed':
      return { session: { ...session, phase: { kind: 'closed' } }, effects: [] }
    default:
      return unreachable(event)
  }
}

function heard(session: Session, request: Request, world: World): Step {
  const unknown = session.workers.size === 0 ? session.linesUnauthorized + 1 : 0
  const next = { ...session, lastLineAt: world.now, linesUnauthorized: unknown }
  if (unknown > LINES_UNAUTHORIZED_MAX)
    return hangUpOnAbuse({ session: next, effects: [] }, 'too many lines without a worker')
  return answer(next, request, world)
}

function answer(session: Session, request: Request, world: World): Step {
  const { phase } = session
  if (phase.kind === 'closed') return { session, effects: [] }
  if (request.kind === 'response') return hearResponse(session, request)
  if (phase.kind === 'opening') return wait(session, phase, request)
  switch (request.kind) {
    case 'configure':
      return configure(session, request, world.now)
    case 'subscribe':
      return subscribe(session, request)
    case 'authorize':
      return authorize(session, request)
    case 'suggest difficulty':
      return suggestDifficulty(session, request, world.now)
    case 'submit':
    case 'bad submit':
      if (phase.kind === 'new')
        return fail(session, request.id, ERROR_CODES.notSubscribed, 'subscribe first')
      return request.kind === 'submit'
        ? submit(session, request, world)
        : badSubmit(session, request)
    case 'extranonce subscribe':
      return { session: { ...session, takesExtranonce: true }, effects: [isTrue(request.id)] }
    case 'get transactions':
      return { session, effects: [send({ kind: 'no transactions', id: request.id })] }
    case 'ping':
      return { session, effects: [send({ kind: 'pong', id: request.id })] }
    case 'bad request':
      return badRequest(session, request)
    default:
      return unreachable(request)
  }
}

/** A pong, or the name that it was asked for; anything else is an answer to nothing. */
function hearResponse(session: Session, response: Extract<Request, { kind: 'response' }>): Step {
  const { phase, agent, pingedAt } = session
  const { id, text } = response
  if ((id === PING_ID || text === 'pong') && pingedAt !== null)
    return { session: { ...session, answersPings: true }, effects: [] }
  const isName = id === VERSION_ID && text !== null && text !== '' && agent === ''
  if (!isName || phase.kind !== 'open') return { session, effects: [] }
  const { sessionId } = phase.channel
  return {
    session: { ...session, agent: text },
    effects: [{ kind: 'name agent', sessionId, agent: text }],
  }
}

function badRequest(session: Session, request: Extract<Request, { kind: 'bad request' }>): Step {
  const { code, text } = request.error
  const gibberishLines = session.gibberishLines + (request.gibberish ? 1 : 0)
  const failed = fail({ ...session, gibberishLines }, request.id, code, text)
  return gibberishLines > GIBBERISH_MAX ? hangUpOnAbuse(failed, 'speaks no Stratum') : failed
}

function wait(
  session: Session,
  phase: Extract<Phase, { kind: 'opening' }>,
  request: Request,
): Step {
  if (phase.waiting.length >= WAITING_MAX)
    return hangUpOnAbuse({ session, effects: [] }, 'too many requests before the subscribe result')
  const waiting = [...phase.waiting, request]
  return { session: { ...session, phase: { ...phase, waiting } }, effects: [] }
}

/** The lease is there: first the subscribe result, then what waited, in its order. */
function resumed(
  session: Session,
  event: Extract<SessionEvent, { kind: 'opened' }>,
  world: World,
): Step {
  const { phase } = session
  if (phase.kind === 'open')
    return { session: { ...session, phase: { ...phase, next: event.lease } }, effects: [] }
  if (phase.kind !== 'opening') return { session, effects: [] }
  let { session: next, effects } = opened(session, phase.requestId, event.lease, world)
  for (const request of phase.waiting) {
    const answered = answer(next, request, world)
    next = answered.session
    effects = [...effects, ...answered.effects]
  }
  return { session: next, effects }
}

function notOpened(session: Session): Step {
  const { phase } = session
  if (phase.kind === 'open') return hangUp({ session, effects: [] }, 'no lease in place of its own')
  if (phase.kind !== 'opening') return { session, effects: [] }
  const text = 'the pool cannot open a session now, try again'
  return hangUp(fail(session, phase.requestId, ERROR_CODES.other, text), 'no lease')
}

function authorizeAnswered(
  session: Session,
  event: Extract<SessionEvent, { kind: 'authorize answered' }>,
  world: World,
): Step {
  const answered = countRefused(authorized(session, event, world), event)
  const step = settleEarly(answered, event.username)
  const isFirst = session.workers.size === 0 && step.session.workers.size > 0
  if (!isFirst || step.session.phase.kind !== 'open') return step
  // The time without a worker was no sign of a slow miner.
  const channel = { ...step.session.phase.channel, vardiff: startVardiff(world.now) }
  // Some name themselves only when asked, and their firmware is what a refused share is told by.
  const question = session.agent === '' ? [send({ kind: 'ask version' })] : []
  return {
    session: { ...step.session, phase: { ...step.session.phase, channel } },
    effects: [...step.effects, ...question],
  }
}

function countRefused(
  step: Step,
  { answer }: Extract<SessionEvent, { kind: 'authorize answered' }>,
): Step {
  if (answer.kind !== 'refused') return step
  const refusedNames = step.session.refusedNames + 1
  const counted = { ...step, session: { ...step.session, refusedNames } }
  return refusedNames > REFUSED_NAMES_MAX
    ? hangUpOnAbuse(counted, 'too many names refused')
    : counted
}

function changeChannel(
  session: Session,
  change: (channel: Extract<Phase, { kind: 'open' }>['channel']) => typeof channel,
): Step {
  if (session.phase.kind !== 'open') return { session, effects: [] }
  return withChannel(session, change(session.phase.channel))
}
