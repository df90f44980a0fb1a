import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LineManifest } from '../../src/approval/index.ts'
import { batchId, type PaymentHash, payoutId, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import type { PayingNode } from '../../src/signer/lightning-node-client.ts'
import { judgeInvoices, takeOffers } from '../../src/signer/lightning-rules.ts'
import type { Memory } from '../../src/signer/memory.ts'
import { type WrittenInvoice, writeInvoice } from '../support/invoice.ts'
import {
  endRequest,
  FRESH,
  givenTo,
  hashOf,
  hashOfNumber,
  invoicesRequest,
  LOOK,
  lineManifest,
  NODE,
  payRequest,
  remembering,
  standingOf,
} from './lightning-world.ts'
import { HOUR_MS, type SignerWorld, START, signerWorld } from './world.ts'

const MINUTE = 60_000
/** Over 1,000 sat, for an hour. */
const INVOICE = writeInvoice({ paymentHash: hashOfNumber(1) })

/** One line, whose destination is that. */
function manifestOf(destination: string, over: Partial<LineManifest> = {}): LineManifest {
  const payee = { destination, amount: sats(1000n), payouts: [payoutId(1n)], feeMax: sats(10n) }
  return lineManifest({ payees: [payee], feeMax: sats(10n), ...over })
}
const MANIFEST = manifestOf(INVOICE)

/** Judges a request for one line twice, as a host does, and takes what lnd read in between. */
function ask(
  manifest: LineManifest,
  memory: Memory,
  { n = 1, at = START, takenAt = at }: { n?: number; at?: number; takenAt?: number } = {},
) {
  const request = invoicesRequest(manifest, [{ payee: 0, n }])
  const first = judgeInvoices(standingOf(memory, { now: unixMs(at) }), request)
  if (first.kind !== 'invoices') throw new Error(first.kind)
  const begun = remembering(memory, [first.event])
  const later = standingOf(begun, { now: unixMs(takenAt) })
  const second = judgeInvoices(later, request)
  if (second.kind !== 'invoices') throw new Error(second.kind)
  const offers = new Map(
    first.lines.flatMap(line =>
      line.kind === 'brought'
        ? [[line.payee, { kind: 'invoice', invoice: line.invoice, verifyUrl: null }] as const]
        : [],
    ),
  )
  const { event, lines } = takeOffers(later, second, { offers, node: NODE })
  const [line] = lines
  return {
    said: line?.kind === 'none' ? line.reason : line?.kind === 'invoice' ? line.invoice : '',
    memory: remembering(begun, [event]),
  }
}

const ended = (manifest: LineManifest, memory: Memory, isLast = false) =>
  remembering(memory, [
    { kind: 'ln ended', manifest: hashOf(manifest), lines: [{ payee: 0, n: 1, isLast }] },
  ])

describe('an invoice that a manifest names', () => {
  test('is given as it stands there, and again where the reply was lost', () => {
    const once = ask(MANIFEST, FRESH)
    expect(once.said).toBe(INVOICE)
    expect(ask(MANIFEST, once.memory).said).toBe(INVOICE)
  })

  const other = (over: WrittenInvoice) =>
    manifestOf(writeInvoice({ paymentHash: hashOfNumber(1), ...over }))
  const given = ask(MANIFEST, FRESH).memory
  const reissued = writeInvoice({ paymentHash: hashOfNumber(1), description: 'again' })
  const byAddress = givenTo(lineManifest({ batch: batchId(8n) }), { 0: 1 })
  const second = { batch: batchId(9n) }

  test.each<[string, string, string]>([
    [
      'over less than was approved',
      ask(other({ prefix: 'lnbcrt9999990p' }), FRESH).said,
      'not for',
    ],
    ['over more', ask(other({ prefix: 'lnbcrt11u' }), FRESH).said, 'not for 1000000 msat'],
    ['over no amount', ask(other({ prefix: 'lnbcrt' }), FRESH).said, 'names no amount'],
    ['of another network', ask(other({ prefix: 'lntbs10u' }), FRESH).said, 'for signet'],
    ['that holds for long', ask(other({ cltvBlocks: 145 }), FRESH).said, '145 blocks'],
    ['with a way that does', ask(other({ hints: [[145]] }), FRESH).said, '145 blocks'],
    ['in capitals', ask(manifestOf(INVOICE.toUpperCase()), FRESH).said, 'another spelling'],
    ['with a letter changed', ask(manifestOf(`${INVOICE.slice(0, -1)}x`), FRESH).said, 'be read'],
    [
      'that has expired',
      ask(MANIFEST, FRESH, { at: START + HOUR_MS }).said,
      'the invoice has expired',
    ],
    [
      'that expires at once',
      ask(MANIFEST, FRESH, { at: START + HOUR_MS - 2 * MINUTE + 1 }).said,
      'expires too soon',
    ],
    [
      'that expires while lnd reads it',
      ask(MANIFEST, FRESH, { takenAt: START + HOUR_MS - MINUTE }).said,
      'expires too soon',
    ],
    ['in a second batch', ask(manifestOf(INVOICE, second), given).said, 'given before'],
    [
      'in a second batch, where its attempt has ended in the first',
      ask(manifestOf(INVOICE, second), ended(MANIFEST, given)).said,
      'given before',
    ],
    ['reissued under its hash', ask(manifestOf(reissued, second), given).said, 'given before'],
    ['whose hash an address gave', ask(MANIFEST, byAddress).said, 'given before'],
    ['a second time', ask(MANIFEST, given, { n: 2 }).said, 'attempt 1 has not ended'],
    [
      'a second time, though the first attempt has ended',
      ask(MANIFEST, ended(MANIFEST, given), { n: 2 }).said,
      'no other follows',
    ],
    [
      'though its attempt has ended',
      ask(MANIFEST, ended(MANIFEST, given)).said,
      'the next attempt is 2',
    ],
    [
      'though it was ended before it was given',
      ask(MANIFEST, ended(MANIFEST, ask(MANIFEST, FRESH, { at: START + HOUR_MS }).memory, true))
        .said,
      'its line has ended',
    ],
  ])('is not given %s', (_, said, why) => expect(said).toContain(why))

  test('is not given for two lines of one manifest', () => {
    const payees = [INVOICE, reissued].toSorted().map((destination, at) => ({
      ...{ destination, amount: sats(1000n), feeMax: sats(10n) },
      payouts: [payoutId(BigInt(at + 1))],
    }))
    const manifest = lineManifest({ payees, feeMax: sats(20n) })
    const lines = [0, 1].map(payee => ({ payee, n: 1 }))
    const judged = judgeInvoices(standingOf(FRESH), invoicesRequest(manifest, lines))
    if (judged.kind !== 'invoices') throw new Error(judged.kind)
    const offers = new Map(
      judged.lines.flatMap(line =>
        line.kind === 'brought'
          ? [[line.payee, { kind: 'invoice', invoice: line.invoice, verifyUrl: null }] as const]
          : [],
      ),
    )
    const taken = takeOffers(standingOf(FRESH), judged, { offers, node: NODE })
    expect(taken.lines.map(line => line.kind)).toEqual(['invoice', 'none'])
  })
})

describe('a host that pays one', () => {
  let world: SignerWorld
  let paid: PaymentHash[]
  let complaint: string | null
  beforeEach(async () => {
    paid = []
    complaint = null
    const node: PayingNode = {
      look: async () => LOOK,
      decodeComplaint: async () => complaint,
      channels: async () => null,
      track: async () => ({ kind: 'not found' }),
      pay: ({ invoice }) => {
        paid.push(invoice.paymentHash)
        return new Promise(() => {})
      },
    }
    world = await signerWorld({
      lightning: {
        node: { ...node, open: async () => 'no channels here' },
        askForInvoice: () => Promise.reject(new Error('nobody is asked')),
        askForPreimage: () => Promise.reject(new Error('nobody is asked')),
      },
    })
  })
  afterEach(() => world.remove())

  const invoices = () => world.signer.lightning(invoicesRequest(MANIFEST, [{ payee: 0, n: 1 }]))
  const pay = (feeMaxMsat = 10_000n) => {
    const line = { paymentHash: hashOfNumber(1), feeMaxMsat: millisats(feeMaxMsat) }
    return world.signer.lightning(payRequest(MANIFEST, [line]))
  }

  test('asks no server, has lnd read it, and pays it once', async () => {
    expect(await invoices()).toMatchObject({ lines: [{ kind: 'invoice', invoice: INVOICE }] })
    expect(await pay()).toMatchObject({ lines: [{ kind: 'called' }] })
    expect(await pay()).toMatchObject({ lines: [{ kind: 'called' }] })
    expect(paid).toEqual([hashOfNumber(1)])
  })

  test('gives none that lnd reads otherwise, and calls none above its fee', async () => {
    complaint = 'lnd reads another invoice in it'
    expect(await invoices()).toMatchObject({ lines: [{ kind: 'none', reason: complaint }] })
    complaint = null
    await invoices()
    expect(await pay(10_001n)).toMatchObject({ lines: [{ kind: 'refused' }] })
    expect(paid).toEqual([])
  })

  test('pays none that was ended, and gives none after it', async () => {
    await invoices()
    const places = [{ payee: 0, n: 1, isLast: false }]
    expect(await world.signer.lightning(endRequest(MANIFEST, places))).toMatchObject({
      lines: [{ kind: 'ended' }],
    })
    expect(await pay()).toMatchObject({ lines: [{ kind: 'refused' }] })
    expect(await invoices()).toMatchObject({ lines: [{ kind: 'none' }] })
    expect(paid).toEqual([])
  })
})
