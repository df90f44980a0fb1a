import { packTransactions } from '../../../src/lib/bitcoin/tx.ts'
import { accountId, blockHash, jobId, sessionId, unixMs, workerId } from '../../../src/lib/ids.ts'
import { sats } from '../../../src/lib/money.ts'
import { type CoinbasePays, createFinderJobs } from '../../../src/pool/finder-coinbase.ts'
import { buildJob, type Job } from '../../../src/pool/job.ts'
import { createLiveJobs } from '../../../src/pool/live-jobs.ts'
import type { CheckShares } from '../../../src/pool/share.ts'
import { firstStep } from '../../../src/pool/stratum/channel.ts'
import { parseRequest } from '../../../src/pool/stratum/messages.ts'
import { lineOf } from '../../../src/pool/stratum/replies.ts'
import { newSession, step } from '../../../src/pool/stratum/session.ts'
import type {
  Effect,
  Lease,
  SessionEvent,
  Worker,
} from '../../../src/pool/stratum/session-state.ts'
import type { Work } from '../../../src/pool/template.ts'
import type { VardiffRule } from '../../../src/pool/vardiff.ts'

export const NOW = unixMs(1_700_000_000_000)
/** Nearly every hash is a share at the easiest difficulty, and none is a block. */
export const NO_BLOCKS = 1n << 100n
export const ALL_BLOCKS = 2n ** 256n - 1n
export const RULE: VardiffRule = { minLog2: -32, maxLog2: 40, startLog2: -32, secondsPerShare: 5 }
export const WORKER: Worker = { accountId: accountId(7n), workerId: workerId(9n) }

export function templateOf(changes: Partial<Work> = {}): Work {
  return {
    height: 100,
    previousBlock: blockHash('ab'.repeat(32)),
    version: 0x20000000,
    bits: 0x1d00ffff,
    target: NO_BLOCKS,
    minTime: 1_699_990_000,
    curTime: 1_700_000_000,
    value: sats(5_000_000_000n),
    subsidy: sats(5_000_000_000n),
    branches: [],
    witnessCommitment: null,
    commitments: [],
    blockTransactions: packTransactions([]),
    ...changes,
  }
}

export function jobOf(id: bigint, template = templateOf(), now = NOW, cleanJobs = true): Job {
  const payScript = Uint8Array.of(0x51)
  return buildJob({
    ...{ id: jobId(id), templateId: id, template, tag: '/test/', payScript },
    ...{ cleanJobs, now },
  })
}

export const LEASE: Lease = {
  sessionId: sessionId(5n),
  resumeToken: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  extranonce1: Uint8Array.of(0, 1, 0, 2),
  steps: firstStep(-32),
  accountId: null,
  finder: null,
}

/** A session in the hand: events in, lines and other effects out. */
export function talk(
  options: {
    job?: Job | null
    rule?: VardiffRule
    lease?: Lease
    coinbasePays?: CoinbasePays
  } = {},
) {
  const jobs = createLiveJobs()
  const job = options.job === undefined ? jobOf(1n) : options.job
  if (job) jobs.add(job, NOW)
  const rule = options.rule ?? RULE
  let session = newSession({ rule, coinbasePays: options.coinbasePays ?? 'pool' }, job, NOW)
  let now = NOW
  const payFinder = createFinderJobs()
  const feed = (event: SessionEvent): readonly Effect[] => {
    const next = step(session, event, { now, findJob: jobs.find, payFinder })
    session = next.session
    return next.effects
  }
  const say = (message: object | string) => {
    const line = typeof message === 'string' ? message : JSON.stringify(message)
    return feed({ kind: 'request', request: parseRequest(line) })
  }
  return {
    feed,
    say,
    session: () => session,
    wait: (ms: number) => {
      now = unixMs(now + ms)
    },
    now: () => now,
    publish: (next: Job) => {
      jobs.add(next, now)
      return feed({ kind: 'job', job: next })
    },
    /** Subscribed, leased, and with one worker called `w`. */
    ready() {
      say({ id: 1, method: 'mining.subscribe', params: ['test/1'] })
      feed({ kind: 'opened', lease: options.lease ?? LEASE })
      say({ id: 2, method: 'mining.authorize', params: ['w', 'x'] })
      const answer = { kind: 'authorized', worker: WORKER, finder: null } as const
      const about = { requestId: 2, username: 'w', wishLog2: null, answer }
      return feed({ kind: 'authorize answered', ...about })
    },
  }
}

export type Talk = ReturnType<typeof talk>

/** What of the effects goes over the wire, as the miner reads it. */
export function sent(effects: readonly Effect[]): { [key: string]: unknown }[] {
  const notify = (job: Job, clean: boolean) =>
    `{"id":null,"method":"mining.notify","params":["${job.wireId}",${clean}]}`
  return effects.flatMap(each =>
    each.kind === 'send' ? [JSON.parse(lineOf(each.reply, notify))] : [],
  )
}

export const kinds = (effects: readonly Effect[]) => effects.map(each => each.kind)

export function submitLine(
  changes: Partial<Record<'user' | 'job' | 'en2' | 'time' | 'nonce', unknown>> & {
    bits?: unknown
  } = {},
) {
  const {
    user = 'w',
    job = '1',
    en2 = '00'.repeat(8),
    time = '6553f100',
    nonce = '00000000',
  } = changes
  const params = [user, job, en2, time, nonce]
  return {
    id: 4,
    method: 'mining.submit',
    params: 'bits' in changes ? [...params, changes.bits] : params,
  }
}

/** Takes a submission through check and, if it is accepted, a commit that works. */
export function through(
  it: Talk,
  check: CheckShares,
  effects: readonly Effect[],
): readonly Effect[] {
  return effects.flatMap(effect => {
    if (effect.kind === 'check') {
      const { pending } = effect
      const [verdict] = check([pending.candidate])
      return verdict ? through(it, check, it.feed({ kind: 'verdict', pending, verdict })) : []
    }
    if (effect.kind === 'record') {
      const { pending, verdict } = effect
      return [effect, ...it.feed({ kind: 'recorded', pending, verdict, outcome: 'committed' })]
    }
    return [effect]
  })
}

/** The last reply's error, as it stands on the wire. */
export const errorOf = (effects: readonly Effect[]) => sent(effects).at(-1)?.['error']
/** Its code; null where the last reply has none. */
export const codeOf = (effects: readonly Effect[]) => {
  const error = errorOf(effects)
  return Array.isArray(error) ? error[0] : error
}
