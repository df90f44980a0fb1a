import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildApi } from '../../src/api/index.ts'
import { canonicalJson, signFreezeAct } from '../../src/approval/index.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { digest, unixMs } from '../../src/lib/ids.ts'
import { eventBytes, eventHash } from '../../src/treasury/audit-event.ts'
import {
  AUTH_FAILURES_MAX,
  inviteFirstAdmin,
  type OperatorChange,
  recordEvent,
  signLogin,
  signOperatorAct,
  type TokenScope,
  tokenDigest,
} from '../../src/treasury/index.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addPerson, addToken, keyOf, secretOf } from '../treasury/people.ts'
import { partsOn } from './parts.ts'
import { NOW_MS } from './seed.ts'

const NETWORK = 'regtest'
const NOW = unixMs(NOW_MS)
const DAY_MS = 24 * 3_600_000

let database: TestDatabase
let app: FastifyInstance
beforeEach(async () => {
  database = await testDatabase()
  app = await buildApi(partsOn(database.db))
})
afterEach(async () => {
  await app.close()
  await database.drop()
})

const get = (path: string, token: string | null, remoteAddress = '192.0.2.1') =>
  app.inject({
    ...{ url: `/api/v1/treasury/${path}`, remoteAddress },
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  })
const post = (path: string, payload: object, token: string | null = null) =>
  app.inject({
    ...{ method: 'POST', url: `/api/v1/treasury/${path}`, payload, remoteAddress: '192.0.2.1' },
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  })
const problem = (code: string) => ({ type: `urn:sidepool:problem:${code}` })

async function change(who: number, each: OperatorChange) {
  const { head } = (await get('join', null)).json()
  const words = { network: NETWORK, previous: digest(head), at: NOW, change: each }
  const { act, signature } = signOperatorAct(secretOf(who), words)
  const { by: operatorKey, at: atMs, previous } = act
  return { operatorKey, atMs, previous, change: each, signature: toHex(signature) }
}

function loginBody(who: number, token: string, scopes: TokenScope[] = ['read']) {
  const words = { network: NETWORK, digest: digest(tokenDigest(token)), scopes, at: NOW }
  const { login, signature } = signLogin(secretOf(who), {
    ...{ ...words, expiresAt: unixMs(NOW + DAY_MS) },
  })
  const { by: operatorKey, expiresAt: expiresMs, at: atMs } = login
  return {
    ...{ operatorKey, digest: login.digest, scopes, expiresMs, atMs },
    signature: toHex(signature),
  }
}

function freezeBody(who: number) {
  const words = { kind: 'freeze' as const, network: NETWORK, scope: 'l1', reason: 'odd', at: NOW }
  const { act, signature } = signFreezeAct(secretOf(who), words)
  return {
    ...{ operatorKey: act.by, atMs: NOW, scope: 'l1', reason: 'odd' },
    signature: toHex(signature),
  }
}

function liftBody(who: number, hash: string) {
  const words = { network: NETWORK, freeze: digest(hash), reason: 'fine', at: NOW }
  const { act, signature } = signFreezeAct(secretOf(who), { kind: 'unfreeze', ...words })
  return {
    ...{ operatorKey: act.by, atMs: NOW, freeze: hash, reason: 'fine' },
    signature: toHex(signature),
  }
}

async function people() {
  const { db } = database
  const ada = await addPerson(db, 'ada', ['admin'], [keyOf(1)])
  await addPerson(db, 'bob', ['operator', 'viewer'], [keyOf(2)])
  await addPerson(db, 'carol', ['approver'], [keyOf(3)])
  await addToken(db, {
    ...{ operator: ada, key: keyOf(1), token: 'adas' },
    scopes: ['operators', 'read'],
  })
}

test('from the console’s token to an admin who adds an approver who logs in', async () => {
  const random = { bytes: (count: number) => new Uint8Array(count).fill(7) }
  const invitation = await database.db
    .transaction()
    .execute(tx => inviteFirstAdmin(tx, random, NOW))
  const token = invitation?.token ?? ''
  const first: OperatorChange = {
    ...{ kind: 'first admin', alias: 'ada', key: keyOf(1), notAfter: NOW + DAY_MS },
    invitation: tokenDigest(token),
  }
  const wrong = await post('join', { ...(await change(1, first)), token: 'f'.repeat(64) })
  expect([wrong.statusCode, wrong.json()]).toMatchObject([403, problem('bad-token')])
  const bare = await post('operators', await change(1, first))
  expect([bare.statusCode, bare.json()]).toMatchObject([403, problem('not-allowed')])
  const joined = await post('join', { ...(await change(1, first)), token })
  expect([joined.statusCode, joined.payload]).toEqual([200, expect.stringContaining('head')])
  const carol: OperatorChange = {
    ...{ kind: 'add operator', alias: 'carol', roles: ['approver'] },
    ...{ key: keyOf(3), notAfter: NOW + DAY_MS },
  }
  const body = await change(1, carol)
  expect((await post('operators', body)).statusCode).toBe(200)
  expect((await post('operators', body)).json()).toMatchObject(problem('outdated-act'))
  const reply = await post('tokens', loginBody(3, 'carols'))
  expect([reply.statusCode, reply.json()]).toEqual([200, { token: '1', alias: 'carol' }])
  const list = (await get('operators', 'carols')).json()
  expect(list.items).toMatchObject([
    { alias: 'ada', roles: ['admin'] },
    { alias: 'carol', keys: [{ key: keyOf(3), notAfterMs: NOW + DAY_MS }] },
  ])
})

test('a token opens its scopes and no others, and whoever it is of ends it', async () => {
  await people()
  expect((await post('tokens', loginBody(2, 'bobs', ['create', 'read']))).statusCode).toBe(200)
  expect((await post('tokens', loginBody(2, 'x', ['operators']))).json()).toMatchObject(
    problem('not-allowed'),
  )
  expect((await post('tokens', loginBody(2, 'bobs'))).json()).toMatchObject({
    ...problem('change-refused'),
    detail: 'repeated',
  })
  expect((await post('tokens', loginBody(2, 'narrow', ['create']))).statusCode).toBe(200)
  expect((await get('operators', 'narrow')).json()).toMatchObject(problem('missing-scope'))
  const own = (await get('tokens', 'bobs')).json()
  expect(own.items.map(({ alias }: { alias: string }) => alias)).toEqual(['bob', 'bob'])
  expect((await get('tokens', 'adas')).json().items).toHaveLength(3)
  expect((await post('tokens/1/revoke', {}, 'bobs')).statusCode, 'ada’s').toBe(404)
  expect((await get('tokens', 'adas')).statusCode).toBe(200)
  expect((await post('tokens/2/revoke', {}, 'adas')).statusCode, 'bob’s, by ada').toBe(200)
  expect((await get('tokens', 'bobs')).statusCode).toBe(401)
})

test('no token alone changes operators or freezes', async () => {
  await people()
  for (const path of ['operators', 'freeze', 'freeze/1/lift', 'tokens'])
    expect((await post(path, {}, 'adas')).statusCode, path).toBe(400)
})

test('one person freezes by signature, and two lift', async () => {
  await people()
  const frozen = await post('freeze', freezeBody(2))
  expect(frozen.json()).toEqual({ freeze: '1', holds: true })
  expect((await post('freeze', freezeBody(2))).json()).toMatchObject(problem('already-acted'))
  expect((await post('freeze', freezeBody(9))).json()).toMatchObject(problem('unknown-operator'))
  const forged = { ...freezeBody(2), reason: 'other words' }
  expect((await post('freeze', forged)).json()).toMatchObject(problem('bad-signature'))
  const list = (await get('freeze', 'adas')).json()
  const { hash } = list.items[0]
  expect(list.items).toMatchObject([{ freeze: '1', by: 'bob', scope: 'l1', holds: true }])
  const other = await post('freeze/2/lift', liftBody(3, hash))
  expect([other.statusCode, other.json()]).toMatchObject([404, problem('unknown-resource')])
  expect((await post('freeze/1/lift', liftBody(3, hash))).json()).toEqual({
    ...{ freeze: '1', holds: true },
  })
  expect((await post('freeze/1/lift', liftBody(1, hash))).json().holds).toBe(false)
  expect((await get('freeze', 'adas')).json().items[0]).toMatchObject({
    ...{ holds: false, lifts: [{ by: 'carol' }, { by: 'ada' }] },
  })
})

test('too many wrong tokens lock their address out, good ones too, and no other address', async () => {
  await people()
  for (let n = 0; n < AUTH_FAILURES_MAX; n++)
    expect((await get('tokens', `guess ${n}`.replace(' ', ''))).statusCode).toBe(401)
  const locked = await get('tokens', 'adas')
  expect([locked.statusCode, locked.json()]).toMatchObject([429, problem('locked-out')])
  expect((await post('freeze', freezeBody(2))).json()).toMatchObject(problem('locked-out'))
  expect((await get('tokens', 'adas', '192.0.2.2')).statusCode).toBe(200)
  const later = { now: () => unixMs(NOW + 15 * 60_000) }
  const restarted = await buildApi(partsOn(database.db, { clock: later }))
  const request = { url: '/api/v1/treasury/tokens', remoteAddress: '192.0.2.1' }
  const headers = { authorization: 'Bearer adas' }
  expect((await restarted.inject({ ...request, headers })).statusCode).toBe(200)
  await restarted.close()
})

test('requests without a token guess nothing', async () => {
  await people()
  for (let n = 0; n <= AUTH_FAILURES_MAX; n++)
    expect((await get('tokens', null)).statusCode).toBe(401)
  expect((await get('tokens', 'adas')).statusCode).toBe(200)
})

test('forged signatures lock an address, and the logins by that key, but not its freezes', async () => {
  await people()
  const forged = { ...loginBody(2, 'x'), signature: '00'.repeat(64) }
  for (let n = 0; n < AUTH_FAILURES_MAX; n++)
    expect((await post('tokens', forged)).json()).toMatchObject(problem('bad-signature'))
  expect((await post('freeze', freezeBody(3))).json()).toMatchObject(problem('locked-out'))
  const elsewhere = (url: string, payload: object) =>
    app.inject({
      ...{ method: 'POST', url: `/api/v1/treasury/${url}`, payload },
      remoteAddress: '192.0.2.9',
    })
  expect((await elsewhere('tokens', loginBody(2, 'y'))).json()).toMatchObject(problem('locked-out'))
  expect((await elsewhere('freeze', freezeBody(2))).statusCode).toBe(200)
})

test('a header names who asks only where a proxy of ours is trusted', async () => {
  await people()
  const trusting = await buildApi(partsOn(database.db, { trustedProxies: ['192.0.2.1'] }))
  const ask = (server: FastifyInstance, forwarded: string, token: string) =>
    server.inject({
      ...{ url: '/api/v1/treasury/tokens', remoteAddress: '192.0.2.1' },
      headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': forwarded },
    })
  for (let n = 0; n < AUTH_FAILURES_MAX; n++) await ask(trusting, '198.51.100.7', 'guess')
  expect((await ask(trusting, '198.51.100.7', 'adas')).statusCode).toBe(429)
  expect((await ask(trusting, '198.51.100.8', 'adas')).statusCode).toBe(200)
  expect((await ask(app, '198.51.100.7', 'adas')).statusCode, 'not believed').toBe(200)
  await trusting.close()
})

test('the log is lines whose chain anybody can check, from where they left off', async () => {
  await people()
  const event = { at: NOW, actor: 'pool', action: 'plan', subject: 'batch:1', detail: { a: 1 } }
  for (let n = 0; n < 3; n++) await database.db.transaction().execute(tx => recordEvent(tx, event))
  expect((await get('log', null)).statusCode).toBe(401)
  const reply = await get('log', 'adas')
  expect(reply.headers['content-type']).toContain('application/x-ndjson')
  const lines = reply.payload.trimEnd().split('\n')
  let previous = '0'.repeat(64)
  for (const line of lines) {
    const { hash, position, previous: named, ...words } = JSON.parse(line)
    expect(named).toBe(previous)
    const bytes = eventBytes(BigInt(position), words)
    expect(new TextDecoder().decode(bytes)).toBe(canonicalJson({ ...words, position }))
    expect(eventHash(digest(previous), bytes)).toBe(hash)
    previous = hash
  }
  expect(lines).toHaveLength(3)
  const rest = await get('log?after=2', 'adas')
  expect(rest.payload).toBe(`${lines[2]}\n`)
})

test('what is malformed is refused before anybody is counted or locked', async () => {
  await people()
  const good = freezeBody(2)
  const bodies = [
    { ...good, reason: '' },
    { ...good, reason: 'x'.repeat(501) },
    { ...good, scope: 'L1' },
    { ...good, atMs: 1.5 },
    { ...good, more: 1 },
    { ...good, signature: 'ab' },
  ]
  for (const body of bodies) {
    const reply = await post('freeze', body)
    expect([reply.statusCode, reply.json()]).toMatchObject([400, problem('invalid-request')])
  }
  const nul = { ...good, reason: 'a\0b' }
  expect((await post('freeze', nul)).json()).toMatchObject(problem('invalid-request'))
  expect(await database.db.selectFrom('auth_failures').selectAll().execute()).toEqual([])
})

test('a large body is not read before whoever sends it has shown a token', async () => {
  await people()
  const payload = `{"psbt": "${'A'.repeat(5_000_000)}"` // Whoever read it would find no JSON.
  const send = (token: string) =>
    app.inject({
      ...{ method: 'POST', url: '/api/v1/treasury/batches/1/psbt', payload },
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    })
  expect((await send('guess')).json()).toMatchObject(problem('unauthorized'))
  expect((await send('adas')).json()).toMatchObject(problem('invalid-request'))
})

test('an amount that is none is refused, and is no fault of ours', async () => {
  const dan = await addPerson(database.db, 'dan', ['operator'], [keyOf(4)])
  await addToken(database.db, { operator: dan, key: keyOf(4), token: 'dans', scopes: ['create'] })
  for (const amountSats of ['x', '0', '-1', '1.5', '1e3', '9'.repeat(16)]) {
    for (const what of ['transfer', 'deposit']) {
      const reply = await post(what, { from: 'hot', amountSats }, 'dans')
      expect(reply.json(), amountSats).toMatchObject(problem('invalid-request'))
    }
    const reply = await post('withdraw', { amountSats }, 'dans')
    expect(reply.json(), amountSats).toMatchObject(problem('invalid-request'))
  }
})
