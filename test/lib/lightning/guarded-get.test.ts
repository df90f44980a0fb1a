import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseIp } from '../../../src/lib/ip-address.ts'
import {
  type Egress,
  guardedGet,
  PUBLIC_INTERNET,
} from '../../../src/lib/lightning/guarded-get-client.ts'
import { urlComplaint } from '../../../src/lib/lightning/guarded-url.ts'
import { isPublicAddress } from '../../../src/lib/lightning/public-address.ts'
import { type StrangersServer, strangersServer } from '../../support/strangers-server.ts'

const URL_OF = 'https://pay.example.org/path?a=1'
const BYTES_MAX = 1000

let server: StrangersServer

beforeAll(async () => {
  server = await strangersServer()
})

afterAll(() => server.stop())

beforeEach(() => server.answerBy((_, response) => response.end('{"ok":1}')))

const get = (url = URL_OF, change: Partial<Egress> = {}) =>
  guardedGet(url, BYTES_MAX, { ...server.egress, ...change })

async function failure(...args: Parameters<typeof get>): Promise<string> {
  const outcome = await get(...args)
  return outcome.kind === 'failed' ? outcome.reason : `got ${outcome.text}`
}

const lookingUp =
  (...addresses: readonly string[]) =>
  async () =>
    addresses.map(address => parseIp(address) ?? new Uint8Array(0))

test('a text is got by its name, with path and query, and nothing of ours in the headers', async () => {
  server.answerBy((request, response) => response.end(JSON.stringify(request.headers)))
  const outcome = await get()
  expect(server.seen).toEqual(['pay.example.org/path?a=1'])
  expect(JSON.parse(outcome.kind === 'text' ? outcome.text : '{}')).toEqual({
    host: 'pay.example.org',
    accept: 'application/json',
    'accept-encoding': 'identity',
    connection: 'close',
  })
})

describe('no connection is made', () => {
  for (const url of [
    'http://pay.example.org/',
    'ftp://pay.example.org/',
    'file:///etc/passwd',
    'gopher://pay.example.org/',
    '//pay.example.org/',
    'pay.example.org',
    'https://pay.example.org:8443/',
    'https://pay.example.org:22/',
    'https://user@pay.example.org/',
    'https://user:password@pay.example.org/',
    'https://localhost/',
    'https://bitcoind/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://１２７.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[fd00::1]/',
    'https://pay.example.org./',
    'https:///',
    'https://a_b.example.org/',
    `https://pay.example.org/${'a'.repeat(2000)}`,
    '',
  ])
    test(`to ${url.slice(0, 50) || 'nothing'}`, async () => {
      expect(await failure(url)).toContain('the URL')
      expect(server.connections()).toBe(0)
    })

  for (const address of [
    ...['127.0.0.1', '10.1.2.3', '172.31.255.255', '192.168.0.1', '169.254.169.254', '100.64.0.1'],
    ...['0.0.0.0', '224.0.0.1', '255.255.255.255', '192.0.2.1', '198.18.0.1', '203.0.113.9'],
    ...['::1', '::', 'fe80::1', 'fc00::1', 'fd12:3456::1', 'ff02::1', '::ffff:10.0.0.1'],
    ...['::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001:db8::1', '2001::1'],
    ...['fec0::1', '4000::1', '3fff::1', '100::1'],
  ])
    test(`to a name that is at ${address}`, async () => {
      const { isAllowed } = PUBLIC_INTERNET
      expect(await failure(URL_OF, { isAllowed, lookUp: lookingUp(address) })).toContain(
        'not on the public Internet',
      )
      // Also where others are public: which of them is taken is not for a stranger to say.
      const lookUp = lookingUp('93.184.216.34', address)
      expect(await failure(URL_OF, { isAllowed, lookUp })).toContain('not on the public Internet')
      expect(server.connections()).toBe(0)
    })

  test('to a name without an address, or one that cannot be looked up', async () => {
    expect(await failure(URL_OF, { lookUp: async () => [] })).toContain('has no address')
    const lookUp = () => Promise.reject(Object.assign(new Error('?'), { code: 'ESERVFAIL' }))
    expect(await failure(URL_OF, { lookUp })).toContain('ESERVFAIL')
  })
})

test('addresses of the public Internet are allowed', () => {
  for (const address of ['1.1.1.1', '93.184.216.34', '2606:4700::1111', '2a00:1450:4001::8a'])
    expect(isPublicAddress(parseIp(address) ?? new Uint8Array(4)), address).toBe(true)
  expect(urlComplaint('https://xn--bcher-kva.example.org/.well-known/lnurlp/a?b')).toBeNull()
})

test('a name is looked up once, and the connection goes there, whatever it is a moment later', async () => {
  const answers = ['127.0.0.1', '10.0.0.1']
  const asked: string[] = []
  const lookUp: Egress['lookUp'] = async domain => {
    asked.push(domain)
    return lookingUp(answers.shift() ?? '10.0.0.1')()
  }
  expect(await failure(URL_OF, { lookUp })).toBe('got {"ok":1}')
  expect(asked).toEqual(['pay.example.org'])
  expect(await failure(URL_OF, { lookUp })).toContain('not on the public Internet')
})

describe('an answer is not taken', () => {
  test('from a server that another name is certified for, or nobody certified', async () => {
    expect(await failure('https://evil.example.net/')).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(await failure(URL_OF, { ca: null })).toContain('DEPTH_ZERO_SELF_SIGNED_CERT')
    expect(server.seen).toEqual([])
  })

  test('from one that does not speak TLS', async () => {
    const plain = createServer((_, response) => response.end('{}'))
    await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
    const address: AddressInfo | string | null = plain.address()
    const httpsPort = address !== null && typeof address !== 'string' ? address.port : 0
    expect(await failure(URL_OF, { httpsPort })).toContain('cannot be asked')
    plain.close()
    expect(await failure(URL_OF, { httpsPort })).toContain('ECONNREFUSED')
  })

  for (const status of [301, 302, 303, 307, 308])
    test(`that redirects (${status})`, async () => {
      const location = 'https://api.example.com/'
      server.answerBy((_, response) => response.writeHead(status, { location }).end())
      expect(await failure()).toContain('redirects')
      expect(server.connections()).toBe(1)
    })

  for (const status of [201, 204, 404, 500])
    test(`with status ${status}`, async () => {
      server.answerBy((_, response) => response.writeHead(status).end())
      expect(await failure()).toContain(`status ${status}`)
    })

  test('that is too long, with or without saying so, and the rest is not read', async () => {
    server.answerBy((_, response) => response.end('x'.repeat(BYTES_MAX + 1)))
    expect(await failure()).toContain('more than 1000 bytes')
    let sent = 0
    server.answerBy((_, response) => {
      const chunk = Buffer.alloc(64 * 1024)
      const more = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length
      }
      response.on('drain', more)
      more()
    })
    expect(await failure()).toContain('more than 1000 bytes')
    // What fits into the buffers on the way, and no more of the gigabyte that it would send.
    expect(sent).toBeLessThan(64 * 1024 * 1024)
  })

  test('that is packed, however small it looks', async () => {
    const bomb = gzipSync(Buffer.alloc(1024 * 1024))
    for (const encoding of ['gzip', 'deflate', 'br', 'gzip, identity']) {
      server.answerBy((_, response) =>
        response.writeHead(200, { 'content-encoding': encoding }).end(bomb.subarray(0, 500)),
      )
      expect(await failure()).toContain('packed')
    }
  })

  test('with headers without end', async () => {
    server.answerBy((_, response) => {
      response.setHeader('x-long', 'x'.repeat(20_000))
      response.end('{}')
    })
    expect(await failure()).toContain('HPE_HEADER_OVERFLOW')
  })

  test('that is no UTF-8', async () => {
    server.answerBy((_, response) => response.end(Buffer.from([0x22, 0xff, 0x22])))
    expect(await failure()).toContain('cannot be asked')
  })

  test('that breaks off', async () => {
    server.answerBy((_, response) => {
      response.writeHead(200, { 'content-length': '500' })
      response.write('{', () => response.destroy())
    })
    expect(await failure()).toContain('ECONNRESET')
  })

  const soon = { timeoutMs: 300 }

  test('that drips', async () => {
    server.answerBy((_, response) => {
      const drip = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(drip))
    })
    expect(await failure(URL_OF, soon)).toContain('in time')
  })

  test('that never begins', async () => {
    server.answerBy(() => {})
    expect(await failure(URL_OF, soon)).toContain('in time')
  })

  test('after a look-up that never ends', async () => {
    const lookUp = () => new Promise<never>(() => {})
    expect(await failure(URL_OF, { ...soon, lookUp })).toContain('in time')
  })
})
