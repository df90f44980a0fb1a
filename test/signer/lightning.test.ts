import { appendFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type LightningReply, signFreezeAct } from '../../src/approval/index.ts'
import { sha256 } from '../../src/lib/bitcoin/hash.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { paymentHash, payoutId, unixMs } from '../../src/lib/ids.ts'
import { askForInvoice, askForPreimage } from '../../src/lib/lightning/lnurl-client.ts'
import { sats } from '../../src/lib/money.ts'
import type { PaymentNews } from '../../src/lib/nodes/lnd-client.ts'
import type { NodeLook, OpeningNode, PayingNode } from '../../src/signer/lightning-node-client.ts'
import { writeInvoice } from '../support/invoice.ts'
import { type StrangersServer, strangersServer } from '../support/strangers-server.ts'
import {
  endRequest,
  hashOfNumber,
  invoicesRequest,
  LOOK,
  lineManifest,
  payRequest,
} from './lightning-world.ts'
import { HOUR_MS, KEYS, type SignerWorld, START, signerWorld } from './world.ts'

const MANIFEST = lineManifest()
const PAY_REQUEST = {
  ...{ tag: 'payRequest', callback: 'https://api.example.com/cb', metadata: '[]' },
  ...{ minSendable: 1000, maxSendable: 100_000_000 },
}
const HERE = { ...LOOK, height: 906 }

let server: StrangersServer
let world: SignerWorld
/** What lnd says; a call ends when the test lets it. */
let look: NodeLook
let news: PaymentNews
let paid: string[]
let ends: ((news: PaymentNews) => void)[]
/** Invoices that the payee's server has given. */
let given: number
/** How many addresses are asked, and were at once. */
let asking: number
let mostAsking: number

beforeAll(async () => {
  server = await strangersServer()
})
afterAll(() => server.stop())

beforeEach(async () => {
  look = HERE
  news = { kind: 'not found' }
  paid = []
  ends = []
  given = 0
  asking = 0
  mostAsking = 0
  server.answerBy(({ url }, response) => {
    const isFirst = url?.startsWith('/.well-known/')
    response.end(JSON.stringify(isFirst ? PAY_REQUEST : { pr: nextInvoice() }))
  })
  const node: PayingNode & OpeningNode = {
    open: async () => 'no channels here',
    look: async () => look,
    channels: async () => null,
    decodeComplaint: async () => null,
    track: async () => news,
    pay: ({ invoice }) => {
      paid.push(invoice.paymentHash)
      return new Promise(resolve => ends.push(resolve))
    },
  }
  const clock = { now: () => world.clock.now() }
  world = await signerWorld({
    lightning: {
      node,
      askForPreimage: (url, hash) => askForPreimage(url, hash, server.egress),
      askForInvoice: async (address, asked, comment) => {
        asking++
        mostAsking = Math.max(mostAsking, asking)
        const offer = await askForInvoice(address, asked, { comment, egress: server.egress, clock })
        asking--
        return offer
      },
    },
  })
})
afterEach(() => world.remove())

function nextInvoice(): string {
  given++
  return writeInvoice({ paymentHash: hashOfNumber(given) })
}

const invoices = (n = 1, payee = 0) =>
  world.signer.lightning(invoicesRequest(MANIFEST, [{ payee, n }]))
const pay = (call = 1) =>
  world.signer.lightning(payRequest(MANIFEST, [{ paymentHash: hashOfNumber(1), call }]))
const end = () => world.signer.lightning(endRequest(MANIFEST, [{ payee: 0, n: 1, isLast: false }]))

function said(reply: LightningReply): string {
  if (reply.kind === 'refused') return reply.reason
  if (reply.kind === 'closed' || reply.kind === 'opening') return reply.kind
  return reply.lines.map(line => ('reason' in line ? line.reason : line.kind)).join()
}

/** Lets what waits for nothing but the next turn come to its end. */
const settled = () => new Promise(resolve => setImmediate(resolve))

test('a stranger who does not answer keeps nobody else waiting', async () => {
  let isAsked = () => {}
  const asked = new Promise<void>(resolve => {
    isAsked = resolve
  })
  let answer = () => {}
  server.answerBy(({ url }, response) => {
    const isFirst = url?.startsWith('/.well-known/')
    answer = () => response.end(JSON.stringify(isFirst ? PAY_REQUEST : { pr: nextInvoice() }))
    if (isFirst) answer()
    else isAsked()
  })
  const waiting = invoices()
  await asked
  const words = { network: 'regtest', scope: 'lightning', reason: 'a test', at: unixMs(START) }
  const frozen = await world.signer.freeze([
    signFreezeAct(KEYS.alice, { kind: 'freeze', ...words }),
  ])
  expect(frozen.kind).toBe('taken')
  answer()
  // What was frozen while the stranger was asked is judged anew.
  expect(said(await waiting)).toBe('the rail is frozen')
})

test('two that ask for one line at once get one invoice', async () => {
  const both = await Promise.all([invoices(), invoices()])
  expect(both.map(said)).toEqual(['invoice', 'invoice'])
  const texts = both.map(reply => JSON.stringify('lines' in reply && reply.lines))
  expect(texts[0]).toBe(texts[1])
})

test('16 strangers are asked at once, and the rest after them', async () => {
  const payees = Array.from({ length: 40 }, (_, at) => ({
    ...{ amount: sats(1000n), feeMax: sats(10n), payouts: [payoutId(BigInt(at + 1))] },
    destination: `m${String(at).padStart(2, '0')}@pay.example.org`,
  }))
  const manifest = lineManifest({ payees, feeMax: sats(400n) })
  const lines = payees.map((_, payee) => ({ payee, n: 1 }))
  const reply = await world.signer.lightning(invoicesRequest(manifest, lines))
  expect(said(reply)).toBe(Array(40).fill('invoice').join())
  expect(mostAsking).toBe(16)
})

test('a batch that expired before anything of it was given is closed', async () => {
  world.clock.set(MANIFEST.expiresAt)
  expect(said(await invoices())).toBe('closed')
  expect(said(await end())).toBe('ended')
  await world.restart()
  expect(said(await invoices())).toBe('closed')
})

test('a call is made once it is on the disk, and over restarts never again', async () => {
  await invoices()
  expect(said(await pay())).toBe('called')
  expect(said(await pay())).toBe('called')
  expect(said(await pay(2))).toBe('a call of it is open')
  expect(said(await end())).toBe('a call of it is open')
  await world.restart()
  expect(said(await pay())).toBe('called')
  expect(paid).toEqual([hashOfNumber(1)])
  // The process before is gone, and its call with it.
  expect(said(await pay(2))).toBe('called')
  expect(paid).toHaveLength(2)
})

test('what lnd knows nothing of is ended after three minutes of look-ups, counted from the call', async () => {
  await invoices()
  await pay()
  ends[0]?.({ kind: 'no answer', reason: 'a test' })
  await settled()
  expect(said(await end())).toBe('lnd knows nothing of it yet')
  world.clock.set(START + 180_000 - 1)
  expect(said(await end())).toBe('lnd knows nothing of it yet')
  // A further call, and it is counted anew.
  await pay(2)
  ends[1]?.({ kind: 'no answer', reason: 'a test' })
  await settled()
  world.clock.set(START + 180_000)
  expect(said(await end())).toBe('lnd knows nothing of it yet')
  await world.restart()
  world.clock.set(START + 2 * 180_000)
  expect(said(await end())).toBe('lnd knows nothing of it yet')
  world.clock.set(START + 3 * 180_000)
  expect(said(await end())).toBe('ended')
  expect(said(await pay(3))).toBe('attempt 1 has ended')
  expect(said(await invoices(2))).toBe('invoice')
})

test('an lnd that has fewer payments than before is called no more', async () => {
  await invoices()
  await pay()
  ends[0]?.({ kind: 'no answer', reason: 'a test' })
  await settled()
  look = { ...HERE, newestIndex: 4n }
  const lost = 'this lnd has lost payments that it had'
  expect(said(await pay(2))).toBe(lost)
  // It is in the memory, so a restart does not forget it either.
  await world.restart()
  expect(said(await pay(2))).toBe(lost)
  world.clock.set(START + HOUR_MS)
  await end()
  world.clock.set(START + 2 * HOUR_MS)
  expect(said(await end())).toBe(lost)
})

test.each<[string, NodeLook]>([
  ['does not answer', { kind: 'away', reason: 'lnd cannot be asked: a test' }],
  ['is of another network', { kind: 'unfit', reason: 'lnd is on signet, not on regtest' }],
])('nothing is given or called where lnd %s', async (_, found) => {
  await invoices()
  look = found
  const before = (await world.signer.status({ head: null })).head
  expect(said(await invoices(1, 1))).toBe('reason' in found ? found.reason : '')
  expect(said(await pay())).toBe('reason' in found ? found.reason : '')
  expect(paid).toEqual([])
  expect((await world.signer.status({ head: null })).head).toEqual(before)
  expect(said(await end())).toBe('ended')
})

test('what the disk does not take is neither given nor called', async () => {
  await invoices()
  appendFileSync(world.path, 'x')
  expect(said(await pay())).toBe('somebody else has changed the memory')
  expect(said(await invoices(1, 1))).toBe('somebody else has changed the memory')
  expect(paid).toEqual([])
})

test('a host without lnd pays nothing', async () => {
  const other = await signerWorld()
  const reply = await other.signer.lightning(invoicesRequest(MANIFEST, [{ payee: 0, n: 1 }]))
  expect(said(reply)).toBe('this host pays nothing over Lightning')
  await other.remove()
})

describe('a payee who says whether it was paid', () => {
  const preimage = '5a'.repeat(32)
  const hash = paymentHash(toHex(sha256(fromHex(preimage))))
  const verify = 'https://api.example.com/verify/1'
  const NOTHING = 'lnd knows nothing of it yet'
  const FORGOTTEN: NodeLook = { ...HERE, newestIndex: 0n }
  let shown: object

  beforeEach(async () => {
    shown = { status: 'OK', settled: true, preimage, pr: '' }
    server.answerBy(({ url }, response) => {
      const pr = writeInvoice({ paymentHash: hash })
      const callback = url?.startsWith('/verify') ? shown : { pr, verify }
      const isFirst = url?.startsWith('/.well-known/')
      response.end(JSON.stringify(isFirst ? PAY_REQUEST : callback))
    })
    await invoices()
    await world.signer.lightning(payRequest(MANIFEST, [{ paymentHash: hash }]))
    ends[0]?.({ kind: 'no answer', reason: 'a test' })
    await settled()
  })
  const asked = () => server.seen.filter(url => url.includes('/verify')).length

  test('is asked where lnd has lost what it knew, also after a restart, and shows it', async () => {
    await world.restart()
    const before = asked()
    look = FORGOTTEN
    expect(await end()).toMatchObject({
      lines: [{ kind: 'alive', reason: 'its payee shows that it was paid', preimage }],
    })
    expect(asked()).toBe(before + 1)
  })

  test('is asked every ten minutes, and its silence proves nothing', async () => {
    const before = asked()
    look = FORGOTTEN
    shown = { status: 'OK', settled: false, preimage: null, pr: '' }
    for (let time = 0; time < 3; time++) expect(said(await end())).toBe(NOTHING)
    expect(asked()).toBe(before + 1)
    world.clock.set(world.clock.now() + 600_000)
    expect(said(await end())).toBe('this lnd has lost payments that it had')
    expect(asked()).toBe(before + 2)
  })

  test.each<[string, object]>([
    ['another preimage', { settled: true, preimage: '5b'.repeat(32) }],
    ['no preimage', { settled: true, preimage: null }],
    ['one that is not settled', { settled: false, preimage }],
    ['an error', { status: 'ERROR', reason: 'not found' }],
  ])('is not believed for %s', async (_, answer) => {
    look = FORGOTTEN
    shown = answer
    expect(said(await end())).toBe(NOTHING)
  })

  test('is not asked while lnd knows', async () => {
    const before = asked()
    expect(said(await end())).toBe(NOTHING)
    expect(asked()).toBe(before)
  })
})
