import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LightningReply, LineManifest } from '../../src/approval/index.ts'
import { sha256 } from '../../src/lib/bitcoin/hash.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { batchId, type PaymentHash, paymentHash, payoutId, unixMs } from '../../src/lib/ids.ts'
import { parseBolt11 } from '../../src/lib/lightning/bolt11.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import type { PaymentNews } from '../../src/lib/nodes/lnd-client.ts'
import type { LndPayment } from '../../src/lib/nodes/lnd-replies.ts'
import { judgePay } from '../../src/signer/lightning-call-rules.ts'
import type { Memory } from '../../src/signer/memory.ts'
import { writeInvoice } from '../support/invoice.ts'
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
  STAND,
  standingOf,
} from './lightning-world.ts'
import { HOUR_MS, type SignerWorld, START, signerWorld } from './world.ts'

const ANN = 'ann@pay.example.org'
const FULL = 'too much is on its way to this destination'

/** One payee a batch; nothing but its number tells one from the next. */
function batchTo(number: number, destination = ANN, amount = 1000n): LineManifest {
  const payee = { destination, amount: sats(amount), feeMax: sats(10n) }
  return lineManifest({
    ...{ batch: batchId(BigInt(number)), feeMax: sats(10n) },
    payees: [{ ...payee, payouts: [payoutId(BigInt(number))] }],
  })
}

describe('what is called beside what is on its way', () => {
  const called = (memory: Memory, manifest: LineManifest, call = 1) =>
    remembering(memory, [
      {
        ...({ kind: 'ln calls', manifest: hashOf(manifest), node: NODE, newestIndex: 5n } as const),
        lines: [{ payee: 0, n: 1, call, feeMaxMsat: millisats(5000n) }],
      },
    ])
  /** Whatever this host's rules say of it, with an invoice for each line. */
  const begun = (memory: Memory, manifest: LineManifest, at: number, first = 1) => {
    const { batch, expiresAt, payees } = manifest
    const lines = payees.map(({ amount: amountSats, feeMax: feeMaxSats }, payee) => {
      const paymentHash = hashOfNumber(payee + first)
      const prefix = `lnbcrt${amountSats * 10n}n`
      const invoice = writeInvoice({ paymentHash, prefix, createdAtSeconds: at / 1000 })
      return { payee, n: 1, paymentHash, invoice, amountSats, feeMaxSats }
    })
    const begin = {
      ...({ kind: 'ln batch', batch: String(batch), by: 'operators', expiresAt } as const),
      ...{ manifest: hashOf(manifest), spendSats: sats(1n) },
      payees: payees.map(({ destination, amount }) => ({ destination, amountSats: amount })),
    }
    const given = { kind: 'ln invoices', manifest: hashOf(manifest), node: NODE, lines } as const
    return remembering(memory, [begin, given], at)
  }
  const given = (memory: Memory, number: number) =>
    givenTo(batchTo(number), { 0: number }, { memory })
  /** Three are on their way to Ann, and a fourth has its invoice. */
  const THREE = [1, 2, 3].reduce(
    (memory, number) => called(given(memory, number), batchTo(number)),
    FRESH,
  )
  const FOUR = given(THREE, 4)
  const pay = (
    memory: Memory,
    change: { resting?: readonly (readonly [PaymentHash, number])[]; open?: PaymentHash[] } = {},
    number = 4,
    call = 1,
  ) => {
    const request = payRequest(batchTo(number), [{ paymentHash: hashOfNumber(number), call }])
    return judgePay(standingOf(memory), request, {
      ...{ node: STAND, open: new Set(change.open), resting: new Map(change.resting) },
    })
  }
  const answer = (judged: ReturnType<typeof pay>) => {
    if (judged.kind === 'refused') return judged.reason
    const [line] = judged.lines
    return line?.kind === 'refused' ? line.reason : `called, ${judged.orders.length}`
  }
  const ended = (memory: Memory, number: number) =>
    remembering(memory, [
      {
        ...({ kind: 'ln ended', manifest: hashOf(batchTo(number)) } as const),
        lines: [{ payee: 0, n: 1, isLast: false }],
      },
    ])
  const paid = (memory: Memory, number: number) =>
    remembering(memory, [
      {
        ...({ kind: 'ln paid', manifest: hashOf(batchTo(number)) } as const),
        lines: [{ payee: 0, n: 1 }],
      },
    ])
  const rest = (number: number, calls = 1) => [[hashOfNumber(number), calls]] as const

  test('is refused where it were one too many, and says which take the room', () => {
    const judged = pay(FOUR)
    expect(answer(judged)).toBe(FULL)
    if (judged.kind !== 'called') throw new Error('all lines were judged')
    expect(judged.event).toBeNull()
    expect(judged.rivals.map(each => [each.paymentHash, each.calls])).toEqual(
      [1, 2, 3].map(number => [hashOfNumber(number), 1]),
    )
  })

  test.each<[string, Memory, Parameters<typeof pay>[1], string]>([
    ['one of them has ended', ended(FOUR, 2), {}, 'called, 1'],
    ['one of them was paid', paid(FOUR, 2), {}, 'called, 1'],
    ['one of them has failed', FOUR, { resting: rest(2) }, 'called, 1'],
    ['one of them is none', FOUR, { resting: rest(9) }, FULL],
    [
      'one has failed, and is called again',
      called(FOUR, batchTo(2), 2),
      { resting: rest(2) },
      FULL,
    ],
    [
      'one has failed, and a call of it is open',
      FOUR,
      { resting: rest(2), open: [hashOfNumber(2)] },
      FULL,
    ],
  ])('where %s', (_, memory, change, said) => expect(answer(pay(memory, change))).toBe(said))

  test('goes on with its own later calls, whatever else is on its way', () => {
    expect(answer(pay(THREE, {}, 3, 2))).toBe('called, 1')
  })

  test('counts what other batches have sent, also those that have expired', () => {
    const later = unixMs(START + 7 * HOUR_MS)
    const next = { ...batchTo(4), createdAt: later, expiresAt: unixMs(later + HOUR_MS) }
    const memory = begun(THREE, next, later, 4)
    const request = payRequest(next, [{ paymentHash: hashOfNumber(4) }])
    const judged = judgePay(standingOf(memory, { now: later }), request, {
      ...{ node: STAND, open: new Set<PaymentHash>(), resting: new Map() },
    })
    expect(answer(judged)).toBe(FULL)
  })

  test('counts what one request asks for together', () => {
    const payees = ['a', 'b', 'c', 'd', 'e'].map((name, at) => ({
      ...{ destination: `${name}@big.example`, amount: sats(5_000_000n), feeMax: sats(10n) },
      payouts: [payoutId(BigInt(at + 1))],
    }))
    const manifest = lineManifest({ payees, feeMax: sats(50n) })
    const memory = begun(FRESH, manifest, START)
    const lines = payees.map((_, payee) => ({ payee, paymentHash: hashOfNumber(payee + 1) }))
    const judged = judgePay(standingOf(memory), payRequest(manifest, lines), {
      ...{ node: STAND, open: new Set<PaymentHash>(), resting: new Map() },
    })
    expect(judged).toMatchObject({ kind: 'called' })
    if (judged.kind !== 'called') return
    expect(judged.orders).toHaveLength(4)
    expect(judged.lines[4]).toMatchObject({ reason: 'too much is on its way to its domain' })
  })

  test('is never paid twice in the memory, nor before it was called', () => {
    expect(() => paid(paid(FOUR, 2), 2)).toThrow('does not follow')
    expect(() => paid(FOUR, 4)).toThrow('does not follow')
    expect(paid(FOUR, 2).lightning.open.size).toBe(2)
  })
})

describe('a host', () => {
  let world: SignerWorld
  let news: Map<string, PaymentNews>
  let ends: Map<string, (news: PaymentNews) => void>
  let looked: string[]
  const preimageOf = (number: number) => number.toString(16).padStart(64, 'e')
  const hashAt = (number: number) => paymentHash(toHex(sha256(fromHex(preimageOf(number)))))
  let given = 0

  beforeEach(async () => {
    ;[news, ends, looked, given] = [new Map(), new Map(), [], 0]
    world = await signerWorld({
      lightning: {
        node: {
          look: async () => LOOK,
          decodeComplaint: async () => null,
          channels: async () => null,
          track: async hash => {
            looked.push(hash)
            return news.get(hash) ?? { kind: 'no answer', reason: 'away' }
          },
          pay: ({ invoice }) => new Promise(resolve => ends.set(invoice.paymentHash, resolve)),
          open: async () => 'no channels here',
        },
        askForPreimage: async () => null,
        askForInvoice: async () => {
          given++
          const read = parseBolt11(writeInvoice({ paymentHash: hashAt(given) }))
          if (read.kind === 'refused') throw new Error(read.reason)
          return {
            ...{ kind: 'invoice', invoice: read.invoice, verifyUrl: null },
            ...{ described: 'in words', namesAddress: true },
          }
        },
      },
    })
    for (const number of [1, 2, 3]) expect(await payNext(number)).toBe('called')
  })
  afterEach(() => world.remove())

  const said = (reply: LightningReply) => {
    if (reply.kind === 'refused') return reply.reason
    if (reply.kind === 'closed' || reply.kind === 'opening') return reply.kind
    return reply.lines.map(line => ('reason' in line ? line.reason : line.kind)).join()
  }
  const pay = async (number: number) =>
    said(
      await world.signer.lightning(payRequest(batchTo(number), [{ paymentHash: hashAt(number) }])),
    )
  const payNext = async (number: number) => {
    await world.signer.lightning(invoicesRequest(batchTo(number), [{ payee: 0, n: 1 }]))
    return pay(number)
  }
  const payment = (number: number, change: Partial<LndPayment>): PaymentNews => ({
    kind: 'payment',
    payment: {
      ...{ paymentHash: hashAt(number), status: 'failed', amount: millisats(1_000_000n) },
      ...{ index: 5n, fee: millisats(1n), preimage: '00'.repeat(32), unresolvedHtlcs: 0 },
      ...{ untilHeight: null, firstHops: [], ...change },
    },
  })
  const ending = async (number: number, as: PaymentNews) => {
    ends.get(hashAt(number))?.(as)
    await new Promise(resolve => setImmediate(resolve))
  }
  const SILENCE: PaymentNews = { kind: 'no answer', reason: 'in time' }

  test('sends the next once lnd has said that one was made, and remembers that', async () => {
    expect(await payNext(4)).toBe(FULL)
    await ending(2, payment(2, { status: 'succeeded', preimage: preimageOf(2) }))
    expect(await pay(4)).toBe('called')
    expect(looked).toEqual([])
    const noted = readFileSync(world.path, 'utf8')
      .split('\n')
      .filter(line => /ln paid/.test(line))
    expect(noted).toHaveLength(1)
    await world.restart()
    expect(await payNext(5)).toBe(FULL)
    expect(looked.toSorted()).toEqual([1, 3, 4].map(hashAt).toSorted())
  })

  test.each<[string, PaymentNews, string]>([
    ['was made', payment(1, { status: 'succeeded', preimage: preimageOf(1) }), 'called'],
    ['failed', payment(1, {}), 'called'],
    ['failed, but for a part', payment(1, { unresolvedHtlcs: 1 }), FULL],
    ['was made, by a preimage that is none', payment(1, { status: 'succeeded' }), FULL],
    ['is on its way', payment(1, { status: 'in flight', unresolvedHtlcs: 1 }), FULL],
    ['is not known', { kind: 'not found' }, FULL],
    ['has no answer', SILENCE, FULL],
  ])('asks lnd where a call was cut off; what %s', async (_, said, answer) => {
    for (const number of [1, 2, 3]) await ending(number, SILENCE)
    news.set(hashAt(1), said)
    expect(await payNext(4)).toBe(answer)
    expect(looked.toSorted()).toEqual([1, 2, 3].map(hashAt).toSorted())
  })

  test('takes the room of what has ended', async () => {
    await ending(1, SILENCE)
    news.set(hashAt(1), payment(1, {}))
    const end = endRequest(batchTo(1), [{ payee: 0, n: 1, isLast: true }])
    expect(said(await world.signer.lightning(end))).toBe('ended')
    looked = []
    expect(await payNext(4)).toBe('called')
    expect(looked).toEqual([])
  })
})
