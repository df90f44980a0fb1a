import { expect, test } from 'vitest'
import { html, rate } from '../../src/api/pages/html.ts'
import { MINER, OTHER, WORKER_SCRIPT } from './seed.ts'
import { apiForTests } from './server.ts'

const api = apiForTests()

test('the first page says what the pool is, how to connect and that it is a test network', async () => {
  const reply = await api.get('/')
  expect(reply.headers['content-type']).toBe('text/html; charset=utf-8')
  expect(reply.payload).toContain('a pool &amp; more')
  expect(reply.payload).toContain('regtest')
  expect(reply.payload).toContain('stratum+tcp://pool.example:3333')
  for (const word of ['mature', 'orphaned', 'submitted', 'settled', '/api/v1/epochs/30']) {
    expect(reply.payload, word).toContain(word)
  }
})

test('a first page without any history is shown all the same', async () => {
  const reply = await (await api.with({ schemes: [] })).inject('/')
  expect(reply.statusCode).toBe(200)
  expect(reply.payload).toContain('No scheme is offered.')
})

test('a miner’s page shows balances, statement lines and payouts', async () => {
  const { payload, statusCode } = await api.get(`/miner/${MINER}`)
  expect(statusCode).toBe(200)
  for (const word of ['0.00000007 BTC', '0.00400000 BTC', 'from height 260', '8 stale']) {
    expect(payload, word).toContain(word)
  }
  expect(payload).toContain(`/api/v1/miners/${MINER}/earnings?cursor=`)
})

test('whatever a miner called itself or asks for is text and never markup', async () => {
  const page = await api.get(`/miner/${MINER}`)
  expect(page.payload).not.toContain(WORKER_SCRIPT)
  expect(page.payload).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  const unknown = await api.get(`/miner/${encodeURIComponent(`"><img src=x onerror='x'>`)}`)
  expect(unknown.statusCode).toBe(404)
  expect(unknown.payload).not.toContain('<img')
})

test('no page has a script, an inline style or anything from elsewhere', async () => {
  for (const url of ['/', `/miner/${MINER}`, `/miner/${OTHER}`, '/miner/nobody']) {
    const { payload } = await api.get(url)
    expect(payload).not.toMatch(/<script|style="|javascript:|https?:\/\/|\son\w+=/i)
  }
})

test('a look-up leads to the miner’s page', async () => {
  const reply = await api.get(`/miner?payee=${encodeURIComponent(`${OTHER} `)}`)
  expect([reply.statusCode, reply.headers['location']]).toEqual([302, `/miner/${OTHER}`])
  const evil = await api.get(`/miner?payee=${encodeURIComponent('//evil.example/')}`)
  expect(evil.headers['location']).toBe('/miner/%2F%2Fevil.example%2F')
})

test('html escapes all that could end a text or an attribute', () => {
  expect(html`<a title="${`&<>"'`}">${html`<b>${1n}</b>`}</a>`.text).toBe(
    '<a title="&amp;&lt;&gt;&quot;&#39;"><b>1</b></a>',
  )
})

test('rates are floored to the unit that reads best', () => {
  const rates = { '0': '0 H/s', '999': '999 H/s', '1000': '1.00 kH/s', '1239999': '1.23 MH/s' }
  for (const [hashes, text] of Object.entries(rates)) expect(rate(hashes)).toBe(text)
  expect(rate((10n ** 24n).toString())).toBe('1000.00 ZH/s')
})
