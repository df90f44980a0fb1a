import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { accountId, unixMs } from '../../src/lib/ids.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { createSessionStore, RESUME_WITHIN_MS } from '../../src/pool/session-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { openRequest, prepare } from './mining-fixtures.ts'
import { NOW } from './stratum/fixtures.ts'

let database: TestDatabase
let it: Awaited<ReturnType<typeof prepare>>
let now: number = NOW
const clock = { now: () => unixMs(now) }
const storeOfAProcess = () => createSessionStore(database.db, clock, systemRandom)

beforeAll(async () => {
  database = await testDatabase()
  it = await prepare(database)
})
beforeEach(() => {
  now = NOW
})
afterAll(() => database.drop())

test('sessions of two processes never share an extranonce1', async () => {
  const [a, b] = [storeOfAProcess(), storeOfAProcess()]
  const leases = await Promise.all(
    Array.from({ length: 1200 }, (_, i) => (i % 2 ? a : b).open(openRequest())),
  )
  expect(new Set(leases.map(({ extranonce1 }) => toHex(extranonce1))).size).toBe(1200)
  expect(new Set(leases.map(({ resumeToken }) => toHex(resumeToken))).size).toBe(1200)
  expect(new Set(leases.map(({ sessionId }) => sessionId)).size).toBe(1200)
})

test('a prefix that a session may still use is not leased again', async () => {
  const { rows } = await sql<{ prefix: bigint }>`
    select last_value as prefix from extranonce_prefixes`.execute(database.ownerDb)
  const used = Number(rows[0]?.prefix) + 1
  const extranonce1 = Uint8Array.of(used >> 8, used & 255, 0, 9)
  await database.ownerDb
    .insertInto('sessions')
    .values({
      ...{ resume_token: new Uint8Array(8).fill(9), extranonce1, scheme: 'pplns' },
      ...{ host: 'h', port: 1, agent: '', difficulties: '[[0,1]]' },
      ...{ opened_ms: BigInt(NOW), last_seen_ms: BigInt(NOW) },
    })
    .execute()
  const lease = await storeOfAProcess().open(openRequest())
  expect(toHex(lease.extranonce1.slice(0, 2))).not.toBe(toHex(extranonce1.slice(0, 2)))
})

test('who comes back in time gets the session again, by another process and with its steps', async () => {
  const [first, second] = [storeOfAProcess(), storeOfAProcess()]
  const lease = await first.open(openRequest())
  const steps = [...lease.steps, { fromMs: unixMs(NOW + 5), log2: 12 }]
  await first.saveSteps(lease.sessionId, steps)
  await first.bind({ ...lease, accountId: it.accountId, workerName: 'w', finder: null })
  await first.markSeen({ live: [], closed: new Map([[lease.sessionId, unixMs(NOW)]]) })
  now = NOW + RESUME_WITHIN_MS - 1
  const again = await second.open(openRequest(lease.resumeToken))
  expect(again).toEqual({ ...lease, steps, accountId: it.accountId })
  const { closed_ms } = await database.db
    .selectFrom('sessions')
    .select('closed_ms')
    .where('id', '=', lease.sessionId)
    .executeTakeFirstOrThrow()
  expect(closed_ms).toBeNull()
})

test('a token is worth nothing too late, on another port, or when nobody had it', async () => {
  const store = storeOfAProcess()
  const lease = await store.open(openRequest())
  const other = await store.open(openRequest(lease.resumeToken, 'solo'))
  expect(other.sessionId).not.toBe(lease.sessionId)
  const unheard = await store.open(openRequest(new Uint8Array(8)))
  expect(unheard.resumeToken).not.toEqual(new Uint8Array(8))
  now = NOW + RESUME_WITHIN_MS
  const late = await store.open(openRequest(lease.resumeToken))
  expect(late.sessionId).not.toBe(lease.sessionId)
})

test('a session has one account for good, and any number of workers', async () => {
  const store = storeOfAProcess()
  const { sessionId } = await store.open(openRequest())
  const bind = (workerName: string, id = it.accountId) =>
    store.bind({ sessionId, accountId: id, workerName, finder: null })
  const [one, two, same] = [await bind('rig'), await bind('rig2'), await bind('rig')]
  expect(one.kind).toBe('bound')
  expect(same).toEqual(one)
  expect(two).not.toEqual(one)
  const { id: payee } = await database.ownerDb
    .selectFrom('payees')
    .select('id')
    .executeTakeFirstOrThrow()
  const { id } = await database.ownerDb
    .insertInto('accounts')
    .values({ payee_id: payee, scheme: 'solo', created_ms: 1n })
    .returning('id')
    .executeTakeFirstOrThrow()
  expect(await bind('rig', accountId(id))).toEqual({ kind: 'another payee' })
})

test('a mark keeps the living and closes the gone', async () => {
  const store = storeOfAProcess()
  const [live, gone] = [await store.open(openRequest()), await store.open(openRequest())]
  now = NOW + 5000
  const closed = new Map([[gone.sessionId, unixMs(NOW + 1000)]])
  await store.markSeen({ live: [live.sessionId], closed })
  const rows = await database.db
    .selectFrom('sessions')
    .select(['last_seen_ms', 'closed_ms'])
    .where('id', 'in', [live.sessionId, gone.sessionId])
    .orderBy('id')
    .execute()
  expect(rows).toEqual([
    { last_seen_ms: BigInt(NOW + 5000), closed_ms: null },
    { last_seen_ms: BigInt(NOW + 1000), closed_ms: BigInt(NOW + 1000) },
  ])
})

test('bindings of one batch each get their own answer', async () => {
  const store = storeOfAProcess()
  const { id: payee } = await database.ownerDb
    .insertInto('payees')
    .values({ kind: 'bitcoin', destination: 'bcrt1qother', created_ms: 1n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const { id } = await database.ownerDb
    .insertInto('accounts')
    .values({ payee_id: payee, scheme: 'pplns', created_ms: 1n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const [mine, other] = [it.accountId, accountId(id)]
  const [a, b, c] = await Promise.all([1, 2, 3].map(() => store.open(openRequest())))
  if (!a || !b || !c) throw new Error('three sessions are open')
  await store.bind({ sessionId: c.sessionId, accountId: mine, workerName: 'first', finder: null })
  const bind = (lease: typeof a, account: typeof mine, workerName: string) =>
    store.bind({ sessionId: lease.sessionId, accountId: account, workerName, finder: null })
  const answers = await Promise.all([
    bind(a, mine, 'rig'),
    bind(a, other, 'rig'),
    bind(a, mine, 'rig'),
    bind(b, other, 'rig'),
    bind(b, other, 'é "{}\\'),
    bind(c, other, 'rig'),
    bind(c, mine, 'rig'),
  ])
  const ids = answers.map(each => (each.kind === 'bound' ? each.worker : each.kind))
  const [aMine, , again, bOther, odd, , cMine] = ids
  expect(ids[1]).toBe('another payee')
  expect(ids[5]).toBe('another payee')
  expect([again, cMine]).toEqual([aMine, aMine])
  expect([aMine, bOther]).toMatchObject([{ accountId: mine }, { accountId: other }])
  expect(odd).not.toEqual(bOther)
  const { name } = await database.ownerDb
    .selectFrom('workers')
    .select('name')
    .where('id', '=', typeof odd === 'object' ? odd.workerId : 0n)
    .executeTakeFirstOrThrow()
  expect(name).toBe('é "{}\\')
})

test('whom a session pays in its coinbases is set once, and comes back where that is promised', async () => {
  const store = storeOfAProcess()
  const onFinderPort = { ...openRequest(), coinbasePays: 'finder' as const }
  const { sessionId, resumeToken, finder } = await store.open(onFinderPort)
  expect(finder).toBeNull()
  const terms = { script: Uint8Array.of(0x51, 1, 2), feeBasisPoints: 150 }
  const bind = (to: typeof terms) =>
    store.bind({ sessionId, accountId: it.accountId, workerName: 'w', finder: to })
  await bind(terms)
  await bind({ ...terms, feeBasisPoints: 300 })
  const again = await store.open({ ...onFinderPort, resumeToken })
  expect(again).toMatchObject({ sessionId, finder: terms, accountId: it.accountId })
  const elsewhere = await store.open({ ...openRequest(resumeToken), coinbasePays: 'pool' })
  expect(elsewhere.sessionId).not.toBe(sessionId)
  expect(elsewhere.finder).toBeNull()
  const next = { ...onFinderPort, accountId: it.accountId, finder: terms }
  const lease = await store.open(next)
  const kept = await store.open({ ...onFinderPort, resumeToken: lease.resumeToken })
  expect(kept).toMatchObject({ sessionId: lease.sessionId, finder: terms })
})
