import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { blockHash, unixMs } from '../../../src/lib/ids.ts'
import { createDuplicates } from '../../../src/pool/duplicates.ts'
import { type CheckShares, createShareCheck } from '../../../src/pool/share.ts'
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
