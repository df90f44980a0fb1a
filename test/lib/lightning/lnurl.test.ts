import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { paymentHash, unixMs } from '../../../src/lib/ids.ts'
import { parseLightningAddress } from '../../../src/lib/lightning/destination.ts'
import type { Asked } from '../../../src/lib/lightning/invoice.ts'
import { askForInvoice, askForPreimage } from '../../../src/lib/lightning/lnurl-client.ts'
import { millisats } from '../../../src/lib/money.ts'
import { type WrittenInvoice, writeInvoice } from '../../support/invoice.ts'
import { type StrangersServer, strangersServer } from '../../support/strangers-server.ts'

const NOW_SECONDS = 1_800_000_000
const ADDRESS = parseLightningAddress('satoshi@pay.example.org')
const ASKED: Asked = { network: 'regtest', amount: millisats(1_000_000n), cltvBlocksMax: 144 }
const METADATA = '[["text/plain","for satoshi"],["text/identifier","satoshi@pay.example.org"]]'
const REQUEST = {
  tag: 'payRequest',
  callback: 'https://api.example.com/cb?user=%7E1&x=a+b',
  minSendable: 1000,
  maxSendable: 100_000_000,
  metadata: METADATA,
}
const CALLBACK = 'api.example.com/cb?user=%7E1&x=a+b&amount=1000000'
const PREIMAGE = '42'.repeat(32)
const HASH = paymentHash(sha256Hex(Buffer.from(PREIMAGE, 'hex')))

let server: StrangersServer

beforeAll(async () => {
  server = await strangersServer()
})

afterAll(() => server.stop())

function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const written = (invoice: WrittenInvoice) =>
  writeInvoice({ createdAtSeconds: NOW_SECONDS, ...invoice })

/** What the two requests are answered with: a value as JSON, or a text as it is. */
function serve(request: unknown, answer: unknown): void {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  server.answerBy(({ url }, response) =>
    response.end(url?.startsWith('/.well-known/') ? text(request) : text(answer)),
  )
}

async function ask(comment = '') {
  if (ADDRESS === null) throw new Error('the address is one')
  const clock = { now: () => unixMs(1000 * NOW_SECONDS) }
  return askForInvoice(ADDRESS, ASKED, { comment, egress: server.egress, clock })
}

async function reason(): Promise<string> {
  const offer = await ask()
  return offer.kind === 'none' ? offer.reason : 'an invoice'
}

describe('an address gives an invoice', () => {
  beforeEach(() => serve(REQUEST, { pr: written({}), routes: [] }))

  test('for exactly the amount, from the server that it names, in two requests', async () => {
    expect(await ask()).toMatchObject({
      kind: 'invoice',
      invoice: { text: written({}), amount: 1_000_000n },
      ...{ verifyUrl: null, described: 'in words', namesAddress: true },
    })
    expect(server.seen).toEqual(['pay.example.org/.well-known/lnurlp/satoshi', CALLBACK])
  })

  test('with a comment where it takes one that long, and else without', async () => {
    for (const [commentAllowed, comment, sent] of [
      [undefined, 'payout 7', ''],
      [null, 'payout 7', ''],
      [7, 'payout 7', ''],
      [8, 'payout 7', '&comment=payout%207'],
      [4, '&₿?#', '&comment=%26%E2%82%BF%3F%23'],
      [100, '', ''],
    ] as const) {
      serve({ ...REQUEST, commentAllowed }, { pr: written({}) })
      expect((await ask(comment)).kind).toBe('invoice')
      expect(server.seen[1]).toBe(CALLBACK + sent)
    }
  })

  test('and says by what description it was made, and where to ask whether it was paid', async () => {
    const verify = 'https://api.example.com/verify/1'
    for (const [hash, described] of [
      [sha256Hex(METADATA), 'by this metadata'],
      [sha256Hex('other'), 'by other metadata'],
    ] as const) {
      serve(REQUEST, { pr: written({ descriptionHash: hash }), verify })
      expect(await ask()).toMatchObject({ kind: 'invoice', described, verifyUrl: verify })
    }
    serve({ ...REQUEST, metadata: '[["text/plain","anybody"]]' }, { pr: written({}) })
    expect(await ask()).toMatchObject({ kind: 'invoice', namesAddress: false })
  })

  test('with a picture as large as is allowed', async () => {
    const picture = ['image/png;base64', 'A'.repeat(136_536)]
    serve({ ...REQUEST, metadata: JSON.stringify([picture]) }, { pr: written({}) })
    expect((await ask()).kind).toBe('invoice')
  })

  test('and an action for afterwards, which is not followed', async () => {
    const url = 'https://api.example.com/thanks'
    serve(REQUEST, { pr: written({}), successAction: { tag: 'url', description: '', url } })
    expect((await ask()).kind).toBe('invoice')
    expect(server.seen).toHaveLength(2)
  })
})

describe('no invoice is taken', () => {
  const invoices: readonly (readonly [string, WrittenInvoice, string])[] = [
    ['for less', { prefix: 'lnbcrt9999990p' }, 'not for 1000000 msat'],
    ['for more', { prefix: 'lnbcrt1m' }, 'not for 1000000 msat'],
    ['without an amount', { prefix: 'lnbcrt' }, 'no amount'],
    ['of another network', { prefix: 'lnbc10u' }, 'for mainnet'],
    ['that has expired', { createdAtSeconds: NOW_SECONDS - 3600 }, 'expired'],
    ['that expires soon', { expirySeconds: 60 }, 'too soon'],
    ['that may be held for weeks', { cltvBlocks: 2016 }, '2016 blocks'],
    ['that may be held on its way', { hints: [[2016]] }, '2016 blocks'],
  ]
  for (const [what, invoice, why] of invoices)
    test(what, async () => {
      serve(REQUEST, { pr: written(invoice) })
      expect(await reason()).toContain(why)
    })

  const answers: readonly (readonly [string, unknown, string])[] = [
    ['a web page', '<!doctype html><html><script>alert(1)</script></html>', 'no invoice'],
    ['nothing', '', 'no invoice'],
    ['a number', '7', 'no invoice'],
    ['an empty list', [], 'no invoice'],
    ['no text as invoice', { pr: 7 }, 'no invoice'],
    ['garbage as invoice', { pr: 'lnbcrt1garbage' }, 'cannot be read'],
    ['an offer', { pr: 'lno1qgsqvgnwgcg35z6ee2h3yczraddm72xrfua' }, 'cannot be read'],
    ['a demand', { pr: written({}), successAction: { tag: 'mint' } }, 'not known here'],
    ['a refusal', { status: 'ERROR', reason: 'no <b>liquidity</b>\n\u0007\u202e' }, 'refuses: "no'],
    ['a refusal in other case', { status: 'error' }, 'refuses: ""'],
    ['a refusal without end', { status: 'ERROR', reason: 'x'.repeat(9000) }, 'refuses: "xxx'],
    ['too much', { pr: written({}), more: 'x'.repeat(16 * 1024) }, 'more than'],
  ]
  for (const [what, answer, why] of answers)
    test(`where ${what} comes for it`, async () => {
      serve(REQUEST, answer)
      const said = await reason()
      expect(said).toContain(why)
      expect(said).toMatch(/^[\x20-\x7e]{1,250}$/)
    })

  const requests: readonly (readonly [string, unknown, string])[] = [
    ['a web page', '<html>', 'nothing that can be paid'],
    ['a refusal', { status: 'ERROR', reason: 'unknown user' }, 'refuses: "unknown user"'],
    ['another kind of LNURL', { ...REQUEST, tag: 'withdrawRequest' }, 'nothing that can be paid'],
    ['an amount in words', { ...REQUEST, minSendable: '1000' }, 'nothing that can be paid'],
    ['an amount of nothing', { ...REQUEST, minSendable: 0 }, 'nothing that can be paid'],
    ['half an amount', { ...REQUEST, minSendable: 0.5 }, 'nothing that can be paid'],
    ['an amount past all numbers', { ...REQUEST, maxSendable: 1e300 }, 'nothing that can be paid'],
    ['no amount at all', { ...REQUEST, minSendable: 7, maxSendable: 6 }, 'no amount at all'],
    ['more at least', { ...REQUEST, minSendable: 1_000_001 }, '1000001 msat at least'],
    ['less at most', { ...REQUEST, maxSendable: 999_999 }, '999999 msat at most'],
    ['no metadata', { ...REQUEST, metadata: undefined }, 'nothing that can be paid'],
    ['metadata that is none', { ...REQUEST, metadata: '{}' }, 'makes sense'],
    ['too much', { ...REQUEST, metadata: 'x'.repeat(200_000) }, 'more than'],
  ]
  for (const [what, request, why] of requests)
    test(`where the address answers with ${what}`, async () => {
      serve(request, { pr: written({}) })
      expect(await reason()).toContain(why)
      expect(server.seen).toHaveLength(1)
    })

  for (const callback of [
    'http://api.example.com/cb',
    'https://127.0.0.1/cb',
    'https://[::1]:10009/v1/channels',
    'https://api.example.com:10009/',
    'https://user:pass@api.example.com/',
    'javascript:alert(1)',
    '/cb',
    '',
  ])
    test(`where its callback is ${callback || 'nothing'}`, async () => {
      serve({ ...REQUEST, callback }, { pr: written({}) })
      expect(await reason()).toContain('the URL')
      expect(server.seen).toHaveLength(1)
    })

  test('where its callback is a name that leads inside', async () => {
    serve(REQUEST, { pr: written({}) })
    const inside = Uint8Array.of(10, 0, 0, 1)
    const egress = {
      ...server.egress,
      lookUp: async (domain: string, signal: AbortSignal) =>
        domain === 'api.example.com' ? [inside] : server.egress.lookUp(domain, signal),
    }
    if (ADDRESS === null) throw new Error('the address is one')
    const clock = { now: () => unixMs(1000 * NOW_SECONDS) }
    const offer = await askForInvoice(ADDRESS, ASKED, { comment: '', egress, clock })
    expect(offer).toMatchObject({
      kind: 'none',
      reason: expect.stringContaining('not on the public'),
    })
    expect(server.seen).toHaveLength(1)
  })
})

describe('a payee proves that it was paid', () => {
  const url = 'https://api.example.com/verify/1'
  const shown = { status: 'OK', settled: true, preimage: PREIMAGE, pr: 'lnbc1' }
  const cases: readonly (readonly [string, unknown, string | null])[] = [
    ['the preimage', shown, PREIMAGE],
    ['the preimage in capitals', { ...shown, preimage: PREIMAGE.toUpperCase() }, PREIMAGE],
    ['another preimage', { ...shown, preimage: '43'.repeat(32) }, null],
    ['no preimage', { ...shown, preimage: null }, null],
    ['half a preimage', { ...shown, preimage: '42' }, null],
    ['that it was not paid', { ...shown, settled: false }, null],
    ['an error', { status: 'ERROR', reason: 'Not found' }, null],
    ['garbage', 'settled', null],
  ]
  for (const [what, answer, preimage] of cases)
    test(`${preimage === null ? 'not ' : ''}by ${what}`, async () => {
      serve(REQUEST, answer)
      expect(await askForPreimage(url, HASH, server.egress)).toBe(preimage)
    })

  test('not by a page on our own host', async () => {
    serve(REQUEST, shown)
    expect(await askForPreimage('https://127.0.0.1/', HASH, server.egress)).toBeNull()
    expect(server.connections()).toBe(0)
  })
})
