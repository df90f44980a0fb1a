import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROBLEMS } from '../../src/api/errors.ts'
import { MINER } from './seed.ts'
import { apiForTests, JSON_TYPE } from './server.ts'

const api = apiForTests()
const docs = readFileSync(join(import.meta.dirname, '../../docs/api.md'), 'utf8')
const typeOf = (code: string) => `urn:sidepool:problem:${code}`
const cursor = (text: string) => Buffer.from(text).toString('base64url')

/** Routes as the router has them, without those that are pages for people. */
function routesOfRouter(): string[] {
  const pages = ['/', '/miner', '/miner/:payee', '/style.css', '/api/v1/openapi.json']
  for (const name of ['settings', 'invoice'])
    pages.push(`/miner/:payee/${name}`, `/miner/:payee/${name}/sign`)
  const lines = api.app().printRoutes({ commonPrefix: false }).split('\n')
  const path: string[] = []
  return lines.flatMap(line => {
    const match = /^((?:[│ ] {3})*)[├└]── (\S*?)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (!match) return []
    path.length = (match[1] ?? '').length / 4
    path.push(match[2] ?? '')
    const whole = path.join('')
    const methods = (match[3] ?? '').split(', ').filter(name => name !== '' && name !== 'HEAD')
    return pages.includes(whole) ? [] : methods.map(name => `${name} ${whole}`)
  })
}

test('OpenAPI and docs/api.md list every route of the router, and no other', async () => {
  const reply = await api.get('/api/v1/openapi.json')
  const { paths, openapi } = reply.json()
  expect(openapi).toBe('3.1.0')
  const documented = Object.entries<Record<string, unknown>>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(name => `${name.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
  )
  const routes = routesOfRouter().sort()
  expect(routes.length).toBeGreaterThan(18)
  expect(documented.sort()).toEqual(routes)
  const inDocs = [...docs.matchAll(/^\| `((?:GET|POST|PUT) \S+)` \|/gm)].map(match => match[1])
  expect(inDocs.sort()).toEqual(routes)
})

test('docs/api.md lists every problem with its status, and no other', () => {
  const inDocs = [...docs.matchAll(/^\| `([a-z-]+)` \| (\d{3}) \|/gm)].map(match => [
    match[1],
    Number(match[2]),
  ])
  const inCode = Object.entries(PROBLEMS).map(([code, { status }]) => [code, status])
  expect(inDocs).toEqual(inCode)
})

const badRequests: readonly (readonly [string, number, string])[] = [
  ['/api/v1/epochs?cursor=-1', 400, 'invalid-cursor'],
  ['/api/v1/epochs?cursor=%00', 400, 'invalid-cursor'],
  ['/api/v1/epochs?cursor=12', 400, 'invalid-cursor'],
  [`/api/v1/epochs?cursor=${cursor('epochs -1')}`, 400, 'invalid-cursor'],
  [`/api/v1/epochs?cursor=${cursor('epochs 0')}`, 400, 'invalid-cursor'],
  [`/api/v1/epochs?cursor=${cursor('epochs 1.5')}`, 400, 'invalid-cursor'],
  [`/api/v1/epochs?cursor=${cursor('epochs 1 2')}`, 400, 'invalid-cursor'],
  [`/api/v1/epochs?cursor=${cursor('blocks 1')}`, 400, 'invalid-cursor'],
  [`/api/v1/epochs?cursor=${cursor('epochs 9223372036854775808')}`, 400, 'invalid-cursor'],
  [`/api/v1/epochs?cursor=${'A'.repeat(5000)}`, 400, 'invalid-cursor'],
  [`/api/v1/epochs?cursor=${cursor('epochs __proto__')}`, 400, 'invalid-cursor'],
  [`/api/v1/blocks?cursor=${cursor('blocks -5 x')}`, 400, 'invalid-cursor'],
  [`/api/v1/blocks?cursor=${cursor(`blocks 5 ${'g'.repeat(64)}`)}`, 400, 'invalid-cursor'],
  [`/api/v1/hashrate?cursor=${cursor('hashrate 9999999999')}`, 400, 'invalid-cursor'],
  [`/api/v1/miners/${MINER}/payouts?cursor=${cursor('payouts x')}`, 400, 'invalid-cursor'],
  [`/api/v1/miners/${MINER}/earnings?cursor=${cursor('earnings 1')}`, 400, 'invalid-cursor'],
  ['/api/v1/epochs?cursor=', 400, 'invalid-request'],
  ['/api/v1/epochs?limit=0', 400, 'invalid-request'],
  ['/api/v1/epochs?limit=-1', 400, 'invalid-request'],
  ['/api/v1/epochs?limit=1.5', 400, 'invalid-request'],
  ['/api/v1/epochs?limit=101', 400, 'invalid-request'],
  ['/api/v1/epochs?limit=1e2', 400, 'invalid-request'],
  ['/api/v1/epochs?limit=5&limit=6', 400, 'invalid-request'],
  ['/api/v1/epochs?nonsense=1', 400, 'invalid-request'],
  ['/api/v1/epochs?__proto__[x]=1', 400, 'invalid-request'],
  ['/api/v1/miners/a%00b', 400, 'invalid-request'],
  ['/api/v1/miners/a%00b/payouts.csv', 400, 'invalid-request'],
  ['/miner/%00', 400, 'invalid-request'],
  ['/api/v1/epochs/0', 400, 'invalid-request'],
  ['/api/v1/epochs/-1', 400, 'invalid-request'],
  ['/api/v1/epochs/1.5', 400, 'invalid-request'],
  ['/api/v1/epochs/__proto__', 400, 'invalid-request'],
  ['/api/v1/epochs/99999999999999999999', 400, 'invalid-request'],
  ['/api/v1/epochs/1?format=xml', 400, 'invalid-request'],
  ['/api/v1/rewards/1e3', 400, 'invalid-request'],
  ['/api/v1/rewards/999', 404, 'unknown-resource'],
  [`/api/v1/miners/${'x'.repeat(350)}`, 400, 'invalid-request'],
  [`/api/v1/miners/${'x'.repeat(5000)}`, 400, 'invalid-request'],
  ['/api/v1/miners/%zz', 400, 'invalid-request'],
  ['/api/v1/nothing', 404, 'unknown-route'],
  ['/api/v2/stats', 404, 'unknown-route'],
  ['/__proto__', 404, 'unknown-route'],
]
for (const [url, status, code] of badRequests) {
  test(`GET ${url.slice(0, 90)} is answered by ${status} ${code}`, async () => {
    const reply = await api.get(url)
    expect(reply.statusCode).toBe(status)
    expect(reply.headers['content-type']).toContain('application/problem+json')
    expect(reply.json()).toMatchObject({ type: typeOf(code), status })
    expect(reply.json().title).toBe(Object.getOwnPropertyDescriptor(PROBLEMS, code)?.value.title)
  })
}

test('a refused field is named by its path', async () => {
  const problem = (await api.get('/api/v1/epochs?limit=1.5')).json()
  expect(problem.errors).toMatchObject([{ path: '/limit' }])
})

const url = '/api/v1/treasury/batches/1/approve'
test('a body that is too large is refused with 413', async () => {
  const payload = `{"operatorKey":"${'a'.repeat(100_000)}"}`
  const reply = await api.app().inject({ method: 'POST', url, payload, headers: JSON_TYPE })
  expect([reply.statusCode, reply.json().type]).toEqual([413, typeOf('body-too-large')])
})

test('a body that is not JSON by its type is refused with 415', async () => {
  const headers = { 'content-type': 'text/xml' }
  const reply = await api.app().inject({ method: 'POST', url, payload: '<x/>', headers })
  expect([reply.statusCode, reply.json().type]).toEqual([415, typeOf('unsupported-media-type')])
})

test('more requests than allowed are refused with 429, but health is not', async () => {
  const app = await api.with({ requestsPerMinuteMax: 2 })
  for (let i = 0; i < 2; i++) expect((await app.inject('/api/v1/schemes')).statusCode).toBe(200)
  const reply = await app.inject('/api/v1/schemes')
  expect([reply.statusCode, reply.json().type]).toEqual([429, typeOf('rate-limited')])
  expect((await app.inject('/health')).statusCode).toBe(200)
})

test('an error of our own is 500 and says nothing of itself; a lost database is 503', async () => {
  const broken = await api.with({ owedTo: () => Promise.reject(new Error('password is hunter2')) })
  const reply = await broken.inject(`/api/v1/miners/${MINER}`)
  expect([reply.statusCode, reply.json().type]).toEqual([500, typeOf('internal')])
  expect(reply.payload).not.toContain('hunter2')
  const lost = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  const away = await api.with({ owedTo: () => Promise.reject(lost) })
  const second = await away.inject(`/api/v1/miners/${MINER}`)
  expect([second.statusCode, second.json().type]).toEqual([503, typeOf('unavailable')])
})

test('every reply carries the security headers, problems and pages alike', async () => {
  for (const path of ['/', '/api/v1/stats', '/api/v1/nothing', '/health', '/style.css']) {
    const { headers } = await api.get(path)
    expect(headers['content-security-policy'], path).toContain("default-src 'none'")
    expect(headers['content-security-policy']).not.toContain('unsafe')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['referrer-policy']).toBe('no-referrer')
  }
})
