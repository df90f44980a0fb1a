import { describe, expect, test } from 'vitest'
import type { PayRequest } from '../../src/approval/index.ts'
import { digest, type PaymentHash, payoutId, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { judgePay } from '../../src/signer/lightning-call-rules.ts'
import {
  type Change,
  called,
  ended,
  GIVEN,
  HASH,
  late,
  MANIFEST,
  MINUTES,
} from './lightning-attempts.ts'
import {
  AMOUNT_MSAT,
  FEE_MAX_MSAT,
  FRESH,
  frozenBy,
  givenTo,
  hashOf,
  hashOfNumber,
  lineManifest,
  NODE,
  payRequest,
  remembering,
  STAND,
  standingOf,
} from './lightning-world.ts'
import { HOUR_MS, START } from './world.ts'

const pay = (line: Partial<PayRequest['lines'][number]>, change: Change = {}) =>
  judgePay(
    standingOf(change.memory ?? GIVEN, change.standing),
    payRequest(MANIFEST, [{ paymentHash: HASH, ...line }]),
    {
      node: { ...STAND, ...change.node },
      open: new Set(change.open),
      resting: new Map(change.resting),
    },
  )

function answerOf(judged: ReturnType<typeof pay>): string {
  if (judged.kind === 'refused') return judged.reason
  const [line] = judged.lines
  const orders = judged.orders.length
  expect(orders).toBe(judged.event?.kind === 'ln calls' ? judged.event.lines.length : 0)
  return line && 'reason' in line ? line.reason : `called, ${orders}`
}

describe('lnd is called', () => {
  test('once for each line, with every bound, after one word for all', () => {
    const lines = [
      { paymentHash: HASH, feeMaxMsat: millisats(1000n) },
      { payee: 1, paymentHash: hashOfNumber(2), feeMaxMsat: millisats(FEE_MAX_MSAT) },
    ]
    const judged = judgePay(standingOf(GIVEN), payRequest(MANIFEST, lines), {
      ...{ node: STAND, open: new Set<PaymentHash>(), resting: new Map() },
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
    const about = { node: STAND, open: new Set<PaymentHash>(), resting: new Map() }
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
      ...{ node: STAND, open: new Set<PaymentHash>(), resting: new Map() },
    })
    if (judged.kind !== 'called') throw new Error(judged.reason)
    expect(judged.orders).toHaveLength(50)
    expect(judged.lines[50]).toMatchObject({ kind: 'no room', reason: 'too many calls are open' })
  })
})

function others(count: number): readonly PaymentHash[] {
  return Array.from({ length: count }, (_, index) => hashOfNumber(1000 + index))
}
