import { sql } from 'kysely'
import { beforeAll, describe, expect, test } from 'vitest'
import { csvLine } from '../../src/api/csv.ts'
import { AUTH_FAILURES_MAX } from '../../src/treasury/auth-store.ts'
import { type Holder, holderOf } from '../support/signed-message.ts'
import { insertVersion } from '../support/version.ts'
import { MINER, NOW_MS, sha256Hex } from './seed.ts'
import { apiForTests, JSON_TYPE } from './server.ts'

const api = apiForTests()
const holder = holderOf(1)
const elsewhere = holderOf(2).address
const at = `/api/v1/miners/${holder.address}`
const problemOf = (code: string) => `urn:sidepool:problem:${code}`

const wishes = (destination: string | null, more: object = {}) => ({
  rails: [{ rail: 'l1', destination, minimumSats: '0' }],
  paused: false,
  feeRateMaxSatPerKvb: null,
  ...more,
})
const put = (body: object, payee = holder.address, remoteAddress = '192.0.2.1') =>
  api.app().inject({
    ...{ method: 'PUT', url: `/api/v1/miners/${payee}/payout-settings`, headers: JSON_TYPE },
    ...{ payload: JSON.stringify(body), remoteAddress },
  })
const signed = async (by: Holder, wanted: object, number: number) => {
  const text = (await api.post(`${at}/payout-settings/text`, wanted)).payload
  return { number, ...wanted, proof: { kind: 'signature', signature: by.sign(text) } }
}

beforeAll(async () => {
  const db = api.db()
  await sql`insert into payees (kind, destination, created_ms)
    values ('bitcoin', ${holder.address}, 1)`.execute(db)
  await sql`insert into accounts (payee_id, scheme, created_ms)
    select id, 'pplns', 1 from payees where destination = ${holder.address}`.execute(db)
})

describe('payout settings', () => {
  test('are the payee itself before anything was set', async () => {
    expect((await api.get(`${at}/payout-settings`)).json()).toEqual({
      ...{ payee: holder.address, number: 0, nextNumber: 1, paysFromMs: null, byOperator: false },
      ...wishes(null),
    })
  })

  test('change once the text that was given is signed, and show in the history', async () => {
    const wanted = wishes(elsewhere, { feeRateMaxSatPerKvb: '9000' })
    const text = await api.post(`${at}/payout-settings/text`, wanted)
    expect(text.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(text.payload.split('\n').slice(0, 5)).toEqual([
      'sidepool payout settings',
      'pool: a pool & more',
      'network: regtest',
      `payee: ${holder.address}`,
      'number: 1',
    ])
    const body = await signed(holder, wanted, 1)
    const reply = await put(body)
    expect([reply.statusCode, reply.json()]).toEqual([
      200,
      {
        ...{ payee: holder.address, number: 1, nextNumber: 2, byOperator: false, ...wanted },
        paysFromMs: NOW_MS + 48 * 3_600_000,
      },
    ])
    const again = await put(body)
    expect([again.statusCode, again.json().type]).toEqual([409, problemOf('outdated-settings')])
    const { items } = (await api.get(`${at}/payout-settings/history`)).json()
    expect(items).toMatchObject([
      { number: 1, proof: 'bip322', text: text.payload, operator: null, givenMs: NOW_MS },
    ])
  })

  test('of a payee do not change by another’s key; too many such attempts lock an address', async () => {
    const { number } = (await api.get(`${at}/payout-settings`)).json()
    const body = await signed(holderOf(3), wishes(null), number + 1)
    const app = await api.with({})
    const from = (remoteAddress: string) =>
      app.inject({
        ...{ method: 'PUT', url: `${at}/payout-settings`, headers: JSON_TYPE, remoteAddress },
        payload: JSON.stringify(body),
      })
    const codes: string[] = []
    for (let i = 0; i < AUTH_FAILURES_MAX; i++) codes.push((await from('192.0.2.7')).json().type)
    expect(new Set(codes)).toEqual(new Set([problemOf('bad-proof')]))
    const restarted = await api.with({})
    const next = await restarted.inject({
      ...{ method: 'PUT', url: `${at}/payout-settings`, headers: JSON_TYPE },
      ...{ payload: JSON.stringify(body), remoteAddress: '192.0.2.7' },
    })
    expect([next.statusCode, next.json().type]).toEqual([429, problemOf('locked-out')])
    expect((await from('192.0.2.8')).json().type).toBe(problemOf('bad-proof'))
  })

  test('are checked for one address a few times a minute only', async () => {
    const app = await api.with({})
    const types: string[] = []
    for (let i = 0; i < 11; i++) {
      const reply = await app.inject({
        ...{ method: 'POST', url: `${at}/payouts`, headers: JSON_TYPE },
        ...{ payload: '{"scheme":"pplns"}', remoteAddress: '192.0.2.9' },
      })
      types.push(reply.json().type)
    }
    expect(types.at(-1)).toBe(problemOf('rate-limited'))
    expect(types.slice(0, -1)).not.toContain(problemOf('rate-limited'))
  })

  const bad: readonly (readonly [string, object, number])[] = [
    ['another network’s address', wishes('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'), 422],
    ['an unknown rail', wishes(null, { rails: [{ ...rail(), rail: 'thunder' }] }), 422],
    ['no rail', wishes(null, { rails: [] }), 400],
    ['too many rails', wishes(null, { rails: Array.from({ length: 6 }, rail) }), 400],
    ['an amount below nothing', wishes(null, { rails: [{ ...rail(), minimumSats: '-1' }] }), 400],
    ['a float', wishes(null, { rails: [{ ...rail(), minimumSats: '0.5' }] }), 400],
    ['more than all bitcoin', wishes(null, { feeRateMaxSatPerKvb: '9999999999999999' }), 400],
    ['a fee of nothing', wishes(null, { feeRateMaxSatPerKvb: '0' }), 400],
    ['a line break in a destination', wishes('a\nb'), 400],
    ['a field that nobody knows', wishes(null, { speed: 'fast' }), 400],
  ]
  function rail() {
    return { rail: 'l1', destination: null, minimumSats: '0' }
  }
  for (const [what, body, status] of bad)
    test(`with ${what} get no text to sign`, async () => {
      expect((await api.post(`${at}/payout-settings/text`, body)).statusCode).toBe(status)
    })

  test('of nobody are an unknown resource', async () => {
    for (const path of ['payout-settings', 'payout-settings/history', 'payouts.csv'])
      expect((await api.get(`/api/v1/miners/nobody/${path}`)).statusCode).toBe(404)
    const text = await api.post('/api/v1/miners/nobody/payout-settings/text', wishes(null))
    expect(text.statusCode).toBe(404)
    const proof = { kind: 'signature', signature: 'AA==' }
    expect((await put({ number: 1, ...wishes(elsewhere), proof }, 'nobody')).statusCode).toBe(404)
  })
})

test('a payout names the transaction that paid, also where a later one was sent', async () => {
  const db = api.db()
  const txids = async () => {
    const { items } = (await api.get(`/api/v1/miners/${MINER}/payouts`)).json()
    return items.map((item: { txid: string | null }) => item.txid)
  }
  const first = await db.selectFrom('batch_versions').selectAll().executeTakeFirstOrThrow()
  const second = { ...first, version: 2, txid: sha256Hex('second'), fee_sats: 2000n }
  await insertVersion(db, second)
  expect(await txids()).toEqual([null, second.txid])
  await db.updateTable('batches').set({ paid_version: 1 }).where('id', '=', 1n).execute()
  expect(await txids()).toEqual([null, first.txid])
})

describe('a payout file', () => {
  test('has the columns of the list, and the same rows', async () => {
    const reply = await api.get(`/api/v1/miners/${MINER}/payouts.csv`)
    expect(reply.headers['content-type']).toContain('text/csv')
    const { items } = (await api.get(`/api/v1/miners/${MINER}/payouts?limit=100`)).json()
    const [head, ...rows] = reply.payload.split('\r\n')
    expect(head?.split(',')).toEqual(Object.keys(items[0]))
    expect(rows).toEqual([
      ...items.map((item: Record<string, unknown>) => Object.values(item).join(',')),
      '',
    ])
    expect(rows[1]).toContain(`settled,1,l1,${sha256Hex('transaction')},,,,,pool,`)
  })

  test('quotes what needs it, and lets no field be a formula', () => {
    expect(csvLine(['a', 1, null, 'say "a, b"', 'two\nlines'])).toBe(
      'a,1,,"say ""a, b""","two\nlines"\r\n',
    )
    for (const word of ['=1+1', '+1', '-1', '@sum', '\tx'])
      expect(csvLine([word])).toBe(`'${word}\r\n`)
    expect(csvLine(['\r='])).toBe(`"'\r="\r\n`)
    expect(csvLine([-1])).toBe('-1\r\n')
  })
})

describe('asking to be paid', () => {
  const ask = (payee: string, body: object) => api.post(`/api/v1/miners/${payee}/payouts`, body)

  test('is refused with the reason where it changes nothing', async () => {
    const reply = await ask(MINER, { scheme: 'pplns' })
    expect([reply.statusCode, reply.json()]).toMatchObject([
      409,
      { type: problemOf('payout-refused'), detail: 'waits for the operators’ approval' },
    ])
  })

  test('for an account without a credit, or of another scheme, finds nothing', async () => {
    for (const [payee, scheme] of [
      [holder.address, 'pplns'],
      [MINER, 'gone'],
    ])
      expect((await ask(payee ?? '', { scheme })).statusCode).toBe(404)
    expect((await ask(MINER, { scheme: 'pplns', more: 1 })).statusCode).toBe(400)
  })
})
