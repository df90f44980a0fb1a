import { sql } from 'kysely'
import { beforeAll, expect, test } from 'vitest'
import type { ApiParts } from '../../src/api/index.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { writeInvoice } from '../support/invoice.ts'
import { type Holder, holderOf } from '../support/signed-message.ts'
import { partsOn } from './parts.ts'
import { NOW_MS } from './seed.ts'
import { apiForTests, JSON_TYPE } from './server.ts'

const api = apiForTests()
const holder = holderOf(1)
const at = `/api/v1/miners/${holder.address}/invoices`
const page = `/miner/${holder.address}`
const WEEK_S = 7 * 86_400
/** Each with a hash of its own. */
const invoiceOf = (number: number) =>
  writeInvoice({ paymentHash: number.toString(16).padStart(64, '0'), expirySeconds: WEEK_S })
const problemOf = (code: string) => `urn:sidepool:problem:${code}`

let app: Awaited<ReturnType<typeof api.with>>
beforeAll(async () => {
  const db = api.db()
  await sql`insert into payees (kind, destination, created_ms)
    values ('bitcoin', ${holder.address}, 1)`.execute(db)
  await sql`insert into accounts (payee_id, scheme, created_ms)
    select id, scheme, 1 from payees, unnest(array['pplns', 'pps']) as scheme
     where destination = ${holder.address}`.execute(db)
  app = await api.with({ schemes: schemes() })
})

/** Both schemes of the payee, of which one pays over Lightning. */
function schemes(): ApiParts['schemes'] {
  const [known] = partsOn(api.db()).schemes
  if (!known) throw new Error('there is a scheme')
  const minimum = sats(1000n)
  return [
    { ...known, minimum, rails: ['l1', 'lightning'] },
    { ...known, name: 'pps' },
  ]
}

let requests = 0
async function post(url: string, payload: string, type = JSON_TYPE) {
  const remoteAddress = `10.1.0.${requests++}`
  return app.inject({ method: 'POST', url, payload, headers: type, remoteAddress })
}
const send = (url: string, body: object) => post(url, JSON.stringify(body))
const signed = (by: Holder, text: string) => ({ kind: 'signature', signature: by.sign(text) })

test('an invoice is uploaded once the text that was given is signed, and shows with its proof', async () => {
  const wanted = { scheme: 'pplns', invoice: invoiceOf(1) }
  const text = await send(`${at}/text`, wanted)
  expect(text.headers['content-type']).toBe('text/plain; charset=utf-8')
  expect(text.payload).toContain(`amount: 1000 sat\ninvoice: ${wanted.invoice}`)
  const wrong = await send(at, { ...wanted, proof: signed(holderOf(3), text.payload) })
  expect([wrong.statusCode, wrong.json().type]).toEqual([403, problemOf('bad-proof')])
  const body = { ...wanted, proof: signed(holder, text.payload) }
  const done = await send(at, body)
  const paysFromMs = NOW_MS + 48 * 3_600_000
  const times = { paysFromMs, lapsesMs: NOW_MS + WEEK_S * 1000 - 900_000 }
  expect([done.statusCode, done.json()]).toEqual([200, { ...wanted, amountSats: '1000', ...times }])
  const { items } = (await app.inject(at)).json()
  expect(items).toMatchObject([
    { ...wanted, ...times, state: 'open', payout: null, proof: 'bip322', text: text.payload },
  ])
  const again = await send(at, body)
  expect([again.statusCode, again.json()]).toMatchObject([
    422,
    { type: problemOf('invoice-refused'), detail: expect.stringContaining('is open') },
  ])
})

test('one that was not planned in time has lapsed', async () => {
  const clock = { now: () => unixMs(NOW_MS + WEEK_S * 1000) }
  const later = await api.with({ schemes: schemes(), clock })
  const { items } = (await later.inject(at)).json()
  expect(items).toMatchObject([{ state: 'lapsed' }])
})

test.each<[string, object, number, string]>([
  ['of a scheme without Lightning', { scheme: 'pps' }, 422, 'pps does not pay over Lightning'],
  ['of no scheme', { scheme: 'gone' }, 404, 'no account'],
  ['that is none', { invoice: 'lnbcrt1' }, 422, 'cannot be read'],
  ['of an hour', { invoice: writeInvoice() }, 422, 'good for 48 h 30 min more'],
  ['with a line break', { invoice: 'ln\nbc' }, 400, ''],
  ['of many characters', { invoice: 'l'.repeat(2001) }, 400, ''],
  ['with more than was asked', { more: 1 }, 400, ''],
])('one %s gets no text to sign', async (_name, change, status, why) => {
  const reply = await send(`${at}/text`, { scheme: 'pplns', invoice: invoiceOf(2), ...change })
  expect(reply.statusCode).toBe(status)
  if (why !== '') expect(reply.json().detail).toContain(why)
})

test('an operator’s word is not taken, and a payee that nobody mined to has none', async () => {
  const operator = { kind: 'operator', operatorKey: '11'.repeat(32), reason: 'why' }
  const proof = { ...operator, signature: '22'.repeat(64) }
  const wanted = { scheme: 'pplns', invoice: invoiceOf(2) }
  expect((await send(at, { ...wanted, proof })).statusCode).toBe(400)
  const nobody = at.replace(holder.address, holderOf(9).address)
  expect((await send(`${nobody}/text`, wanted)).statusCode).toBe(404)
  expect((await app.inject(nobody)).statusCode).toBe(404)
})

test('a person uploads one with two forms, a signature and no script', async () => {
  const db = api.db()
  await sql`update uploaded_invoices set ended_ms = ${NOW_MS} where ended_ms is null`.execute(db)
  expect((await app.inject(page)).payload).toContain(`${page}/invoice`)
  expect((await app.inject(`${page}/invoice`)).payload).toContain('<option>pplns</option>')
  const query = new URLSearchParams({ scheme: 'pplns', invoice: ` ${invoiceOf(3)}\r\n` })
  const shown = (await app.inject(`${page}/invoice/sign?${query}`)).payload
  const read = (pattern: RegExp) => (pattern.exec(shown)?.[1] ?? '').replaceAll('&quot;', '"')
  const text = read(/<pre class="text">([^<]*)<\/pre>/).replaceAll('&amp;', '&')
  const change = read(/name="change" value="([^"]*)"/)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const upload = (signature: string) =>
    post(`${page}/invoice`, new URLSearchParams({ change, signature }).toString(), form)
  const wrong = await upload(holderOf(3).sign(text))
  expect([wrong.statusCode, wrong.payload]).toEqual([
    403,
    expect.stringContaining('/invoice">Back'),
  ])
  const done = await upload(` ${holder.sign(text)}\r\n`)
  expect([done.statusCode, done.headers['location']]).toEqual([303, page])
  const after = (await app.inject(`${page}/invoice`)).payload
  for (const word of ['1000 sat', 'open']) expect(after).toContain(word)
  const evil = new URLSearchParams({ scheme: 'pplns', invoice: '"><script>' })
  const refused = await app.inject(`${page}/invoice/sign?${evil}`)
  expect([refused.statusCode, refused.payload]).toEqual([
    400,
    expect.not.stringContaining('<script'),
  ])
})
