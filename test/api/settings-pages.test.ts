import { sql } from 'kysely'
import { beforeAll, expect, test } from 'vitest'
import { holderOf } from '../support/signed-message.ts'
import { apiForTests } from './server.ts'

const api = apiForTests()
const holder = holderOf(1)
const at = `/miner/${holder.address}`
const elsewhere = holderOf(2).address
const text = (page: string, pattern: RegExp) =>
  (pattern.exec(page)?.[1] ?? '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')

const post = (fields: Record<string, string>) =>
  api.app().inject({
    method: 'POST',
    url: `${at}/settings`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(fields).toString(),
  })
const signQuery = (fields: Record<string, string>) =>
  api.get(`${at}/settings/sign?${new URLSearchParams(fields)}`)

beforeAll(async () => {
  const db = api.db()
  await sql`insert into payees (kind, destination, created_ms)
    values ('bitcoin', ${holder.address}, 1)`.execute(db)
  await sql`insert into accounts (payee_id, scheme, created_ms)
    select id, 'pplns', 1 from payees where destination = ${holder.address}`.execute(db)
})

test('a person changes settings with two forms, a signature and no script', async () => {
  const form = await api.get(`${at}/settings`)
  expect(form.payload).toContain('name="to.l1"')
  const fields = { 'to.l1': `${elsewhere} `, 'from.l1': '700000', feeRateMax: '' }
  const page = (await signQuery(fields)).payload
  const wanted = text(page, /<pre class="text">([^<]*)<\/pre>/)
  expect(wanted).toContain(
    `pay: by l1 to ${elsewhere} from 700000 sat\npaused: no\nfee at most: any`,
  )
  const change = text(page, /name="change" value="([^"]*)"/)
  const wrong = await post({ change, signature: holderOf(3).sign(wanted) })
  expect([wrong.statusCode, wrong.headers['content-type']]).toEqual([
    403,
    'text/html; charset=utf-8',
  ])
  expect(wrong.payload).toContain('Nothing was changed')
  const done = await post({ change, signature: ` ${holder.sign(wanted)}\r\n` })
  expect([done.statusCode, done.headers['location']]).toEqual([303, at])
  expect((await api.get(at)).payload).toContain(elsewhere)
  const after = (await api.get(`${at}/settings`)).payload
  for (const word of ['change no. 1', 'the payee, bip322', elsewhere]) expect(after).toContain(word)
  expect((await post({ change, signature: holder.sign(wanted) })).statusCode).toBe(409)
})

test('what is typed is text and never markup, and what makes no sense is answered by a page', async () => {
  const evil = '"><script>alert(1)</script>'
  for (const fields of [{ 'to.l1': evil }, { 'from.l1': evil }, { feeRateMax: evil }]) {
    const reply = await signQuery(fields)
    expect([400, 422]).toContain(reply.statusCode)
    expect(reply.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(reply.payload).not.toContain('<script')
  }
  for (const change of ['', '[]', '{"number":1}', evil, '{"__proto__":{}}']) {
    const reply = await post({ change, signature: 'AA==' })
    expect(reply.statusCode).toBe(400)
    expect(reply.payload).toContain('Nothing was changed')
  }
  expect((await api.get('/miner/nobody/settings')).statusCode).toBe(404)
})

test('no settings page has a script, an inline style or anything from elsewhere', async () => {
  for (const url of [`${at}/settings`, `${at}/settings/sign?to.l1=`]) {
    const { payload, statusCode } = await api.get(url)
    expect(statusCode).toBe(200)
    expect(payload).not.toMatch(/<script|style="|javascript:|https?:\/\/|\son\w+=/i)
  }
})
