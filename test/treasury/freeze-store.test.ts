import { afterEach, beforeEach, expect, test } from 'vitest'
import { freezeActHash, signFreezeAct, verifyFreezeAct } from '../../src/approval/freeze.ts'
import { type Digest, digest, unixMs } from '../../src/lib/ids.ts'
import { verifyEvents } from '../../src/treasury/audit-event-store.ts'
import {
  freezeActsAfter,
  freezeByPool,
  frozen,
  giveFreezeAct,
  listFreezes,
} from '../../src/treasury/freeze-store.ts'
import { readOperators } from '../../src/treasury/operator-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addPerson, keyOf, NEVER, secretOf } from './people.ts'

const NETWORK = 'regtest'
const NOW = unixMs(1_000_000_000)

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await addPerson(database.db, 'alice', ['operator'], [keyOf(1)])
  await addPerson(database.db, 'bob', ['approver'], [keyOf(2), keyOf(3)])
  await addPerson(database.db, 'carol', ['admin'], [keyOf(4)])
  await addPerson(database.db, 'victor', ['viewer'], [keyOf(5)])
})
afterEach(() => database.drop())

const give = (signed: ReturnType<typeof signFreezeAct>, now = NOW) =>
  database.db.transaction().execute(tx => giveFreezeAct(tx, NETWORK, signed, now))
const freeze = (who: number, scope = 'l1', at = NOW) =>
  signFreezeAct(secretOf(who), {
    ...{ kind: 'freeze', network: NETWORK, scope, at },
    reason: 'odd transfers',
  })
const lift = (who: number, hash: Digest, at = NOW) =>
  signFreezeAct(secretOf(who), {
    ...{ kind: 'unfreeze', network: NETWORK, freeze: hash, at },
    reason: 'looked at it',
  })
const refused = (reason: string) => ({ kind: 'refused', reason })

test('one person freezes; two different people lift, whatever keys they have', async () => {
  const act = freeze(1)
  const hash = freezeActHash(act.act)
  expect(await frozen(database.db, 'l1')).toBeNull()
  expect(await give(act)).toEqual({ kind: 'accepted', id: 1n, holds: true })
  expect(await frozen(database.db, 'l1')).toBe('frozen by alice: odd transfers')
  expect(await frozen(database.db, 'thunder')).toBeNull()
  expect(await give(lift(2, hash))).toMatchObject({ kind: 'accepted', id: 1n, holds: true })
  expect(await give(lift(2, hash, unixMs(NOW + 1)))).toEqual(refused('repeated'))
  expect(await give(lift(3, hash))).toEqual(refused('repeated'))
  const { act: again, signature } = lift(3, hash)
  const row = { act: 'unfreeze' as const, lifts_id: 1n, scope: 'l1', operator_key: keyOf(3) }
  await database.db
    .insertInto('freeze_acts')
    .values({ ...row, reason: 'x', signature, given_ms: 1n, hash: freezeActHash(again) })
    .execute()
  expect(await frozen(database.db, 'l1'), 'two keys of one person').not.toBeNull()
  expect(await give(lift(1, hash))).toEqual(refused('unknown operator'))
  expect(await give(lift(5, hash))).toEqual(refused('unknown operator'))
  expect(await give(lift(4, hash))).toMatchObject({ kind: 'accepted', holds: false })
  expect(await frozen(database.db, 'l1')).toBeNull()
  expect(await give(act), 'the same freeze again').toEqual(refused('repeated'))
  expect(await frozen(database.db, 'l1')).toBeNull()
  expect(await verifyEvents(database.db)).toEqual([])
})

test('two lifts by one person that come in at one moment count once', async () => {
  const act = freeze(1)
  const hash = freezeActHash(act.act)
  await give(act)
  const verdicts = await Promise.all([give(lift(2, hash)), give(lift(3, hash))])
  expect(verdicts.map(({ kind }) => kind).sort()).toEqual(['accepted', 'refused'])
  expect(await frozen(database.db, 'l1')).not.toBeNull()
})

test('a freeze of all stops every rail, and each freeze must be lifted', async () => {
  const [all, one] = [freeze(1, 'all'), freeze(4)]
  await give(all)
  await give(one)
  for (const who of [2, 4]) await give(lift(who, freezeActHash(all.act)))
  expect(await frozen(database.db, 'thunder')).toBeNull()
  expect(await frozen(database.db, 'l1')).toBe('frozen by carol: odd transfers')
})

test('the pool freezes by itself, once at a time, and people lift it', async () => {
  const words = { network: NETWORK, scope: 'l1', reason: 'wallet\0 and books differ', at: NOW }
  const byPool = (at = NOW) =>
    database.db.transaction().execute(tx => freezeByPool(tx, { ...words, at }))
  expect(await byPool()).toBe(true)
  expect(await byPool(unixMs(NOW + 1))).toBe(false)
  expect(await frozen(database.db, 'l1')).toBe('frozen by the pool: wallet  and books differ')
  const [report] = await listFreezes(database.db, { before: null, limit: 10 })
  for (const who of [2, 4]) await give(lift(who, report?.hash ?? digest('0'.repeat(64))))
  expect(await frozen(database.db, 'l1')).toBeNull()
  expect(await byPool(), 'what was lifted stays lifted').toBe(false)
  expect(await byPool(unixMs(NOW + 2))).toBe(true)
})

test('a lift stays when the key that gave it is revoked later', async () => {
  const act = freeze(1)
  await give(act)
  for (const who of [2, 4]) await give(lift(who, freezeActHash(act.act)))
  await database.db.updateTable('operator_keys').set({ revoked_ms: 5n }).execute()
  await database.db.updateTable('operators').set({ removed_ms: 5n }).execute()
  expect(await frozen(database.db, 'l1')).toBeNull()
  expect(await readOperators(database.db)).toEqual([])
})

test('a list shows who froze, who lifts, and what holds', async () => {
  const act = freeze(1)
  await give(act)
  await give(lift(2, freezeActHash(act.act)))
  await give(freeze(4, 'all'))
  const [newest, oldest] = await listFreezes(database.db, { before: null, limit: 10 })
  expect(newest).toMatchObject({ id: 3n, by: 'carol', scope: 'all', holds: true, lifts: [] })
  expect(oldest).toMatchObject({ id: 1n, by: 'alice', holds: true, hash: freezeActHash(act.act) })
  expect(oldest?.lifts).toEqual([{ by: 'bob', reason: 'looked at it', at: NOW }])
  expect(await listFreezes(database.db, { before: 1n, limit: 10 })).toEqual([])
})

test('acts are given on with signatures that still verify', async () => {
  const acts = [freeze(1), lift(2, freezeActHash(freeze(1).act))]
  for (const act of acts) await give(act)
  await database.db
    .transaction()
    .execute(tx => freezeByPool(tx, { network: NETWORK, scope: 'l1', reason: 'x', at: NOW }))
  const given = await freezeActsAfter(database.db, NETWORK, { after: 0n, limit: 10 })
  expect(given).toEqual(acts.map((act, index) => ({ ...act, id: BigInt(index + 1) })))
  expect(given.every(verifyFreezeAct)).toBe(true)
})

test('operators are read with the keys that were not revoked', async () => {
  await database.db
    .updateTable('operator_keys')
    .set({ revoked_ms: 5n })
    .where('key', '=', keyOf(3))
    .execute()
  const operators = await readOperators(database.db)
  expect(operators.map(({ alias }) => alias)).toEqual(['alice', 'bob', 'carol', 'victor'])
  expect(operators[1]).toEqual({
    alias: 'bob',
    roles: ['approver'],
    keys: [{ key: keyOf(2), notAfter: NEVER }],
  })
})
