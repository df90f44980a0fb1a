import { expect, test } from 'vitest'
import type { Decision } from '../../src/api/index.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { deciding } from './parts.ts'
import { sha256Hex, tokenOfTests } from './seed.ts'
import { apiForTests, JSON_TYPE } from './server.ts'

const api = apiForTests()
const authorization = `Bearer ${tokenOfTests}`
const signed = {
  operatorKey: sha256Hex('operator'),
  manifestHash: sha256Hex('manifest'),
  signature: 'ab'.repeat(64),
}

const wrongTokens = {
  none: {},
  another: { authorization: 'Bearer another' },
  'the digest itself': { authorization: `Bearer ${sha256Hex(tokenOfTests)}` },
  empty: { authorization: 'Bearer ' },
  'another scheme': { authorization: `Basic ${tokenOfTests}` },
  'one letter more': { authorization: `${authorization}x` },
}
for (const [name, headers] of Object.entries(wrongTokens)) {
  for (const url of ['batches', 'batches/1', 'batches/nonsense', 'policy', 'audit', 'floats']) {
    test(`treasury/${url} is closed to a token that is wrong: ${name}`, async () => {
      const reply = await api.get(`/api/v1/treasury/${url}`, headers)
      expect(reply.statusCode).toBe(401)
      expect(reply.headers['www-authenticate']).toBe('Bearer')
      expect(reply.payload).not.toContain('manifest')
    })
  }
}

test('batches are listed newest first', async () => {
  const list = (await api.get('/api/v1/treasury/batches?limit=1', { authorization })).json()
  expect(list.items).toMatchObject([{ batch: '2', state: 'planned', totalSats: '600000' }])
  const url = `/api/v1/treasury/batches?limit=1&cursor=${list.nextCursor}`
  expect((await api.get(url, { authorization })).json().items).toMatchObject([{ batch: '1' }])
})

test('a batch says who approved it, what it is for and how many must', async () => {
  const list = (await api.get('/api/v1/treasury/batches', { authorization })).json()
  expect(list.items).toMatchObject([
    { purpose: 'payout', approvedBy: [], approvalsNeeded: 3 },
    { purpose: 'payout', approvedBy: ['pool'], approvalsNeeded: 3 },
  ])
})

test('the rules are told with what of the day is spent', async () => {
  const policy = (await api.get('/api/v1/treasury/policy', { authorization })).json()
  expect(policy).toMatchObject({
    version: 1,
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    bands: [
      { upToSats: '1000', approvals: 1 },
      { upToSats: '10000', approvals: 2 },
      { upToSats: null, approvals: 3 },
    ],
    auto: null,
    limits: { perBatchSats: null, perDaySats: null, perDestinationPerDaySats: null },
    allowList: null,
    coolOffHours: 48,
    spent: { autoDaySats: '0' },
  })
  expect(BigInt(policy.spent.daySats)).toBeGreaterThan(0n)
})

test('a batch shows its manifest, its transactions and what operators said', async () => {
  const batch = (await api.get('/api/v1/treasury/batches/1', { authorization })).json()
  expect(batch.manifest).toEqual({ batch: '1', version: 1 })
  expect(batch.versions).toMatchObject([{ version: 1, feeSats: '1234', signed: true }])
  expect(batch.acts).toMatchObject([{ act: 'approve', operatorKey: sha256Hex('operator') }])
  const unknown = await api.get('/api/v1/treasury/batches/99', { authorization })
  expect(unknown.statusCode).toBe(404)
})

test('the audit says whether the ledger is whole', async () => {
  const audit = async () => ({
    ok: false,
    entries: 3n,
    checkedAfter: 1n,
    head: null,
    complaints: ['entry 2 changed'],
  })
  const app = await api.with({ audit })
  const reply = await app.inject({ url: '/api/v1/treasury/audit', headers: { authorization } })
  expect(reply.json()).toEqual({
    ok: false,
    entries: '3',
    checkedAfter: '1',
    head: null,
    complaints: ['entry 2 changed'],
  })
})

test('an approval reaches the treasury as it was given, without a token', async () => {
  const { given, decide } = deciding({ kind: 'accepted', batch: 'approved' })
  const app = await api.with({ decide })
  const url = '/api/v1/treasury/batches/2/approve'
  const reply = await app.inject({ method: 'POST', url, payload: signed })
  expect(reply.statusCode).toBe(200)
  expect(reply.json()).toEqual({ batch: '2', state: 'approved' })
  expect(given).toHaveLength(1)
  expect(given[0]).toMatchObject({ batch: 2n, act: { kind: 'approve' } })
  expect(toHex(given[0]?.signature ?? new Uint8Array())).toBe(signed.signature)
})

test('a rejection carries its reason', async () => {
  const { given, decide } = deciding({ kind: 'accepted', batch: 'rejected' })
  const app = await api.with({ decide })
  const url = '/api/v1/treasury/batches/2/reject'
  const payload = { ...signed, reason: 'too much' }
  expect((await app.inject({ method: 'POST', url, payload })).statusCode).toBe(200)
  expect(given[0]?.act).toEqual({ kind: 'reject', reason: 'too much' })
})

const refusals: readonly (readonly [Decision, number, string])[] = [
  [{ kind: 'unknown batch' }, 404, 'unknown-resource'],
  [{ kind: 'refused', reason: 'other manifest' }, 409, 'outdated-manifest'],
  [{ kind: 'refused', reason: 'unknown operator' }, 403, 'unknown-operator'],
  [{ kind: 'refused', reason: 'bad signature' }, 403, 'bad-signature'],
  [{ kind: 'refused', reason: 'repeated' }, 409, 'already-acted'],
  [{ kind: 'refused', reason: 'expired' }, 409, 'batch-expired'],
  [{ kind: 'refused', reason: 'already decided' }, 409, 'batch-decided'],
  [{ kind: 'refused', reason: 'not an approver' }, 403, 'not-an-approver'],
  [{ kind: 'refused', reason: 'own batch' }, 403, 'own-batch'],
  [{ kind: 'refused', reason: 'bad reason' }, 400, 'invalid-request'],
]
for (const [decision, status, code] of refusals) {
  test(`a decision ${JSON.stringify(decision)} is answered by ${status} ${code}`, async () => {
    const app = await api.with({ decide: deciding(decision).decide })
    const url = '/api/v1/treasury/batches/2/approve'
    const reply = await app.inject({ method: 'POST', url, payload: signed })
    expect(reply.statusCode).toBe(status)
    expect(reply.json().type).toBe(`urn:sidepool:problem:${code}`)
  })
}

const badBodies: Readonly<Record<string, string>> = {
  empty: '',
  'not JSON': '{',
  'not an object': '[]',
  'a missing field': JSON.stringify({ ...signed, signature: undefined }),
  'an unknown field': JSON.stringify({ ...signed, more: 1 }),
  'a short signature': JSON.stringify({ ...signed, signature: 'ab' }),
  'capital hex': JSON.stringify({ ...signed, operatorKey: 'A'.repeat(64) }),
  'a number for a hash': JSON.stringify({ ...signed, manifestHash: 1.5 }),
  'an array for a hash': JSON.stringify({ ...signed, manifestHash: [signed.manifestHash] }),
  null: 'null',
  'a prototype key': `{"__proto__":{"operatorKey":"x"},${JSON.stringify(signed).slice(1)}`,
  'a constructor key': `{"constructor":{"prototype":{}},${JSON.stringify(signed).slice(1)}`,
}
for (const [name, payload] of Object.entries(badBodies)) {
  test(`an approval that is ${name} is refused before the treasury sees it`, async () => {
    const { given, decide } = deciding({ kind: 'accepted', batch: 'approved' })
    const app = await api.with({ decide })
    const url = '/api/v1/treasury/batches/2/approve'
    const reply = await app.inject({ method: 'POST', url, payload, headers: JSON_TYPE })
    expect(reply.statusCode).toBe(400)
    expect(reply.json().type).toBe('urn:sidepool:problem:invalid-request')
    expect(given).toEqual([])
  })
}

test('a rejection without a reason, or with an endless one, is refused', async () => {
  for (const reason of ['', 'x'.repeat(501), 'a\0b', 'a\u001b[2K', '\ud800']) {
    const reply = await api.post('/api/v1/treasury/batches/2/reject', { ...signed, reason })
    expect(reply.statusCode).toBe(400)
  }
})

test('before any comparison there are no floats to show', async () => {
  const reply = await api.get('/api/v1/treasury/floats', { authorization })
  expect(reply.json()).toEqual({ items: [], moves: [], withdrawals: [] })
})
