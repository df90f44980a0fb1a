import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ACT_AGE_MS_MAX } from '../../src/approval/freeze.ts'
import type { OperatorRole } from '../../src/approval/policy.ts'
import { digest, unixMs } from '../../src/lib/ids.ts'
import {
  decodeOperatorAct,
  encodeOperatorAct,
  OPERATORS_START,
  type OperatorChange,
  signOperatorAct,
  verifyOperatorAct,
} from '../../src/treasury/operator-act.ts'
import {
  applyChange,
  type ChangeScene,
  changeRefusal,
  hasAdmin,
  KEY_MS_MAX,
  type Member,
} from '../../src/treasury/operator-change.ts'
import { keyOf, secretOf } from './people.ts'

const NOW = unixMs(1_000_000_000_000)
const LATER = unixMs(NOW + 1000)
const member = (alias: string, roles: OperatorRole[], ...keys: number[]): Member => ({
  ...{ alias, roles, removed: false },
  keys: keys.map(n => ({ key: keyOf(n), notAfter: LATER, revoked: false })),
})
const MEMBERS = [member('ada', ['admin'], 1), member('bob', ['approver'], 2, 3)]
const SCENE: ChangeScene = {
  ...{ network: 'regtest', now: NOW, head: OPERATORS_START },
  members: MEMBERS,
}
const by = (who: number, change: OperatorChange, words: object = {}) =>
  signOperatorAct(secretOf(who), {
    ...{ network: 'regtest', previous: OPERATORS_START, at: NOW, change },
    ...words,
  })
const add = (alias: string, key: number, notAfter: number = LATER): OperatorChange => ({
  ...{ kind: 'add operator', alias, roles: ['viewer'], key: keyOf(key), notAfter },
})
const addKey = (alias: string, key: number): OperatorChange => ({
  ...{ kind: 'add key', alias, key: keyOf(key), notAfter: LATER },
})
const revoke = (alias: string, key: number): OperatorChange => ({
  ...{ kind: 'revoke key', alias, key: keyOf(key) },
})
const remove = (alias: string): OperatorChange => ({ kind: 'remove operator', alias })
const roles = (alias: string, ...list: OperatorRole[]): OperatorChange => ({
  ...{ kind: 'set roles', alias, roles: list },
})
const first = (key: number): OperatorChange => ({
  ...{ kind: 'first admin', alias: 'eve', key: keyOf(key), notAfter: LATER },
  invitation: '0'.repeat(64),
})
const twoAdmins = { ...SCENE, members: [...MEMBERS, member('cy', ['admin'], 4)] }
const old = { ...SCENE, now: unixMs(LATER) }

const cases = [
  ['an admin adds somebody', by(1, add('carol', 5)), SCENE, null],
  ['an admin gives roles', by(1, roles('bob', 'admin', 'viewer')), SCENE, null],
  ['an approver adds nobody', by(2, add('carol', 5)), SCENE, 'not allowed'],
  ['an approver makes themselves no admin', by(2, roles('bob', 'admin')), SCENE, 'not allowed'],
  ['one renews an own key', by(2, addKey('bob', 6)), SCENE, null],
  ['one revokes an own key', by(2, revoke('bob', 3)), SCENE, null],
  ['one gives another no key', by(2, addKey('ada', 6)), SCENE, 'not allowed'],
  ["one revokes no other's key", by(2, revoke('ada', 1)), SCENE, 'not allowed'],
  ["an admin revokes another's key", by(1, revoke('bob', 2)), SCENE, null],
  ['a stranger', by(9, add('carol', 5)), SCENE, 'unknown operator'],
  ['an expired key', by(1, add('carol', 5), { at: LATER }), old, 'unknown operator'],
  ['another network', by(1, add('c', 5), { network: 'mainnet' }), SCENE, 'other network'],
  [
    'an act for another state',
    by(1, add('c', 5)),
    { ...SCENE, head: digest('1'.repeat(64)) },
    'outdated',
  ],
  ['an act kept for later', by(1, add('c', 5), { at: NOW - ACT_AGE_MS_MAX - 1 }), SCENE, 'too old'],
  ['a taken alias', by(1, add('bob', 5)), SCENE, 'alias taken'],
  ['a taken key', by(1, add('carol', 2)), SCENE, 'key taken'],
  ['an own key twice', by(2, addKey('bob', 3)), SCENE, 'key taken'],
  ['a key that has expired', by(1, add('carol', 5, NOW)), SCENE, 'bad expiry'],
  ['a key for ever', by(1, add('carol', 5, NOW + KEY_MS_MAX + 1)), SCENE, 'bad expiry'],
  [
    'a key that is no point',
    by(1, { ...add('c', 5), key: 'f'.repeat(64) } as OperatorChange),
    SCENE,
    'malformed',
  ],
  ['nobody is removed', by(1, remove('dora')), SCENE, 'unknown alias'],
  ['a key that is not there', by(1, revoke('bob', 9)), SCENE, 'unknown key'],
  ['the last admin stays', by(1, remove('ada')), SCENE, 'last admin'],
  ['the last admin stays admin', by(1, roles('ada', 'viewer')), SCENE, 'last admin'],
  ['the last admin keeps a key', by(1, revoke('ada', 1)), SCENE, 'last admin'],
  ['one of two admins may go', by(1, remove('ada')), twoAdmins, null],
  ['no first admin beside an admin', by(7, first(7)), SCENE, 'not allowed'],
  [
    'a first admin signs with the own key',
    by(8, first(7)),
    { ...SCENE, members: [] },
    'unknown operator',
  ],
  ['the first admin', by(7, first(7)), { ...SCENE, members: [] }, null],
  [
    "a first admin where every admin's key has expired",
    by(7, { ...first(7), notAfter: LATER + 9 } as OperatorChange, { at: LATER }),
    old,
    null,
  ],
] as const

for (const [name, act, scene, refusal] of cases)
  test(`a change is judged: ${name}`, () => expect(changeRefusal(act, scene)).toBe(refusal))

test('a removed operator, a revoked key and another signature sign nothing', () => {
  const gone = { ...SCENE, members: applyChange(twoAdmins.members, remove('cy')) }
  expect(changeRefusal(by(4, add('c', 5)), gone)).toBe('unknown operator')
  const revoked = { ...SCENE, members: applyChange(MEMBERS, revoke('bob', 3)) }
  expect(changeRefusal(by(3, addKey('bob', 5)), revoked)).toBe('unknown operator')
  expect(changeRefusal(by(2, addKey('bob', 3)), revoked)).toBe('key taken')
  const forged = { ...by(2, roles('bob', 'admin')), act: by(1, roles('bob', 'admin')).act }
  expect(changeRefusal(forged, SCENE)).toBe('bad signature')
  const other = by(1, roles('bob', 'admin'))
  const edited = { ...other, act: { ...other.act, change: roles('ada', 'viewer') } }
  expect(verifyOperatorAct(edited)).toBe(false)
})

test('canonical bytes are read back, and no other spelling is', () => {
  const { act } = by(1, add('carol', 5))
  const bytes = encodeOperatorAct(act)
  expect(decodeOperatorAct(bytes)).toEqual(act)
  const spaced = new TextEncoder().encode(`${new TextDecoder().decode(bytes)} `)
  expect(decodeOperatorAct(spaced)).toBeNull()
  const unsorted = { ...act, change: roles('bob', 'viewer', 'admin') }
  expect(decodeOperatorAct(encodeOperatorAct(unsorted))).toBeNull()
})

test('whatever is asked for by whomever, an admin is left, and no key is two persons’', () => {
  const alias = fc.constantFrom('ada', 'bob', 'cy', 'dora')
  const key = fc.integer({ min: 1, max: 8 })
  const change = fc.oneof(
    fc.tuple(alias, key).map(([who, n]) => add(who, n)),
    fc.tuple(alias, key).map(([who, n]) => addKey(who, n)),
    fc.tuple(alias, key).map(([who, n]) => revoke(who, n)),
    fc
      .tuple(alias, fc.constantFrom('admin', 'viewer'))
      .map(([who, role]) => roles(who, role as OperatorRole)),
    alias.map(remove),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(key, change), { maxLength: 12 }), acts => {
      let members: readonly Member[] = MEMBERS
      for (const [who, each] of acts)
        if (changeRefusal(by(who, each), { ...SCENE, members }) === null)
          members = applyChange(members, each)
      expect(hasAdmin(members, NOW)).toBe(true)
      const keys = members.flatMap(each => each.keys.map(own => own.key))
      expect(new Set(keys).size).toBe(keys.length)
    }),
    { numRuns: 50 },
  )
})
