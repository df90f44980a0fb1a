import { afterAll, beforeAll, expect, test } from 'vitest'
import { unixMs } from '../../src/lib/ids.ts'
import { keepBan, readBans } from '../../src/pool/ban-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { NOW } from './stratum/fixtures.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

const DAY = 86_400_000
const ban = (subscriber: string, times: number, ms: number) => ({
  ...{ subscriber, times, untilMs: unixMs(NOW + ms) },
})

test('bans are kept while they hold and a day longer, of two the harder one', async () => {
  const { db } = database
  await keepBan(db, ban('192.0.2.1', 1, 10), NOW)
  await keepBan(db, ban('192.0.2.2', 1, 20), NOW)
  await keepBan(db, ban('192.0.2.1', 2, 50), NOW)
  await keepBan(db, ban('192.0.2.1', 1, 30), NOW)
  expect(await readBans(db, NOW)).toEqual([ban('192.0.2.1', 2, 50), ban('192.0.2.2', 1, 20)])
  expect(await readBans(db, unixMs(NOW + DAY + 20))).toEqual([ban('192.0.2.1', 2, 50)])
  await keepBan(db, ban('192.0.2.3', 1, 2 * DAY), unixMs(NOW + DAY + 50))
  const left = await database.ownerDb.selectFrom('stratum_bans').select('subscriber').execute()
  expect(left).toEqual([{ subscriber: '192.0.2.3' }])
})
