import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { blockHash, unixMs } from '../../../src/lib/ids.ts'
import { createDuplicates } from '../../../src/pool/duplicates.ts'
import { type CheckShares, createShareCheck } from '../../../src/pool/share.ts'
import type { AuthorizeAnswer } from '../../../src/pool/stratum/session-state.ts'
import {
  ALL_BLOCKS,
  codeOf,
  errorOf,
  jobOf,
  kinds,
  LEASE,
  RULE,
  sent,
  submitLine,
  talk,
  templateOf,
  through,
  WORKER,
} from './fixtures.ts'

let check: CheckShares
const fresh = async () => {
  check = createShareCheck(createDuplicates())
}
beforeAll(fresh)

describe('a share', () => {
  test('is checked, recorded, and answered after the commit only', () => {
    const it = talk()
    it.ready()
    const [checking] = it.say(submitLine({ nonce: '00000001' }))
    expect(checking?.kind).toBe('check')
    if (checking?.kind !== 'check') return
    const { pending } = checking
    const [verdict] = check([pending.candidate])
    expect(verdict?.kind).toBe('accepted')
    if (!verdict) return
    expect(kinds(it.feed({ kind: 'verdict', pending, verdict }))).toEqual(['record'])
    const recorded = { kind: 'recorded', pending, verdict } as const
    expect(sent(it.feed({ ...recorded, outcome: 'committed' }))).toEqual([
      { id: 4, result: true, error: null },
    ])
    expect(codeOf(it.feed({ ...recorded, outcome: 'unavailable' }))).toBe(20)
    expect(codeOf(it.feed({ ...recorded, outcome: 'duplicate' }))).toBe(22)
  })
  const refused: [string, object, number, string | null][] = [
    ['on an unknown job', { job: 'ff' }, 21, 'unknown-job'],
    ['on a job spelled otherwise', { job: '01' }, 21, 'unknown-job'],
    ['of an unknown worker', { user: 'x' }, 24, null],
    ['of an inherited name', { user: '__proto__' }, 24, null],
    ['from before its job', { time: '6553f0ff' }, 20, 'bad-time'],
    ['from two hours ahead', { time: '65540d21' }, 20, 'bad-time'],
    ['with version bits unasked', { bits: '00002000' }, 20, 'bad-version'],
    ['with a short extranonce2', { en2: '00' }, 20, 'bad-extranonce2'],
    ['with a wrong nonce', { nonce: '0x1' }, 20, 'malformed'],
  ]
  for (const [name, changes, code, reason] of refused)
    test(`${name} is refused with ${code}, and counted where it has an account`, () => {
      const it = talk()
      it.ready()
      const effects = through(it, check, it.say(submitLine(changes)))
      expect(codeOf(effects)).toBe(code)
      const counted = effects.filter(each => each.kind === 'count reject')
      expect(counted.map(each => each.reason)).toEqual(reason === null ? [] : [reason])
    })
  test('two hours ahead to the second is in time', () => {
    const it = talk()
    it.ready()
    expect(errorOf(through(it, check, it.say(submitLine({ time: '65540d20' }))))).toBeNull()
  })
  test('of too low a difficulty is refused with 23', () => {
    const rule = { ...RULE, startLog2: 30 }
    const it = talk({ rule, lease: { ...LEASE, steps: [{ fromMs: unixMs(0), log2: 30 }] } })
    it.ready()
    expect(codeOf(through(it, check, it.say(submitLine())))).toBe(23)
  })
  test('on the job of an older block is stale', () => {
    const it = talk()
    it.ready()
    it.publish(jobOf(2n, templateOf({ previousBlock: blockHash('cd'.repeat(32)) })))
    expect(codeOf(through(it, check, it.say(submitLine())))).toBe(21)
  })
  test('before subscribing is answered with 25', () => {
    expect(codeOf(talk().say(submitLine()))).toBe(25)
  })
  test('whose socket closed while it was checked is still recorded', () => {
    const it = talk()
    it.ready()
    const effects = it.say(submitLine({ nonce: '00000077' }))
    it.feed({ kind: 'closed' })
    expect(kinds(through(it, check, effects))).toContain('record')
  })
})

describe('a share that comes before its worker is known', () => {
  const early = (template = templateOf()) => {
    const it = talk({ job: jobOf(1n, template) })
    it.say({ id: 1, method: 'mining.subscribe', params: ['test/1'] })
    it.feed({ kind: 'opened', lease: LEASE })
    it.say({ id: 2, method: 'mining.authorize', params: ['w', 'x'] })
    const answer = (given: AuthorizeAnswer) =>
      it.feed({
        ...{ kind: 'authorize answered', requestId: 2, username: 'w', wishLog2: null },
        answer: given,
      })
    return {
      it,
      submit: (nonce = '1') => through(it, check, it.say(submitLine({ nonce }))),
      welcome: () =>
        through(it, check, answer({ kind: 'authorized', worker: WORKER, finder: null })),
      refuse: () => answer({ kind: 'refused', reason: 'no such address' }),
    }
  }
  test('waits for it, and is answered after it', async () => {
    await fresh()
    const { submit, welcome } = early()
    expect(submit('1')).toEqual([])
    expect(submit('2')).toEqual([])
    const effects = welcome()
    expect(effects.filter(({ kind }) => kind === 'record')).toMatchObject([
      { pending: { worker: WORKER, candidate: { nonce: 1 } } },
      { pending: { worker: WORKER, candidate: { nonce: 2 } } },
    ])
    expect(sent(effects)).toMatchObject([
      { id: 2, result: true },
      { id: 4, result: true },
      { id: 4, result: true },
    ])
  })
  test('is refused with it, and may be sent again', async () => {
    await fresh()
    const { submit, refuse } = early()
    submit()
    const effects = refuse()
    expect(sent(effects).map(({ id }) => id)).toEqual([2, 4])
    expect(codeOf(effects)).toBe(24)
    expect(kinds(effects)).toEqual(['send', 'forget', 'send'])
  })
  test('is submitted at once where it is a block, and recorded with its worker', async () => {
    await fresh()
    const { it, submit, welcome } = early(templateOf({ target: ALL_BLOCKS }))
    const [effect] = submit()
    if (effect?.kind !== 'submit block') throw new Error('not submitted')
    const answers = [{ node: 'a', accepted: true, text: 'accepted' }]
    expect(it.feed({ ...effect, kind: 'block answered', answers })).toEqual([])
    expect(welcome().find(({ kind }) => kind === 'record')).toMatchObject({
      answers,
      pending: { worker: WORKER },
    })
  })
  test('is recorded as a block alone where the worker is refused', async () => {
    await fresh()
    const { it, submit, refuse } = early(templateOf({ target: ALL_BLOCKS }))
    const [effect] = submit()
    if (effect?.kind !== 'submit block') throw new Error('not submitted')
    it.feed({ ...effect, kind: 'block answered', answers: [] })
    expect(refuse().find(({ kind }) => kind === 'record')).toMatchObject({
      verdict: { kind: 'rejected', refusal: 'unauthorized' },
    })
  })
  test('waits among sixty-four others at most', async () => {
    await fresh()
    const { submit } = early()
    for (let i = 1; i <= 64; i++) expect(submit(i.toString(16))).toEqual([])
    expect(codeOf(submit('ffff'))).toBe(24)
  })
  test('is answered where the worker is known before the hash', async () => {
    await fresh()
    const { it, welcome } = early()
    const effects = it.say(submitLine({ nonce: '1' }))
    welcome()
    expect(sent(through(it, check, effects))).toMatchObject([{ id: 4, result: true }])
  })
})

test('no spelling of a share earns a second credit', async () => {
  await fresh()
  const it = talk()
  it.ready()
  const spelled = (digits: string) =>
    fc
      .array(fc.boolean(), { minLength: digits.length, maxLength: digits.length })
      .map(upper =>
        [...digits].map((digit, i) => (upper[i] ? digit.toUpperCase() : digit)).join(''),
      )
  const spellings = fc.record({
    en2: spelled('00000000abcdef12'),
    time: spelled('6553f1ab'),
    nonce: fc.tuple(spelled('0000abcd'), fc.nat(4)).map(([hex, cut]) => hex.slice(cut)),
  })
  let credits = 0
  fc.assert(
    fc.property(spellings, changes => {
      const effects = through(it, check, it.say(submitLine(changes)))
      if (errorOf(effects) === null) credits++
      else expect(codeOf(effects)).toBe(22)
    }),
  )
  expect(credits).toBe(1)
})

describe('a possible block', () => {
  const blocks = templateOf({ target: ALL_BLOCKS })
  const submitted = async (changes: object, job = jobOf(1n, blocks)) => {
    await fresh()
    const it = talk({ job })
    it.ready()
    it.publish(jobOf(2n, templateOf({ previousBlock: blockHash('cd'.repeat(32)) })))
    return { it, effects: through(it, check, it.say(submitLine(changes))) }
  }
  const wrong: [string, object][] = [
    ['stale', {}],
    ['of an unknown worker', { user: 'x' }],
    ['rolled in time', { time: '65550000' }],
    ['rolled in version unasked', { bits: '00002000' }],
  ]
  for (const [name, changes] of wrong)
    test(`is submitted before anything else, even ${name}`, async () => {
      const { it, effects } = await submitted(changes)
      expect(kinds(effects)).toEqual(['submit block'])
      const [effect] = effects
      if (effect?.kind !== 'submit block') return
      const { pending, verdict } = effect
      const answers = [{ node: 'a', accepted: true, text: 'accepted' }]
      const after = it.feed({ kind: 'block answered', pending, verdict, answers })
      expect(kinds(after).slice(0, 2)).toEqual(['record', 'send'])
      const recorded = { kind: 'recorded', pending, verdict, outcome: 'committed' } as const
      expect(it.feed(recorded)).toEqual([])
    })
})
