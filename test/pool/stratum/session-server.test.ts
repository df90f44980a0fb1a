import { afterAll, beforeAll, expect, test } from 'vitest'
import { pollUntil } from '../../../src/lib/poll.ts'
import { createDuplicates } from '../../../src/pool/duplicates.ts'
import { createLiveJobs } from '../../../src/pool/live-jobs.ts'
import { createShareCheck } from '../../../src/pool/share.ts'
import { createShareStore } from '../../../src/pool/share-store.ts'
import { createSessionServer } from '../../../src/pool/stratum/session-server.ts'
import { type TestDatabase, testDatabase } from '../../support/database.ts'
import { FIXED_CLOCK, prepare, SILENT } from '../mining-fixtures.ts'
import { jobOf, RULE, submitLine } from './fixtures.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

test('what breaks the check ends the session that sent it, and no other', async () => {
  const { sessions, accountId } = await prepare(database)
  const duplicates = createDuplicates()
  const check = createShareCheck(duplicates)
  const deps = { db: database.db, clock: FIXED_CLOCK, log: SILENT, waitMaxMs: 10_000 }
  const shares = createShareStore(deps)
  const server = createSessionServer({
    ...{ clock: FIXED_CLOCK, log: SILENT, jobs: createLiveJobs(), duplicates, shares, sessions },
    check: candidates => {
      if (candidates.some(({ nonce }) => nonce === 0xdead)) throw new Error('a bug')
      return check(candidates)
    },
    learnJobs: async () => {},
    authorize: async () => ({ kind: 'authorized', accountId, worker: 'w', finder: null }),
    nodes: [],
    strike: () => {},
  })
  server.publish(jobOf(1n))

  const connect = async () => {
    const lines: string[] = []
    const state = { isEnded: false }
    const wire = {
      ...{ host: 'h', port: 1, send: (line: string) => void lines.push(line) },
      end: () => {
        state.isEnded = true
      },
    }
    const connection = server.connect(wire, { scheme: 'pplns', rule: RULE, coinbasePays: 'pool' })
    const say = (message: object) => server.hear(connection, Buffer.from(JSON.stringify(message)))
    const until = (text: string) =>
      pollUntil(() => (state.isEnded || lines.some(line => line.includes(text)) ? true : null), {
        ...{ everyMs: 5, timeoutMs: 45_000 },
      })
    say({ id: 1, method: 'mining.subscribe', params: [] })
    await until('mining.notify')
    say({ id: 2, method: 'mining.authorize', params: ['w', ''] })
    await until('"id":2')
    return { say, until, lines, state }
  }
  const [good, bad, other] = [await connect(), await connect(), await connect()]
  good.say(submitLine({ nonce: '00000001' }))
  bad.say(submitLine({ nonce: 'dead' }))
  other.say(submitLine({ nonce: '00000002' }))
  await Promise.all([good.until('"id":4'), bad.until('"id":4'), other.until('"id":4')])
  expect([good, bad, other].map(({ state }) => state.isEnded)).toEqual([false, true, false])
  for (const { lines } of [good, other])
    expect(lines.at(-1)).toBe('{"id":4,"result":true,"error":null}\n')
  await shares.stop()
})
