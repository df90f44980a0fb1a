import { afterAll, beforeAll, expect, test } from 'vitest'
import { unixMs } from '../../src/lib/ids.ts'
import { eventsAfter, verifyEvents } from '../../src/treasury/audit-event-store.ts'
import { keepRules, policyNow } from '../../src/treasury/policy-store.ts'
import type { SpendRules } from '../../src/treasury/rules.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { POLICY } from './approvers.ts'
import { addPerson, keyOf } from './people.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

const AT = unixMs(1_800_000_000_000)
const rulesOf = (version: number, coolOffHours = 48): SpendRules => ({
  ...POLICY,
  version,
  coolOffHours,
})

test('a version is kept once, known again, and taken for other rules', async () => {
  const { db } = database
  const kinds = await Promise.all([1, 1, 1].map(version => keepRules(db, rulesOf(version), AT)))
  expect(kinds.map(({ kind }) => kind).sort()).toEqual(['known', 'known', 'new'])
  expect(await keepRules(db, rulesOf(1, 47), AT)).toEqual({ kind: 'taken' })
  expect(await keepRules(db, rulesOf(2, 47), AT)).toEqual({ kind: 'new' })
  // Who goes back to rules that were in force before needs no new version.
  expect(await keepRules(db, rulesOf(1), AT)).toEqual({ kind: 'known' })
  const events = await eventsAfter(db, 0n, 10)
  expect(events).toMatchObject([
    { actor: 'host', action: 'rules set', subject: 'policy:1' },
    { actor: 'host', action: 'rules set', subject: 'policy:2' },
  ])
  expect(await verifyEvents(db)).toEqual([])
})

test('rules that were kept are written once', async () => {
  const change = database.ownerDb.updateTable('policies').set({ bytes: new Uint8Array() })
  await expect(change.execute()).rejects.toThrow()
})

test('the policy has the people of the moment', async () => {
  const { db } = database
  expect((await policyNow(db, rulesOf(1))).operators).toEqual([])
  const id = await addPerson(db, 'alice', ['approver'], [keyOf(1)])
  expect((await policyNow(db, rulesOf(1))).operators).toMatchObject([
    { alias: 'alice', roles: ['approver'], keys: [{ key: keyOf(1) }] },
  ])
  await db.updateTable('operators').set({ removed_ms: 1n }).where('id', '=', id).execute()
  expect((await policyNow(db, rulesOf(1))).operators).toEqual([])
})
