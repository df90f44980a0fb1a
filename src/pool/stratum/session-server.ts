import { unreachable } from '../../lib/assert.ts'
import { equalBytes, toHex } from '../../lib/bytes.ts'
import type { Log } from '../../lib/log.ts'
import type { Clock } from '../../lib/time.ts'
import type { Duplicates } from '../duplicates.ts'
import { createFinderJobs } from '../finder-coinbase.ts'
import type { Job } from '../job.ts'
import type { LiveJobs } from '../live-jobs.ts'
import type { SessionStore } from '../session-store.ts'
import type { CheckShares } from '../share.ts'
import type { ShareStore } from '../share-store.ts'
import {
  type Authorize,
  answerAuthorize,
  type Connection,
  hasGoodNeighbour,
  type Wire,
} from './connection.ts'
import { type BlockNode, recordingOf, submitToAll } from './found-block.ts'
import { createLeases } from './leases.ts'
import { parseRequest, type Request } from './messages.ts'
import { createNotifyLines } from './notify-lines.ts'
import { lineOf } from './replies.ts'
import { newSession, type PortTerms, step } from './session.ts'
import type { Effect, SessionEvent } from './session-state.ts'
import { readSubmitLine } from './submit-line.ts'
import { createTurnCheck } from './turn-check.ts'

export type SessionDeps = {
  readonly clock: Clock
  readonly log: Log
  readonly jobs: LiveJobs
  /** Makes jobs of other processes known, on which a session that comes back may have worked. */
  readonly learnJobs: () => Promise<unknown>
  readonly check: CheckShares
  readonly duplicates: Duplicates
  readonly shares: ShareStore
  readonly sessions: SessionStore
  readonly authorize: Authorize
  /** Every node gets every block. */
  readonly nodes: readonly BlockNode[]
  /** Somebody at this address did what no miner does. */
  readonly strike: (host: string) => void
}

export type SessionServer = {
  readonly connect: (wire: Wire, port: PortTerms & { readonly scheme: string }) => Connection
  /** A line without its end. An empty one says nothing. */
  readonly hear: (connection: Connection, line: Buffer) => void
  readonly hearOverlong: (connection: Connection) => void
  readonly closed: (connection: Connection) => void
  /** Makes the job the current one, and hands it to everyone. */
  readonly publish: (job: Job) => void
  /** Whoever connects now gets no work until the next job: the current one has become doubtful. */
  readonly pause: () => void
  readonly tick: () => void
  /** Asks everyone to connect anew, to whoever listens then. */
  readonly drain: () => void
  /** When every block that has been submitted by then is answered, and handed in for its record. */
  readonly blocksAnswered: () => Promise<void>
  /** Writes which sessions ended; the shares' way to disk has been closed before. */
  readonly stop: () => Promise<void>
}

/** Performs what sessions ask for. An exception ends the session that it came from, no other. */
export function createSessionServer(deps: SessionDeps): SessionServer {
  const { clock, log, jobs, shares, sessions } = deps
  const connections = new Set<Connection>()
  const leases = createLeases(clock, sessions)
  const submitting = new Set<Promise<void>>()
  const checkInTurn = createTurnCheck<Connection>(
    deps.check,
    (connection, pending, verdict) => apply(connection, { kind: 'verdict', pending, verdict }),
    breakOff,
  )
  // Jobs that a restart restored are known, and nothing to work on.
  let isPaused = true
  const notifyLine = createNotifyLines()
  const payFinder = createFinderJobs()

  function apply(connection: Connection, event: SessionEvent): void {
    try {
      const world = { now: clock.now(), findJob: jobs.find, payFinder }
      const next = step(connection.session, event, world)
      connection.session = next.session
      for (const effect of next.effects) perform(connection, effect)
    } catch (error) {
      breakOff(connection, error)
    }
  }

  function breakOff(connection: Connection, error: unknown): void {
    log.error({ error: String(error), host: connection.wire.host }, 'a session broke')
    connection.session = { ...connection.session, phase: { kind: 'closed' } }
    connection.wire.end()
  }

  function perform(connection: Connection, effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        connection.wire.send(lineOf(effect.reply, notifyLine))
        break
      case 'open':
        void open(connection, effect)
        break
      case 'authorize':
        void authorize(connection, effect)
        break
      case 'check':
        checkInTurn(connection, effect.pending)
        break
      case 'submit block': {
        const submission = submitBlock(connection, effect)
        submitting.add(submission)
        void submission.finally(() => submitting.delete(submission))
        break
      }
      case 'record':
        record(connection, effect)
        break
      case 'forget':
        forget(effect)
        break
      case 'count reject': {
        const { sessionId, worker, reason } = effect
        shares.countReject({ sessionId, ...worker, reason })
        break
      }
      case 'save steps':
        void saveSteps(connection, effect)
        break
      case 'name agent':
        // One that is lost is worth no second try.
        void sessions.nameAgent(effect.sessionId, effect.agent).catch(() => {})
        break
      case 'strike':
        if (!hasGoodNeighbour(connection, connections)) deps.strike(connection.wire.host)
        break
      case 'hang up':
        log.info({ reason: effect.reason, host: connection.wire.host }, 'hung up')
        connection.wire.end()
        break
      default:
        unreachable(effect)
    }
  }

  async function open(connection: Connection, effect: EffectOf<'open'>): Promise<void> {
    const { scheme, coinbasePays, wire } = connection
    const { host, port } = wire
    try {
      const lease = await sessions.open({ ...effect, scheme, coinbasePays, host, port })
      const { resumeToken } = effect
      const isResumed = resumeToken !== null && equalBytes(resumeToken, lease.resumeToken)
      // It may have been another process's, and it sends again what that one has not answered.
      if (isResumed) await deps.learnJobs()
      // A miner that comes back may not have noticed yet that its old connection is dead.
      const before = leases.give(connection, lease)
      if (before) apply(before, { kind: 'lease taken' })
      apply(connection, { kind: 'opened', lease })
    } catch (error) {
      log.warn({ error: String(error) }, 'no lease for a session')
      apply(connection, { kind: 'not opened' })
    }
  }

  async function authorize(connection: Connection, effect: EffectOf<'authorize'>): Promise<void> {
    const { requestId, username, wishLog2 } = effect
    const answer = await answerAuthorize(deps, connection.scheme, effect)
    apply(connection, { kind: 'authorize answered', requestId, username, wishLog2, answer })
  }

  async function submitBlock(
    connection: Connection,
    { pending, verdict }: EffectOf<'submit block'>,
  ): Promise<void> {
    const answers = await submitToAll(deps.nodes, pending.candidate)
    log.info({ hash: toHex(verdict.proof.hash), answers }, 'a block was submitted')
    apply(connection, { kind: 'block answered', pending, verdict, answers })
  }

  function forget({ pending, verdict }: EffectOf<'forget'>): void {
    deps.duplicates.remove(pending.candidate.job.template.height, verdict.proof.hash)
  }

  function record(connection: Connection, effect: EffectOf<'record'>): void {
    const { pending, verdict } = effect
    shares.record(recordingOf(effect, connection.scheme, clock), outcome => {
      if (outcome === 'unavailable') forget({ kind: 'forget', pending, verdict })
      apply(connection, { kind: 'recorded', pending, verdict, outcome })
    })
  }

  async function saveSteps(connection: Connection, effect: EffectOf<'save steps'>): Promise<void> {
    const { sessionId, steps, step } = effect
    const isSaved = sessions.saveSteps(sessionId, steps).then(
      () => true,
      () => false,
    )
    apply(connection, { kind: 'step saved', step, ok: await isSaved })
  }

  return {
    connect(wire, port) {
      const { scheme, coinbasePays } = port
      const session = newSession(port, isPaused ? null : jobs.current(), clock.now())
      const connection: Connection = {
        ...{ wire, scheme, coinbasePays, session, lease: null },
        ...{ isSuperseded: false, isGone: false },
      }
      connections.add(connection)
      return connection
    },
    hear(connection, line) {
      const request = readSubmitLine(line) ?? readRequest(line.toString())
      if (request !== null) apply(connection, { kind: 'request', request })
    },
    hearOverlong: connection => apply(connection, { kind: 'overlong line' }),
    closed(connection) {
      connections.delete(connection)
      leases.end(connection)
      apply(connection, { kind: 'closed' })
    },
    publish(job) {
      isPaused = false
      jobs.add(job, clock.now())
      shares.addJob(job)
      for (const connection of connections) apply(connection, { kind: 'job', job })
    },
    pause() {
      isPaused = true
    },
    tick() {
      for (const connection of connections) apply(connection, { kind: 'tick' })
      leases.markWhenDue()
    },
    drain() {
      for (const connection of connections) apply(connection, { kind: 'drain' })
    },
    blocksAnswered: async () => void (await Promise.all(submitting)),
    stop: leases.mark,
  }
}

function readRequest(text: string): Request | null {
  return text.trim() === '' ? null : parseRequest(text)
}

type EffectOf<Kind extends Effect['kind']> = Extract<Effect, { kind: Kind }>
