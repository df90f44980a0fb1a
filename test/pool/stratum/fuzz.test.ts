import { afterAll, beforeAll, expect, test } from 'vitest'
import { pollUntil } from '../../../src/lib/poll.ts'
import { systemRandom } from '../../../src/lib/random.ts'
import { type Mining, startMining } from '../../../src/pool/mining-server.ts'
import { type TestDatabase, testDatabase } from '../../support/database.ts'
import { FIXED_CLOCK, prepare, SILENT } from '../mining-fixtures.ts'
import { RULE, templateOf } from './fixtures.ts'
import { fuzzBytes } from './fuzz-bytes.ts'
import { fuzzEvents } from './fuzz-events.ts'
import { fuzzLines } from './fuzz-lines.ts'

/** `./sidepool bench fuzz` runs many more. */
const CASES = 2000
/** Each has up to six connections. */
const VISITS = 400

let database: TestDatabase
let mining: Mining
beforeAll(async () => {
  database = await testDatabase()
  const { accountId } = await prepare(database)
  mining = await startMining({
    ports: [
      {
        host: '127.0.0.1',
        port: 0,
        isShared: false,
        scheme: 'pplns',
        coinbasePays: 'pool' as const,
        rule: RULE,
      },
    ],
    ...{ db: database.db, clock: FIXED_CLOCK, random: systemRandom, log: SILENT },
    authorize: async () => ({ kind: 'authorized', accountId, worker: '', finder: null }),
    ...{ nodes: [], tag: '/test/', payScript: Uint8Array.of(0x51), shareWaitMaxMs: 10_000 },
  })
  mining.work(templateOf())
})
afterAll(async () => {
  await mining.stop()
  await database.drop()
})

test(`${CASES} lines of any kind are each read as a request`, () => fuzzLines(CASES))

test(`${CASES} orders of events leave a session as it must be`, () => fuzzEvents(CASES))

test(`${VISITS} times six connections of any bytes disturb nobody, and none is left`, async () => {
  await fuzzBytes(mining.ports[0] ?? 0, VISITS)
  const left = () => (mining.connectionCount() === 0 ? true : null)
  expect(await pollUntil(left, { everyMs: 20, timeoutMs: 45_000 })).toBe(true)
})
