import fc from 'fast-check'
import { blockHash, unixMs } from '../../../src/lib/ids.ts'
import { createDuplicates } from '../../../src/pool/duplicates.ts'
import { type CheckShares, createShareCheck } from '../../../src/pool/share.ts'
import { jobDifficulty } from '../../../src/pool/stratum/channel.ts'
import type { Effect, SessionEvent } from '../../../src/pool/stratum/session-state.ts'
import { ALL_BLOCKS, jobOf, LEASE, RULE, submitLine, talk, templateOf, WORKER } from './fixtures.ts'
import { fuzzedLine } from './fuzz-lines.ts'

/** What may happen next; `pick` chooses among what the session waits for. */
type Act =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'known'; readonly what: keyof typeof LINES; readonly nonce: number }
  | { readonly kind: 'answer'; readonly pick: number; readonly isGood: boolean }
  | { readonly kind: 'job'; readonly isNewTip: boolean; readonly isEasy: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'tick' | 'drain' | 'closed' | 'lease taken' }

const LINES = {
  xnsub: () => ({ method: 'mining.extranonce.subscribe', params: [] }),
  subscribe: () => ({ method: 'mining.subscribe', params: ['fuzz/1'] }),
  configure: () => ({ method: 'mining.configure', params: [['version-rolling'], {}] }),
  authorize: () => ({ method: 'mining.authorize', params: ['w', 'd=4'] }),
  suggest: (nonce: number) => ({ method: 'mining.suggest_difficulty', params: [nonce] }),
  submit: (nonce: number) => submitLine({ nonce: nonce.toString(16) }),
  late: (nonce: number) => submitLine({ nonce: nonce.toString(16), job: '2' }),
  ping: () => ({ method: 'mining.ping', params: [] }),
}
const names = Object.keys(LINES) as (keyof typeof LINES)[]
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('line' as const), text: fuzzedLine }) },
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ kind: fc.constant('known' as const), what: fc.constantFrom(...names) },
      nonce: fc.nat(1000),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      ...{ kind: fc.constant('answer' as const), pick: fc.nat(), isGood: fc.boolean() },
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ kind: fc.constant('job' as const), isNewTip: fc.boolean(), isEasy: fc.boolean() },
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(200_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom<'tick' | 'drain' | 'closed' | 'lease taken'>(
        ...(['tick', 'drain', 'closed', 'lease taken'] as const),
      ),
    }),
  },
)

/** In any order of events, what must always hold of a session holds. */
export function fuzzEvents(numRuns: number, seed?: number): void {
  const property = fc.property(fc.array(act, { maxLength: 60 }), acts =>
    play(acts, createShareCheck(createDuplicates())),
  )
  fc.assert(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
}

function play(acts: readonly Act[], check: CheckShares): void {
  const it = talk({ rule: { ...RULE, secondsPerShare: 1 } })
  const open: Effect[] = []
  const answers = new Map<string, number>()
  let [jobs, nextId] = [1n, 1]
  let isTold = false
  let announced: number | null = null

  function feed(event: SessionEvent): void {
    watch(it.feed(event))
  }

  function watch(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') watchSend(effect)
      else if (effect.kind === 'record') {
        const { verdict, pending } = effect
        if (verdict.kind === 'accepted') must(pending.worker !== null, 'a share has a worker')
        open.push(effect)
      } else if (effect.kind === 'check' || effect.kind === 'open') open.push(effect)
      else if (['authorize', 'submit block', 'save steps'].includes(effect.kind)) open.push(effect)
    }
    const { workers, early, phase } = it.session()
    must(workers.size <= 1000 && early.length <= 64, 'what a session holds is bounded')
    if (phase.kind === 'opening') must(phase.waiting.length <= 16, 'what waits is bounded')
    if (phase.kind === 'open') must(phase.channel.steps.length <= 64, 'steps are bounded')
  }

  function watchSend({ reply }: Extract<Effect, { kind: 'send' }>): void {
    if (reply.kind === 'subscribed') isTold = true
    if ('id' in reply) {
      const key = JSON.stringify(reply.id)
      answers.set(key, (answers.get(key) ?? 0) + 1)
      must(it.session().phase.kind !== 'opening', 'nothing overtakes the subscribe result')
      return
    }
    must(isTold, 'nothing is said before the subscribe result')
    if (reply.kind === 'set difficulty') announced = reply.difficultyLog2
    if (reply.kind !== 'notify') return
    const { phase } = it.session()
    if (phase.kind !== 'open') return
    must(announced === jobDifficulty(phase.channel, reply.job), 'what is enforced is announced')
  }

  /** The shell's side: one thing that the session asked for is done, well or not. */
  function answer(pick: number, isGood: boolean): void {
    const [effect] = open.splice(pick % Math.max(open.length, 1), 1)
    switch (effect?.kind) {
      case 'open':
        feed(isGood ? { kind: 'opened', lease: LEASE } : { kind: 'not opened' })
        break
      case 'authorize': {
        const { requestId, username, wishLog2 } = effect
        const who = isGood
          ? ({ kind: 'authorized', worker: WORKER, finder: null } as const)
          : ({ kind: 'refused', reason: 'nobody' } as const)
        feed({ kind: 'authorize answered', requestId, username, wishLog2, answer: who })
        break
      }
      case 'check': {
        const { pending } = effect
        const [verdict] = check([pending.candidate])
        if (!verdict) break
        const before = open.length
        feed({ kind: 'verdict', pending, verdict })
        const isFirst = open[before]?.kind === 'submit block'
        must(isFirst === verdict.proof.isBlock, 'a block is submitted before anything else')
        break
      }
      case 'submit block':
        feed({ ...effect, kind: 'block answered', answers: [] })
        break
      case 'record': {
        const { pending, verdict } = effect
        const outcome = isGood ? 'committed' : 'unavailable'
        feed({ kind: 'recorded', pending, verdict, outcome })
        break
      }
      case 'save steps':
        feed({ kind: 'step saved', step: effect.step, ok: isGood })
    }
  }

  for (const each of acts) {
    switch (each.kind) {
      case 'line':
        watch(it.say(each.text))
        break
      case 'known':
        watch(it.say({ ...LINES[each.what](each.nonce), id: `known ${nextId++}` }))
        break
      case 'answer':
        answer(each.pick, each.isGood)
        break
      case 'job': {
        jobs += 1n
        const tip = { previousBlock: blockHash(jobs.toString(16).padStart(64, '0')) }
        const target = each.isEasy ? { target: ALL_BLOCKS } : {}
        const template = templateOf({ ...target, ...(each.isNewTip ? tip : {}) })
        watch(it.publish(jobOf(jobs, template, unixMs(it.now()), each.isNewTip)))
        break
      }
      case 'wait':
        it.wait(each.ms)
        break
      default:
        feed({ kind: each.kind })
    }
  }
  // Everything that was asked for is answered in the end.
  for (let i = 0; open.length > 0 && i < 10_000; i++) answer(0, true)
  must(open.length === 0, 'a session comes to rest')
  const isOver = it.session().phase.kind === 'closed'
  for (let id = 1; id < nextId; id++) {
    const count = answers.get(JSON.stringify(`known ${id}`)) ?? 0
    must(count === 1 || (count === 0 && isOver), `request ${id} is answered once, not ${count}`)
  }
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}
