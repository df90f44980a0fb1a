import { sql, type Transaction } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/lib/db/schema.ts'
import { type UnixMs, unixMs } from '../../src/lib/ids.ts'
import { eventsAfter, verifyEvents } from '../../src/treasury/audit-event-store.ts'
import {
  INVITATION_MS,
  inviteFirstAdmin,
  joinAsFirstAdmin,
  tokenDigest,
} from '../../src/treasury/first-admin-store.ts'
import {
  encodeOperatorAct,
  type OperatorChange,
  operatorActHash,
  signOperatorAct,
} from '../../src/treasury/operator-act.ts'
import { verifyOperators } from '../../src/treasury/operator-audit-store.ts'
import {
  changeOperators,
  operatorsHead,
  readMembers,
  readOperators,
} from '../../src/treasury/operator-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { keyOf, secretOf } from './people.ts'

const NETWORK = 'regtest'
const NOW = unixMs(1_000_000_000_000)
const LATER = unixMs(NOW + 100_000_000)
/** Each token is another one. */
let drawn = 0
const random = { bytes: (count: number) => new Uint8Array(count).fill(++drawn) }

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  drawn = 0
})
afterEach(() => database.drop())

function inTransaction<T>(act: (tx: Transaction<Database>) => Promise<T>): Promise<T> {
  return database.db.transaction().execute(act)
}

async function sign(who: number, change: OperatorChange, at = NOW) {
  const previous = await operatorsHead(database.db)
  return signOperatorAct(secretOf(who), { network: NETWORK, previous, at, change })
}
const change = async (who: number, each: OperatorChange, now = NOW) => {
  const signed = await sign(who, each, now)
  return inTransaction(tx => changeOperators(tx, NETWORK, signed, now))
}
const invite = (now = NOW) => inTransaction(tx => inviteFirstAdmin(tx, random, now))
async function join(who: number, token: string, now = NOW, invitation = tokenDigest(token)) {
  const signed = await sign(
    who,
    { kind: 'first admin', alias: `admin${who}`, key: keyOf(who), notAfter: LATER, invitation },
    now,
  )
  return inTransaction(tx => joinAsFirstAdmin(tx, NETWORK, { token, signed }, now))
}
const addBob: OperatorChange = {
  ...{ kind: 'add operator', alias: 'bob', roles: ['approver'], key: keyOf(2), notAfter: LATER },
}
const refused = (reason: string) => ({ kind: 'refused', reason })

test('the console invites one admin, once, for an hour, and only while there is none', async () => {
  const first = await invite()
  expect(first).toEqual({ token: '01'.repeat(32), expiresAt: NOW + INVITATION_MS })
  const token = first?.token ?? ''
  const kept = await database.db.selectFrom('first_admin_tokens').selectAll().execute()
  expect(JSON.stringify(kept.map(row => row.digest))).not.toContain(token)
  expect(await join(1, 'f'.repeat(64))).toEqual(refused('bad token'))
  expect(await join(1, token, NOW, tokenDigest('other'))).toEqual(refused('bad token'))
  expect(await join(1, token, unixMs(NOW + INVITATION_MS))).toEqual(refused('bad token'))
  const joins = await Promise.all([join(1, token), join(5, token)])
  expect(joins.map(({ kind }) => kind).sort()).toEqual(['accepted', 'refused'])
  expect(await join(6, token)).toEqual(refused('bad token'))
  expect(await invite()).toBeNull()
  const operators = await readOperators(database.db)
  expect(operators.map(({ roles }) => roles)).toEqual([['admin']])
  expect(await invite(LATER), 'nobody has a good key any more').not.toBeNull()
})

test('a newer invitation ends the older one', async () => {
  const older = await invite()
  const newer = await invite()
  expect(await join(1, older?.token ?? '')).toEqual(refused('bad token'))
  expect(await join(1, newer?.token ?? '')).toMatchObject({ kind: 'accepted' })
})

async function admin(): Promise<void> {
  const invitation = await invite()
  expect(await join(1, invitation?.token ?? '')).toMatchObject({ kind: 'accepted' })
}

test('nobody becomes the first admin without the token', async () => {
  const made: OperatorChange = {
    ...{ kind: 'first admin', alias: 'eve', key: keyOf(9), notAfter: LATER },
    invitation: '0'.repeat(64),
  }
  expect(await change(9, made)).toEqual(refused('not allowed'))
  expect(await readOperators(database.db)).toEqual([])
})

test('changes are written with their acts and events, and add up to the tables', async () => {
  await admin()
  expect(await change(1, addBob)).toMatchObject({ kind: 'accepted' })
  const key: OperatorChange = {
    ...{ kind: 'add key', alias: 'bob', key: keyOf(3), notAfter: LATER },
  }
  expect(await change(2, key)).toMatchObject({ kind: 'accepted' })
  expect(await change(3, { kind: 'revoke key', alias: 'bob', key: keyOf(2) })).toMatchObject({
    kind: 'accepted',
  })
  expect(await change(2, { kind: 'revoke key', alias: 'bob', key: keyOf(3) })).toEqual(
    refused('unknown operator'),
  )
  const [, bob] = await readOperators(database.db)
  expect(bob).toEqual({
    ...{ alias: 'bob', roles: ['approver'] },
    keys: [{ key: keyOf(3), notAfter: LATER }],
  })
  await change(1, { kind: 'set roles', alias: 'bob', roles: ['approver', 'operator'] })
  await change(1, { kind: 'remove operator', alias: 'bob' })
  expect((await readOperators(database.db)).map(({ alias }) => alias)).toEqual(['admin1'])
  expect((await readMembers(database.db)).map(({ removed }) => removed)).toEqual([false, true])
  expect(await verifyOperators(database.db, NETWORK, NOW)).toEqual([])
  expect(await verifyEvents(database.db)).toEqual([])
  const events = await eventsAfter(database.db, 0n, 20)
  expect(events.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
    'host invite admin',
    'operator:admin1 first admin',
    'operator:admin1 add operator',
    'operator:bob add key',
    'operator:bob revoke key',
    'operator:admin1 set roles',
    'operator:admin1 remove operator',
  ])
})

test('of two changes signed for one state one counts, and none counts again', async () => {
  await admin()
  const [one, two] = [
    await sign(1, addBob),
    await sign(1, { ...addBob, alias: 'carol' } as OperatorChange),
  ]
  const give = (signed: typeof one) =>
    inTransaction(tx => changeOperators(tx, NETWORK, signed, NOW))
  const verdicts = await Promise.all([give(one), give(two)])
  expect(verdicts.map(({ kind }) => kind).sort()).toEqual(['accepted', 'refused'])
  expect(await give(one)).toEqual(refused('outdated'))
  expect(await verifyOperators(database.db, NETWORK, NOW)).toEqual([])
})

test.each([
  ['a role', `update operators set roles = '{approver,admin}' where alias = 'bob'`, /bob is not/],
  [
    'an operator',
    `insert into operators (alias, roles, created_ms) values ('eve', '{admin}', 1)`,
    /eve is not/,
  ],
  ['an expiry', `update operator_keys set not_after_ms = not_after_ms + 1`, /bob is not/],
  [
    'an act',
    `update operator_acts set signature = decode(repeat('00', 64), 'hex') where serial = 2`,
    /change 2 does not count: bad signature/,
  ],
  ['a missing act', 'delete from operator_acts where serial = 1', /change 1 is missing/],
])('a check finds %s that was put there without a signature', async (_what, statement, said) => {
  await admin()
  await change(1, addBob)
  expect(await verifyOperators(database.db, NETWORK, NOW)).toEqual([])
  await sql`alter table operator_acts disable trigger written_once`.execute(database.ownerDb)
  await sql.raw(statement).execute(database.ownerDb)
  expect((await verifyOperators(database.db, NETWORK, NOW)).join('\n')).toMatch(said)
})

test('a check finds a first admin who stands at a time when no key is good any more', async () => {
  await admin()
  const evil = async (at: UnixMs) => {
    const change = { kind: 'first admin', alias: 'eve', key: keyOf(7), notAfter: at + 1 } as const
    const previous = await operatorsHead(database.db)
    const invitation = 'f'.repeat(64)
    const words = { network: NETWORK, previous, at, change: { ...change, invitation } }
    const { act, signature } = signOperatorAct(secretOf(7), words)
    const row = { bytes: encodeOperatorAct(act), hash: operatorActHash(act), signature }
    const rest = { serial: 2n, operator_key: act.by, given_ms: BigInt(at) }
    await database.db
      .insertInto('operator_acts')
      .values({ ...row, ...rest })
      .execute()
    await sql`insert into operators (alias, roles, created_ms)
              values ('eve', '{admin}', ${at})`.execute(database.db)
    await sql`insert into operator_keys (key, operator_id, created_ms, not_after_ms)
              select ${keyOf(7)}, id, ${at}, ${at + 1} from operators
               where alias = 'eve'`.execute(database.db)
  }
  await evil(LATER)
  const said = ['operators: change 2 is of another time than its place']
  expect(await verifyOperators(database.db, NETWORK, NOW)).toEqual(said)
  const early = unixMs(LATER + 1)
  expect(await verifyOperators(database.db, NETWORK, early), 'nobody had a good key').toEqual([])
})
