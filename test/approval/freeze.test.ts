import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OperatorKey } from '../../src/approval/act.ts'
import {
  ACT_AGE_MS_MAX,
  type FreezeScene,
  freezeActHash,
  freezeHolds,
  freezeRefusal,
  poolFreeze,
  signFreezeAct,
  stops,
} from '../../src/approval/freeze.ts'
import { digest, unixMs } from '../../src/lib/ids.ts'
import { keyOf, NEVER, secretOf } from '../treasury/people.ts'

const NOW = unixMs(1_000_000_000)
const SCENE: FreezeScene = {
  network: 'regtest',
  now: NOW,
  operators: [{ alias: 'alice', roles: ['approver'], keys: [{ key: keyOf(1), notAfter: NEVER }] }],
  freezes: [],
  personOf: key => (key === keyOf(1) ? 'alice' : null),
}
const WORDS = { kind: 'freeze', network: 'regtest', scope: 'l1', reason: 'odd', at: NOW } as const
const byAlice = signFreezeAct(secretOf(1), WORDS)
const held = { freeze: poolFreeze(WORDS), lifts: [] }
const lift = signFreezeAct(secretOf(1), {
  ...{ kind: 'unfreeze', network: 'regtest', reason: 'fine', at: NOW },
  freeze: freezeActHash(held.freeze),
})

const signed = (changed: Partial<typeof WORDS> | object) =>
  signFreezeAct(secretOf(1), { ...WORDS, ...changed })
const cases = [
  ['a good freeze counts', byAlice, SCENE, null],
  ['a good lift counts', lift, { ...SCENE, freezes: [held] }, null],
  ['another network', signed({ network: 'mainnet' }), SCENE, 'other network'],
  ['a scope that is no word', signed({ scope: 'L1 ' }), SCENE, 'malformed'],
  ['no reason', signed({ reason: '' }), SCENE, 'malformed'],
  ['a reason with a NUL', signed({ reason: 'a\0b' }), SCENE, 'malformed'],
  ['a long reason', signed({ reason: 'x'.repeat(501) }), SCENE, 'malformed'],
  ['a stranger', signFreezeAct(secretOf(9), WORDS), SCENE, 'unknown operator'],
  ['an expired key', byAlice, { ...SCENE, now: NEVER }, 'unknown operator'],
  ['another reason', { ...byAlice, act: { ...byAlice.act, reason: 'b' } }, SCENE, 'bad signature'],
  ['a lift as a freeze', { ...byAlice, signature: lift.signature }, SCENE, 'bad signature'],
  ['an old one', byAlice, { ...SCENE, now: unixMs(NOW + ACT_AGE_MS_MAX + 1) }, 'too old'],
  ['one from the future', byAlice, { ...SCENE, now: unixMs(NOW - ACT_AGE_MS_MAX - 1) }, 'too old'],
  ['a repeat', byAlice, { ...SCENE, freezes: [{ freeze: byAlice.act, lifts: [] }] }, 'repeated'],
  ['a lift of nothing', lift, SCENE, 'unknown freeze'],
] as const

for (const [name, act, scene, refusal] of cases)
  test(`an act is judged: ${name}`, () =>
    expect(freezeRefusal(act, scene as FreezeScene)).toBe(refusal))

test('a viewer may not freeze, an operator may not lift', () => {
  const as = (role: 'viewer' | 'operator'): FreezeScene => ({
    ...SCENE,
    freezes: [held],
    operators: SCENE.operators.map(each => ({ ...each, roles: [role] })),
  })
  expect(freezeRefusal(byAlice, as('viewer'))).toBe('unknown operator')
  expect(freezeRefusal(byAlice, as('operator'))).toBeNull()
  expect(freezeRefusal(lift, as('operator'))).toBe('unknown operator')
})

test('a freeze holds until two people have lifted this very freeze', () => {
  const hash = freezeActHash(held.freeze)
  const word = fc.record({
    by: fc.constantFrom(keyOf(1), keyOf(2), keyOf(3), keyOf(4)),
    freeze: fc.constantFrom(hash, digest('0'.repeat(64))),
  })
  // Keys 1 and 2 are one person's, 4 is nobody's.
  const person = new Map([1, 2, 3].map(n => [keyOf(n), n === 3 ? 'bob' : 'alice']))
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), words => {
      const lifts = words.map(each => ({ ...lift.act, kind: 'unfreeze' as const, ...each }))
      const own = lifts.filter(each => each.freeze === hash).map(each => each.by)
      const byAlice = own.includes(keyOf(1)) || own.includes(keyOf(2))
      const isLifted = byAlice && own.includes(keyOf(3))
      const personOf = (key: OperatorKey) => person.get(key) ?? null
      expect(freezeHolds({ freeze: held.freeze, lifts }, personOf)).toBe(!isLifted)
    }),
  )
})

test('a freeze of all stops every rail, one of a rail only that', () => {
  expect([stops({ scope: 'all' }, 'l1'), stops({ scope: 'l1' }, 'l1')]).toEqual([true, true])
  expect(stops({ scope: 'l1' }, 'thunder')).toBe(false)
})
