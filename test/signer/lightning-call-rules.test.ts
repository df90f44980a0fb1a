import { describe, expect, test } from 'vitest'
import { batchId, digest, type PaymentHash, payoutId, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import type { PaymentNews } from '../../src/lib/nodes/lnd-client.ts'
import type { LndPayment } from '../../src/lib/nodes/lnd-replies.ts'
import {
  judgeEnd,
  judgePay,
  type Look,
  type NodeStand,
} from '../../src/signer/lightning-call-rules.ts'
import type { Memory } from '../../src/signer/memory.ts'
import type { MemoryEvent } from '../../src/signer/memory-entry.ts'
import type { Standing } from '../../src/signer/standing.ts'
import type { EndRequest, PayRequest } from '../../src/treasury/index.ts'
import {
  AMOUNT_MSAT,
  endRequest,
  FEE_MAX_MSAT,
  FRESH,
  frozenBy,
  givenTo,
  hashOf,
  hashOfNumber,
  lineManifest,
  lineOf,
  NODE,
  payRequest,
  remembering,
  STAND,
  standingOf,
} from './lightning-world.ts'
import { HOUR_MS, START } from './world.ts'

const MANIFEST = lineManifest()
const HASH = hashOfNumber(1)
/** Ann has an invoice, and Ben another. */
const GIVEN = givenTo(MANIFEST, { 0: 1, 1: 2 })
const MINUTES = 60_000

const ended = (memory: Memory, n = 1, isLast = false) =>
  remembering(memory, [
    { kind: 'ln ended', manifest: hashOf(MANIFEST), lines: [{ payee: 0, n, isLast }] },
  ])

const called = (memory: Memory, calls: number) =>
  Array.from({ length: calls }, (_, index) => index + 1).reduce(
    (before, call) =>
      remembering(before, [
        {
          ...({
            kind: 'ln calls',
            manifest: hashOf(MANIFEST),
            node: NODE,
            newestIndex: 5n,
          } as const),
          lines: [{ payee: 0, n: 1, call, feeMaxMsat: millisats(5000n) }],
        },
      ]),
    memory,
  )

type Change = {
  readonly memory?: Memory
  readonly node?: Partial<NodeStand>
  readonly open?: readonly PaymentHash[]
  readonly standing?: Partial<Standing>
}
const pay = (line: Partial<PayRequest['lines'][number]>, change: Change = {}) =>
  judgePay(
    standingOf(change.memory ?? GIVEN, change.standing),
    payRequest(MANIFEST, [{ paymentHash: HASH, ...line }]),
    { node: { ...STAND, ...change.node }, open: new Set(change.open) },
  )

function answerOf(judged: ReturnType<typeof pay>): string {
  if (judged.kind === 'refused') return judged.reason
  const [line] = judged.lines
  const orders = judged.orders.length
  expect(orders).toBe(judged.event?.kind === 'ln calls' ? judged.event.lines.length : 0)
  return line?.kind === 'refused' ? line.reason : `called, ${orders}`
}

describe('lnd is called', () => {
  test('once for each line, with every bound, after one word for all', () => {
    const lines = [
      { paymentHash: HASH, feeMaxMsat: millisats(1000n) },
      { payee: 1, paymentHash: hashOfNumber(2), feeMaxMsat: millisats(FEE_MAX_MSAT) },
    ]
    const judged = judgePay(standingOf(GIVEN), payRequest(MANIFEST, lines), {
      ...{ node: STAND, open: new Set<PaymentHash>() },
    })
    expect(judged).toMatchObject({
      event: {
        ...{ kind: 'ln calls', manifest: hashOf(MANIFEST), node: NODE, newestIndex: 5n },
        lines: [
          { payee: 0, n: 1, call: 1, feeMaxMsat: 1000n },
          { payee: 1, n: 1, call: 1, feeMaxMsat: FEE_MAX_MSAT },
        ],
      },
      orders: [1000n, FEE_MAX_MSAT].map((feeMax, at) => ({
        ...{ invoice: { paymentHash: hashOfNumber(at + 1), amount: AMOUNT_MSAT }, feeMax },
        ...{ partsMax: 16, timelockBlocksMax: 40 + 432, trySeconds: 30 },
      })),
    })
  })

  test.each<[string, Partial<PayRequest['lines'][number]>, Change, string]>([
    ['for a first time', {}, {}, 'called, 1'],
    ['for a second time', { call: 2 }, { memory: called(GIVEN, 1) }, 'called, 1'],
    ['while a minute of its invoice is left', {}, late(START + HOUR_MS - MINUTES), 'called, 1'],
    ['while 49 calls are open', {}, { open: others(49) }, 'called, 1'],
  ])('%s', (_, line, change, answer) => expect(answerOf(pay(line, change))).toBe(answer))

  test.each<[string, Partial<PayRequest['lines'][number]>, Change, string]>([
    ['for a call that was made', {}, { memory: called(GIVEN, 1) }, 'called, 0'],
    ['for it while it is open', {}, { memory: called(GIVEN, 1), open: [HASH] }, 'called, 0'],
    [
      'for another while one is open',
      { call: 2 },
      { memory: called(GIVEN, 1), open: [HASH] },
      'a call of it is open',
    ],
    ['out of order', { call: 2 }, {}, 'its next call is 1'],
    ['for an older one', {}, { memory: called(GIVEN, 2) }, 'its next call is 3'],
    ['for another hash', { paymentHash: hashOfNumber(2) }, {}, 'its invoice has another hash'],
    ['for an unknown hash', { paymentHash: hashOfNumber(9) }, {}, 'its invoice has another hash'],
    ['for a line without an attempt', { payee: 2 }, {}, 'attempt 1 is not the newest of its line'],
    ['for a line that is none', { payee: 9 }, {}, 'attempt 1 is not the newest of its line'],
    ['for a later attempt', { n: 2 }, {}, 'attempt 2 is not the newest of its line'],
    ['for one that has ended', {}, { memory: ended(GIVEN) }, 'attempt 1 has ended'],
    [
      'for one that was called and has ended',
      {},
      { memory: ended(called(GIVEN, 1)) },
      'attempt 1 has ended',
    ],
    [
      'for an attempt before the newest',
      {},
      { memory: givenTo(MANIFEST, { 0: 3 }, { memory: ended(GIVEN), n: 2 }) },
      'attempt 1 is not the newest of its line',
    ],
    [
      'above the fee of its line',
      { feeMaxMsat: millisats(FEE_MAX_MSAT + 1n) },
      {},
      'its fee is at most 10 sat',
    ],
    ['when the manifest has expired', {}, late(MANIFEST.expiresAt), 'its manifest has expired'],
    [
      'when its invoice soon expires',
      {},
      late(START + HOUR_MS - MINUTES + 1),
      'its invoice expires',
    ],
    [
      'by another lnd',
      {},
      { node: { publicKey: `03${'bb'.repeat(32)}` } },
      'its invoice was given for another lnd',
    ],
    ['while 50 calls are open', {}, { open: others(50) }, 'too many calls are open'],
    [
      'by one that has forgotten',
      {},
      { node: { hasForgotten: true } },
      'this lnd has lost payments that it had',
    ],
    [
      'by one that is behind',
      {},
      { node: { isSynced: false } },
      'lnd has not seen all blocks and channels yet',
    ],
    [
      'while the rail is frozen',
      {},
      { memory: remembering(GIVEN, [frozenBy('alice', 'lightning')]) },
      'the rail is frozen',
    ],
    [
      'while all are frozen',
      {},
      { memory: remembering(GIVEN, [frozenBy('alice', 'all')]) },
      'the rail is frozen',
    ],
    [
      'for a manifest that was never approved',
      {},
      { memory: FRESH },
      'this host knows no such manifest',
    ],
    [
      'with a clock that is behind',
      {},
      { standing: { now: unixMs(START - 60_001) } },
      'the clock is behind what it has shown before',
    ],
  ])('not %s', (_, line, change, answer) => expect(answerOf(pay(line, change))).toBe(answer))

  test('not twice for one line, nor for a pool that has seen more', () => {
    const lines = [{ paymentHash: HASH }, { paymentHash: HASH }]
    const about = { node: STAND, open: new Set<PaymentHash>() }
    const standing = standingOf(GIVEN)
    expect(judgePay(standing, payRequest(MANIFEST, lines), about)).toMatchObject({
      reason: 'it asks for a line twice',
    })
    const head = { position: 99, hash: digest('ab'.repeat(32)) }
    expect(
      judgePay(standing, { ...payRequest(MANIFEST, [{ paymentHash: HASH }]), head }, about),
    ).toMatchObject({ reason: expect.stringContaining('confirm') })
  })

  test('50 times by one request for a hundred, and the rest hears why', () => {
    const payees = Array.from({ length: 100 }, (_, at) => ({
      ...{ amount: sats(1000n), feeMax: sats(10n), payouts: [payoutId(BigInt(at + 1))] },
      destination: `m${String(at).padStart(3, '0')}@pay.example.org`,
    }))
    const many = lineManifest({ payees, feeMax: sats(1000n) })
    const numbers = Object.fromEntries(payees.map((_, at) => [at, at + 1]))
    const lines = payees.map((_, payee) => ({ payee, paymentHash: hashOfNumber(payee + 1) }))
    const judged = judgePay(standingOf(givenTo(many, numbers)), payRequest(many, lines), {
      ...{ node: STAND, open: new Set<PaymentHash>() },
    })
    if (judged.kind !== 'called') throw new Error(judged.reason)
    expect(judged.orders).toHaveLength(50)
    expect(judged.lines[50]).toMatchObject({ kind: 'refused', reason: 'too many calls are open' })
  })
})

function late(now: number): Change {
  return { standing: { now: unixMs(now) } }
}

function others(count: number): readonly PaymentHash[] {
  return Array.from({ length: count }, (_, index) => hashOfNumber(1000 + index))
}

const PAID: LndPayment = {
  ...{ paymentHash: HASH, status: 'succeeded', amount: millisats(AMOUNT_MSAT) },
  ...{ fee: millisats(1n), preimage: '00'.repeat(32), unresolvedHtlcs: 0, untilHeight: null },
  index: 6n,
}
const payment = (over: Partial<LndPayment>): PaymentNews => ({
  kind: 'payment',
  payment: { ...PAID, ...over },
})
const FAILED = payment({ status: 'failed' })
const NOT_FOUND: PaymentNews = { kind: 'not found' }

describe('an attempt is ended', () => {
  const end = (
    place: Partial<EndRequest['lines'][number]>,
    memory: Memory,
    change: Omit<Change, 'memory'> & { readonly look?: Partial<Look>; readonly away?: true } = {},
  ) => {
    const look = { news: FAILED, calls: 1, notFoundMs: 0, ...change.look }
    const judged = judgeEnd(
      standingOf(memory, change.standing),
      endRequest(MANIFEST, [{ payee: 0, n: 1, isLast: false, ...place }]),
      {
        looks: change.look ? new Map([[HASH, look]]) : new Map(),
        node: change.away ? null : { ...STAND, ...change.node },
        open: new Set(change.open),
      },
    )
    if (judged.kind === 'refused') return judged.reason
    const [line] = judged.lines
    const isWritten = judged.event !== null
    if (line?.kind === 'alive') return line.reason
    if (line?.kind === 'ended') return isWritten ? 'ends' : 'ended'
    return line?.kind
  }
  const once = called(GIVEN, 1)

  test.each<[string, ReturnType<typeof end>, string]>([
    ['that was never called', end({}, GIVEN), 'ends'],
    ['that was never called, while lnd is away', end({}, GIVEN, { away: true }), 'ends'],
    ['that failed', end({}, once, { look: { news: FAILED } }), 'ends'],
    [
      'that lnd never heard of',
      end({}, once, { look: { news: NOT_FOUND, notFoundMs: 3 * MINUTES } }),
      'ends',
    ],
    ['that has ended', end({}, ended(once)), 'ended'],
    ['that has ended, as the last', end({ isLast: true }, ended(once)), 'ends'],
    ['that has ended as the last', end({ isLast: true }, ended(once, 1, true)), 'ended'],
    ['that was never given, as the last', end({ payee: 2, isLast: true }, GIVEN), 'ends'],
    ['that failed, as the last', end({ isLast: true }, once, { look: { news: FAILED } }), 'ends'],
    [
      'before the newest one',
      end({}, givenTo(MANIFEST, { 0: 3 }, { memory: ended(GIVEN), n: 2 })),
      'ended',
    ],
    ['while the rail is frozen', end({}, remembering(GIVEN, [frozenBy('bob', 'all')])), 'ends'],
    [
      'that was never given, of what has expired',
      end({ payee: 2 }, GIVEN, late(MANIFEST.expiresAt)),
      'ends',
    ],
    [
      'of a manifest that was closed',
      end({}, remembering(FRESH, [{ kind: 'closed', manifest: hashOf(MANIFEST) }])),
      'ended',
    ],
  ])('%s', (_, answer, expected) => expect(answer).toBe(expected))

  test.each<[string, ReturnType<typeof end>, string]>([
    ['before lnd was asked', end({}, once), 'look'],
    [
      'before the newest one, as the last',
      end({ isLast: true }, givenTo(MANIFEST, { 0: 3 }, { memory: ended(GIVEN), n: 2 })),
      'a later one was given',
    ],
    ['while lnd is away', end({}, once, { away: true }), 'lnd does not answer'],
    ['while a call is open', end({}, once, { open: [HASH], look: {} }), 'a call of it is open'],
    [
      'that was called after lnd was asked',
      end({}, called(GIVEN, 2), { look: {} }),
      'it was called meanwhile',
    ],
    [
      'that is on its way',
      end({}, once, { look: { news: payment({ status: 'in flight', unresolvedHtlcs: 1 }) } }),
      'it is on its way',
    ],
    [
      'that failed with a part on its way',
      end({}, once, { look: { news: payment({ status: 'failed', unresolvedHtlcs: 1 }) } }),
      'it is on its way',
    ],
    [
      'that lnd says it paid',
      end({}, once, { look: { news: payment({}) } }),
      'lnd says that it paid, and has no preimage of this hash',
    ],
    [
      'that lnd knows nothing of yet',
      end({}, once, { look: { news: NOT_FOUND, notFoundMs: 3 * MINUTES - 1 } }),
      'lnd knows nothing of it yet',
    ],
    [
      'that lnd says nothing of',
      end({}, once, { look: { news: { kind: 'no answer', reason: 'late' } } }),
      'late',
    ],
    [
      'that lnd has already',
      end({}, once, { look: { news: { kind: 'known already' } } }),
      'lnd has a payment by this hash',
    ],
    [
      'by another lnd',
      end({}, once, { look: {}, node: { publicKey: `03${'bb'.repeat(32)}` } }),
      'this lnd is not the one that the payment was begun on',
    ],
    [
      'by one that has forgotten',
      end({}, once, { look: {}, node: { hasForgotten: true } }),
      'this lnd has lost payments that it had',
    ],
    ['that may still be given', end({ payee: 2 }, GIVEN), 'it may still be given'],
    ['past the next one', end({ n: 2 }, GIVEN, late(MANIFEST.expiresAt)), 'it was not given yet'],
    ['of an unknown manifest', end({}, FRESH), 'this host knows no such manifest'],
  ])('not one %s', (_, answer, expected) => expect(answer).toBe(expected))
})

describe('the memory', () => {
  test('keeps no invoice of a manifest that has expired', () => {
    const other = lineManifest({ createdBy: 'plan:other', batch: batchId(8n) })
    expect(lineOf(GIVEN, MANIFEST, 0)).toMatchObject({ invoice: expect.stringMatching(/^lnbcrt/) })
    const begun: MemoryEvent = {
      ...({ kind: 'ln batch', batch: '8', by: 'pool' } as const),
      ...{ manifest: hashOf(other), expiresAt: unixMs(START + 99 * HOUR_MS) },
      ...{ spendSats: sats(1n), payees: [] },
    }
    const before = remembering(GIVEN, [begun], MANIFEST.expiresAt - 1)
    expect(lineOf(before, MANIFEST, 0)).toMatchObject({ invoice: expect.any(String) })
    const after = remembering(GIVEN, [begun], MANIFEST.expiresAt)
    expect(lineOf(after, MANIFEST, 0)).toMatchObject({ kind: 'live', invoice: null })
    // What was there before has not changed with it.
    expect(lineOf(GIVEN, MANIFEST, 0)).toMatchObject({ invoice: expect.any(String) })
  })
})
