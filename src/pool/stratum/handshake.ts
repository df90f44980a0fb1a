import { assert } from '../../lib/assert.ts'
import type { UnixMs } from '../../lib/ids.ts'
import { EXTRANONCE2_BYTES } from '../coinbase.ts'
import type { FinderTerms } from '../finder-coinbase.ts'
import { clampLog2 } from '../vardiff.ts'
import { openChannel, wishLog2 } from './channel.ts'
import { fail, hangUp, isTrue } from './effects.ts'
import type { Request } from './messages.ts'
import { offerJob, withChannel } from './offer.ts'
import { ERROR_CODES, maskText, type Reply, type RequestId } from './replies.ts'
import type { Effect, Lease, Session, SessionEvent, Step, World } from './session-state.ts'
import { ROLLABLE_BITS } from './submit.ts'

/** Names on one connection; a farm proxy with more opens another connection. */
const WORKERS_MAX = 1000

type RequestOf<Kind extends Request['kind']> = Extract<Request, { kind: Kind }>
type Answered = Extract<SessionEvent, { kind: 'authorize answered' }>

/** BIP 310. What the miner may roll depends on the template's version, so it can change later. */
export function configure(
  session: Session,
  { id, wishes }: RequestOf<'configure'>,
  now: UnixMs,
): Step {
  const results: [string, boolean | string][] = []
  let next = session
  for (const name of wishes.extensions) {
    if (name === 'version-rolling' && wishes.versionMask !== null) {
      const free = session.job?.versionMask ?? ROLLABLE_BITS
      const versionMask = wishes.versionMask & ROLLABLE_BITS
      const announcedMask = versionMask & free
      next = { ...next, versionMask, announcedMask }
      results.push([name, true], ['version-rolling.mask', maskText(announcedMask)])
    } else if (name === 'minimum-difficulty' && wishes.minimumLog2 !== null) {
      next = raiseMinimum(next, wishes.minimumLog2)
      results.push([name, true])
    } else {
      const isExtranonce = name === 'subscribe-extranonce'
      next = { ...next, takesExtranonce: next.takesExtranonce || isExtranonce }
      results.push([name, isExtranonce || name === 'info'])
    }
  }
  const raised = wishDifficulty(next, next.rule.startLog2, now, 'at least')
  const reply: Reply<never> = { kind: 'configured', id, results }
  return { ...raised, effects: [{ kind: 'send', reply }, ...raised.effects] }
}

/** The miner's own minimum, within the port's bounds: from then on it only rises. */
function raiseMinimum(session: Session, minimumLog2: number | null): Session {
  if (minimumLog2 === null) return session
  const { rule } = session
  return { ...session, rule: { ...rule, minLog2: clampLog2(minimumLog2, rule) } }
}

/** The first one asks for a lease; again on the same connection, it gets the same answer. */
export function subscribe(session: Session, request: RequestOf<'subscribe'>): Step {
  const { phase } = session
  if (phase.kind === 'open') {
    const { channel, resumeToken } = phase
    return { session, effects: [subscribed(request.id, resumeToken, channel.extranonce1)] }
  }
  const { agent, resumeToken } = request
  const startLog2 = clampLog2(session.rule.startLog2, session.rule)
  return {
    session: { ...session, agent, phase: { kind: 'opening', requestId: request.id, waiting: [] } },
    effects: [{ kind: 'open', agent, resumeToken, startLog2, accountId: null, finder: null }],
  }
}

/**
 * The lease is committed: the subscribe result goes first, then the first job with its difficulty,
 * before the miner says who it is, since some clients wait for work before they do. Only where the
 * coinbase is to pay the miner must it say so first.
 */
export function opened(session: Session, id: RequestId, lease: Lease, world: World): Step {
  const channel = openChannel(lease, world.now)
  const { resumeToken, accountId } = lease
  const phase = { kind: 'open', channel, resumeToken, next: null, former: null } as const
  const coinbase = lease.finder
    ? { kind: 'finder' as const, terms: lease.finder }
    : session.coinbase
  const open: Session = { ...session, phase, accountId, coinbase }
  const first = subscribed(id, resumeToken, lease.extranonce1)
  if (open.job === null) return { session: open, effects: [first] }
  const offered = offerJob(open, open.job, true, world)
  return { ...offered, effects: [first, ...offered.effects] }
}

/**
 * Two connections must not work in one extranonce1. The one before gets another, where its client
 * can be told, and else it ends: most likely nobody is there any more.
 */
export function leaseTaken(session: Session): Step {
  const { phase, agent, accountId } = session
  const stay: Step = { session, effects: [] }
  if (phase.kind !== 'open' || !session.takesExtranonce)
    return hangUp(stay, 'its session goes on elsewhere')
  const startLog2 = phase.channel.steps.at(-1)?.log2 ?? session.rule.startLog2
  const finder = finderOf(session)
  return {
    session,
    effects: [{ kind: 'open', agent, resumeToken: null, startLog2, accountId, finder }],
  }
}

function finderOf({ coinbase }: Session): FinderTerms | null {
  return coinbase.kind === 'finder' ? coinbase.terms : null
}

/** Asks who the name is. The answer may take a while; others may be asked for meanwhile. */
export function authorize(session: Session, request: RequestOf<'authorize'>): Step {
  const { phase } = session
  const { id, username, wishLog2: wish } = request
  if (phase.kind !== 'open') return fail(session, id, ERROR_CODES.notSubscribed, 'subscribe first')
  if (session.workers.has(username)) return { session, effects: [isTrue(id)] }
  if (session.workers.size + session.authorizing.length >= WORKERS_MAX)
    return fail(session, id, ERROR_CODES.unauthorized, 'too many workers on one connection')
  const { sessionId } = phase.channel
  const asking = { ...session, authorizing: [...session.authorizing, username] }
  return {
    session: raiseMinimum(asking, request.minimumLog2),
    effects: [{ kind: 'authorize', sessionId, requestId: id, username, wishLog2: wish }],
  }
}

/** Who the name is, or why nobody. A second payee on a connection is refused. */
export function authorized(session: Session, event: Answered, world: World): Step {
  const { now } = world
  const { requestId: id, username, answer } = event
  const { authorizing } = session
  const next = { ...session, authorizing: authorizing.toSpliced(authorizing.indexOf(username), 1) }
  switch (answer.kind) {
    case 'refused':
      return fail(next, id, ERROR_CODES.unauthorized, answer.reason)
    case 'unavailable':
      return fail(next, id, ERROR_CODES.other, 'the pool cannot authorize now, try again')
    case 'authorized': {
      const { worker } = answer
      if (session.accountId !== null && session.accountId !== worker.accountId)
        return fail(next, id, ERROR_CODES.unauthorized, ANOTHER_PAYEE)
      const workers = new Map(session.workers).set(username, worker)
      const known: Session = { ...next, workers, accountId: worker.accountId }
      const { wishLog2: wish } = event
      const wished =
        wish === null
          ? wishDifficulty(known, known.rule.minLog2, now, 'at least')
          : wishDifficulty(known, wish, now, 'exactly')
      const told = { ...wished, effects: [isTrue(id), ...wished.effects] }
      return finderKnown(told, answer.finder, world)
    }
  }
}

/** Where coinbases pay their finder, its first name brings the first job. */
function finderKnown(step: Step, terms: FinderTerms | null, world: World): Step {
  const { coinbase, job } = step.session
  if (coinbase.kind === 'pool' || coinbase.terms !== null) return step
  assert(terms !== null, 'whom a coinbase is to pay is known with the payee')
  const known: Session = { ...step.session, coinbase: { kind: 'finder', terms } }
  if (job === null) return { ...step, session: known }
  const offered = offerJob(known, job, true, world)
  return { ...offered, effects: [...step.effects, ...offered.effects] }
}

/** What a second payee on a connection is told, here and by the store. */
export const ANOTHER_PAYEE = 'this connection works for another payee already: open one more'

export function suggestDifficulty(
  session: Session,
  { id, wishLog2: wish }: RequestOf<'suggest difficulty'>,
  now: UnixMs,
): Step {
  const wished = wishDifficulty(session, wish, now, 'exactly')
  return { ...wished, effects: [isTrue(id), ...wished.effects] }
}

/**
 * A wish of the miner's, within the port's bounds. Before the session opens it is what to start
 * with; later it comes with a next job, and vardiff goes on from there.
 */
function wishDifficulty(
  session: Session,
  wish: number | null,
  now: UnixMs,
  kind: 'exactly' | 'at least',
): Step {
  if (wish === null) return { session, effects: [] }
  const { phase, rule } = session
  const log2 = clampLog2(wish, rule)
  if (phase.kind !== 'open')
    return { session: { ...session, rule: { ...rule, startLog2: log2 } }, effects: [] }
  const latest = phase.channel.unsaved?.step ?? phase.channel.steps.at(-1)
  const current = latest?.log2 ?? log2
  const isMet = kind === 'exactly' ? current === log2 : current >= rule.minLog2
  return isMet ? { session, effects: [] } : withChannel(session, wishLog2(phase.channel, log2, now))
}

function subscribed(id: RequestId, resumeToken: Uint8Array, extranonce1: Uint8Array): Effect {
  const extranonce2Bytes = EXTRANONCE2_BYTES
  return {
    kind: 'send',
    reply: { kind: 'subscribed', id, resumeToken, extranonce1, extranonce2Bytes },
  }
}
