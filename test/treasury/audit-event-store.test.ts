import fc from 'fast-check'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { digest, unixMs } from '../../src/lib/ids.ts'
import { type AuditEvent, eventBytes, eventHash } from '../../src/treasury/audit-event.ts'
import {
  eventsAfter,
  eventsHead,
  recordEvent,
  verifyEvents,
} from '../../src/treasury/audit-event-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const EVENT: AuditEvent = {
  at: unixMs(1000),
  actor: 'operator:alice',
  action: 'approve',
  subject: 'batch:7',
  detail: { note: 'é "quoted"', amountSats: '5', list: [1, null, true], deep: { b: 1, a: 2 } },
}
const record = (event: AuditEvent = EVENT) =>
  database.db.transaction().execute(tx => recordEvent(tx, event))

/** What somebody with the owner's rights could do behind the pool's back. */
async function tamper(statement: string): Promise<void> {
  await sql.raw('alter table audit_events disable trigger written_once').execute(database.ownerDb)
  await sql.raw(statement).execute(database.ownerDb)
}

test('events are chained in the order of their commits, and read back as they were', async () => {
  await record()
  await record({ ...EVENT, actor: 'pool', subject: '', detail: {} })
  expect(await verifyEvents(database.db)).toEqual([])
  const [first, second] = await eventsAfter(database.db, 0n, 10)
  expect(first).toMatchObject({ ...EVENT, position: 1n, previous: '0'.repeat(64) })
  expect(second).toMatchObject({ position: 2n, previous: first?.hash })
  expect(await eventsHead(database.db)).toEqual({ position: 2n, hash: second?.hash })
  expect(await eventsAfter(database.db, 1n, 10)).toEqual([second])
})

test('an event of an action that fails is not there', async () => {
  const failing = database.db.transaction().execute(async tx => {
    await recordEvent(tx, EVENT)
    throw new Error('the action failed')
  })
  await expect(failing).rejects.toThrow('the action failed')
  expect(await eventsHead(database.db)).toBeNull()
})

test('many writers at once leave one chain without a gap', async () => {
  await Promise.all(Array.from({ length: 20 }, () => record()))
  expect(await verifyEvents(database.db)).toEqual([])
  expect((await eventsHead(database.db))?.position).toBe(20n)
})

test.each([
  ['an actor', `update audit_events set actor = 'pool' where position = 2`, /place 2 says/],
  ['a time', 'update audit_events set at_ms = 1 where position = 2', /place 2 says/],
  ['a detail', `update audit_events set detail = '{}' where position = 2`, /place 2 says/],
  ['the bytes', `update audit_events set bytes = 'x' where position = 2`, /hash of place 2/],
  ['a missing row', 'delete from audit_events where position = 2', /place 2 is missing/],
  [
    'a swap',
    'update audit_events set position = 9 - position + 2 where position in (2, 3)',
    /is missing|does not follow/,
  ],
])('a check finds %s that was changed', async (_what, statement, complaint) => {
  for (let n = 1; n <= 3; n++) await record({ ...EVENT, at: unixMs(1000 + n) })
  await tamper(statement)
  expect((await verifyEvents(database.db)).join('\n')).toMatch(complaint)
})

test('an actor that is nobody, a NUL and an endless event are bugs of the caller', async () => {
  await expect(record({ ...EVENT, actor: 'mallory' })).rejects.toThrow('an actor is')
  await expect(record({ ...EVENT, detail: { reason: '\0' } })).rejects.toThrow('NUL')
  await expect(record({ ...EVENT, detail: { x: 'x'.repeat(20_000) } })).rejects.toThrow('limit')
})

test('two events that differ in anything have different hashes', () => {
  const event = fc.record({
    at: fc.nat().map(unixMs),
    actor: fc.constantFrom('pool', 'host'),
    action: fc.constantFrom('freeze', 'approve'),
    subject: fc.string({ maxLength: 5 }),
    detail: fc.dictionary(fc.string({ maxLength: 3 }), fc.oneof(fc.string(), fc.integer())),
  })
  const hashOf = (position: bigint, each: AuditEvent) =>
    eventHash(digest('0'.repeat(64)), eventBytes(position, each))
  fc.assert(
    fc.property(event, event, (a, b) => {
      const same = toHex(eventBytes(1n, a)) === toHex(eventBytes(1n, b))
      expect(hashOf(1n, a) === hashOf(1n, b)).toBe(same)
      expect(hashOf(1n, a)).not.toBe(hashOf(2n, a))
    }),
  )
})
