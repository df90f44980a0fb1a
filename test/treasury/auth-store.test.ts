import { afterEach, beforeEach, expect, test } from 'vitest'
import { unixMs } from '../../src/lib/ids.ts'
import {
  AUTH_FAILURES_MAX,
  AUTH_LOCK_MS,
  AUTH_WINDOW_MS,
  addressSubject,
  countFailure,
  lockedUntil,
} from '../../src/treasury/auth-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const NOW = 1_000_000_000_000
const SUBJECT = 'address:192.0.2.1'
let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const fail = (at: number, subject = SUBJECT) => countFailure(database.db, subject, unixMs(at))
const lock = (at: number, ...subjects: string[]) =>
  lockedUntil(database.db, subjects.length > 0 ? subjects : [SUBJECT], unixMs(at))

test('the last of too many failures locks for a time, and only whom it is about', async () => {
  for (let n = 1; n < AUTH_FAILURES_MAX; n++) expect(await fail(NOW + n)).toBeNull()
  expect(await lock(NOW + 20)).toBeNull()
  expect(await fail(NOW + 20)).toBe(NOW + 20 + AUTH_LOCK_MS)
  expect(await lock(NOW + 21)).toBe(NOW + 20 + AUTH_LOCK_MS)
  expect(await lock(NOW + 21, 'address:192.0.2.2')).toBeNull()
  expect(await lock(NOW + 21, 'operator:bob', SUBJECT)).toBe(NOW + 20 + AUTH_LOCK_MS)
  expect(await lock(NOW + 20 + AUTH_LOCK_MS)).toBeNull()
  expect(await fail(NOW + 21 + AUTH_LOCK_MS), 'it begins anew').toBeNull()
})

test('failures at one moment are all counted', async () => {
  await Promise.all(Array.from({ length: AUTH_FAILURES_MAX }, () => fail(NOW)))
  expect(await lock(NOW + 1)).toBe(NOW + AUTH_LOCK_MS)
})

test('failures long ago are forgotten, and a lock is not by what comes later', async () => {
  for (let n = 1; n < AUTH_FAILURES_MAX; n++) await fail(NOW)
  expect(await fail(NOW + AUTH_WINDOW_MS + 1)).toBeNull()
  for (let n = 0; n < AUTH_FAILURES_MAX; n++) await fail(NOW + AUTH_WINDOW_MS + 2 + n)
  const late = NOW + 2 * AUTH_WINDOW_MS + 2
  expect(await fail(late), 'the window is over, the lock is not').not.toBeNull()
  expect(await lock(late)).not.toBeNull()
})

test('rows whose time is over are swept', async () => {
  for (let n = 0; n < 8; n++) await fail(NOW, `address:192.0.2.${n + 10}`)
  await fail(NOW + AUTH_WINDOW_MS + 1)
  const rows = await database.db.selectFrom('auth_failures').select('subject').execute()
  expect(rows).toEqual([{ subject: SUBJECT }])
})

test.each([
  ['192.0.2.1', 'address:192.0.2.1'],
  ['::ffff:192.0.2.1', 'address:192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', 'address:2001:db8:1:2::/64'],
  ['2001:db8::1', 'address:2001:db8:0:0::/64'],
  ['::1', 'address:0:0:0:0::/64'],
  ['fe80::1%eth0', 'address:fe80:0:0:0::/64'],
])('address %s is counted as %s', (address, subject) =>
  expect(addressSubject(address)).toBe(subject),
)
