import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { paymentHash, preimage } from '../../../src/lib/ids.ts'
import {
  type AttemptEvidence,
  type AttemptVerdict,
  judgeAttempt,
} from '../../../src/lib/lightning/evidence.ts'
import { NOT_TOLD, type Way } from '../../../src/lib/lightning/way.ts'
import { millisats } from '../../../src/lib/money.ts'
import type { PaymentNews } from '../../../src/lib/nodes/lnd-client.ts'
import type { LndPayment } from '../../../src/lib/nodes/lnd-replies.ts'

const PREIMAGE = preimage('42'.repeat(32))
const HASH = paymentHash(createHash('sha256').update(Buffer.from(PREIMAGE, 'hex')).digest('hex'))
const NO_PREIMAGE = '00'.repeat(32)
const AMOUNT = millisats(1_000_000n)
const FEE = millisats(1001n)
const MINUTES = 60_000

const payment = (change: Partial<LndPayment> = {}): PaymentNews => ({
  kind: 'payment',
  payment: {
    ...{ paymentHash: HASH, status: 'failed', amount: AMOUNT, fee: millisats(0n), index: 7n },
    ...{ preimage: NO_PREIMAGE, unresolvedHtlcs: 0, untilHeight: null, firstHops: [] },
    ...change,
  },
})
const PAID = { status: 'succeeded', preimage: PREIMAGE, fee: FEE } as const
const IN_FLIGHT = {
  ...({ status: 'in flight', unresolvedHtlcs: 2, untilHeight: 900 } as const),
  firstHops: ['7', '8'],
}
const NOT_FOUND: PaymentNews = { kind: 'not found' }
const SILENCE: PaymentNews = { kind: 'no answer', reason: 'no answer in time' }

/** Called, and the call is over; each case changes something. */
const CALLED: AttemptEvidence = {
  ...{ paymentHash: HASH, amount: AMOUNT, wasCalled: true, mayBeCalled: false },
  ...{ news: SILENCE, shown: null, way: NOT_TOLD, goneMs: 0 },
  node: { isOurs: true, hasForgotten: false },
}
const OTHER_NODE = { isOurs: false, hasForgotten: false }
const FORGOTTEN = { isOurs: true, hasForgotten: true }

const upFor = (lndUpMs: number): Way => ({ kind: 'gone', lndUpMs })
/** Seen gone nine minutes ago, too, and lnd was started anew five minutes ago. */
const GONE: Partial<AttemptEvidence> = {
  ...{ news: payment(IN_FLIGHT), goneMs: 9 * MINUTES },
  way: upFor(5 * MINUTES),
}

const settled = (fee: typeof FEE | null) => ({ kind: 'settled', preimage: PREIMAGE, fee })
const dead = { kind: 'dead' }
const unknown = { kind: 'unknown' }
const waiting = (untilHeight: number | null) => ({ kind: 'waiting', untilHeight })

const CASES: readonly (readonly [string, Partial<AttemptEvidence>, object])[] = [
  ['lnd paid and shows the preimage', { news: payment(PAID) }, settled(FEE)],
  ['so while it may be called again', { news: payment(PAID), mayBeCalled: true }, settled(FEE)],
  ['so by another node', { news: payment(PAID), node: OTHER_NODE }, settled(FEE)],
  ['so by a node that was restored', { news: payment(PAID), node: FORGOTTEN }, settled(FEE)],
  ['so, never called by our books', { news: payment(PAID), wasCalled: false }, settled(FEE)],
  ['lnd paid and shows no preimage', { news: payment({ status: 'succeeded' }) }, unknown],
  [
    'lnd paid by another preimage',
    { news: payment({ ...PAID, preimage: '43'.repeat(32) }) },
    unknown,
  ],
  ['lnd paid another amount', { news: payment({ ...PAID, amount: millisats(1n) }) }, unknown],
  [
    'lnd speaks of another payment',
    { news: payment({ ...PAID, paymentHash: '00'.repeat(32) }) },
    unknown,
  ],
  ['lnd failed, and shows the preimage', { news: payment({ preimage: PREIMAGE }) }, settled(null)],
  ['the payee shows the preimage', { shown: PREIMAGE }, settled(null)],
  ['so, and lnd says that it failed', { shown: PREIMAGE, news: payment() }, settled(null)],
  ['so, and lnd says at what fee', { shown: PREIMAGE, news: payment(PAID) }, settled(FEE)],
  [
    'so, and lnd has forgotten',
    { shown: PREIMAGE, news: NOT_FOUND, node: FORGOTTEN },
    settled(null),
  ],
  ['it is on its way', { news: payment(IN_FLIGHT) }, waiting(900)],
  ['it is on its way, all parts back', { news: payment({ status: 'in flight' }) }, waiting(null)],
  ['lnd has begun and sent nothing', { news: payment({ status: 'initiated' }) }, waiting(null)],
  ['it failed, and no part is on its way', { news: payment() }, dead],
  [
    'it failed, and a part is on its way',
    { news: payment({ ...IN_FLIGHT, status: 'failed' }) },
    waiting(900),
  ],
  ['it failed, and may be called again', { news: payment(), mayBeCalled: true }, unknown],
  ['it failed on another node', { news: payment(), node: OTHER_NODE }, unknown],
  ['it failed on a restored node', { news: payment(), node: FORGOTTEN }, unknown],
  ['lnd was never called', { wasCalled: false }, dead],
  ['lnd was never called, nor is there', { wasCalled: false, node: OTHER_NODE }, dead],
  ['lnd was never called, and knows nothing', { wasCalled: false, news: NOT_FOUND }, dead],
  ['lnd was not called yet', { wasCalled: false, mayBeCalled: true }, unknown],
  ['never called, and on its way', { wasCalled: false, news: payment(IN_FLIGHT) }, waiting(900)],
  ['lnd knows nothing', { news: NOT_FOUND }, unknown],
  ['lnd knows nothing for 2 minutes', { news: NOT_FOUND, goneMs: 2 * MINUTES }, unknown],
  ['lnd knows nothing for 3 minutes', { news: NOT_FOUND, goneMs: 3 * MINUTES }, dead],
  [
    'so, and may be called at this moment',
    { news: NOT_FOUND, goneMs: 9 * MINUTES, mayBeCalled: true },
    unknown,
  ],
  ['so of another node', { news: NOT_FOUND, goneMs: 9 * MINUTES, node: OTHER_NODE }, unknown],
  ['so of a restored node', { news: NOT_FOUND, goneMs: 9 * MINUTES, node: FORGOTTEN }, unknown],
  ['it is gone from the channels, before lnd was started and after', GONE, dead],
  ['it is gone for the first time', { ...GONE, goneMs: 0 }, unknown],
  ['it was gone for as long as lnd is there', { ...GONE, goneMs: 5 * MINUTES }, unknown],
  ['so, to the second of lnd', { ...GONE, goneMs: 5 * MINUTES + 999 }, unknown],
  ['lnd was started a second after it was gone', { ...GONE, goneMs: 5 * MINUTES + 1000 }, dead],
  ['lnd was started three minutes ago', { ...GONE, way: upFor(3 * MINUTES) }, dead],
  ['lnd was started a moment less ago', { ...GONE, way: upFor(3 * MINUTES - 1) }, unknown],
  ['it is gone, and may be called', { ...GONE, mayBeCalled: true }, unknown],
  ['it is gone from another node', { ...GONE, node: OTHER_NODE }, unknown],
  ['it is gone from a restored node', { ...GONE, node: FORGOTTEN }, unknown],
  ['it is gone, and its payee shows the preimage', { ...GONE, shown: PREIMAGE }, settled(null)],
  [
    'it is gone, and a part of it was paid',
    { ...GONE, news: payment({ ...IN_FLIGHT, preimage: PREIMAGE }) },
    settled(null),
  ],
  ['it was gone, and may be there now', { ...GONE, way: { kind: 'open' } }, waiting(900)],
  ['it was gone, and the channels say nothing now', { ...GONE, way: NOT_TOLD }, waiting(900)],
  ['lnd says that it has it already', { news: { kind: 'known already' } }, unknown],
  ['so, never called by our books', { news: { kind: 'known already' }, wasCalled: false }, unknown],
  ['lnd says nothing', {}, unknown],
]

describe('an attempt', () => {
  for (const [what, change, verdict] of CASES)
    test(`where ${what}`, () =>
      expect(judgeAttempt({ ...CALLED, ...change })).toMatchObject(verdict))

  test('is dead or settled by a proof only, whatever else comes together', () => {
    let count = 0
    for (const evidence of everyEvidence()) {
      const verdict = judgeAttempt(evidence)
      const isRight =
        verdict.kind === 'settled' ? hasPreimage(evidence) : !isDead(verdict) || mayDie(evidence)
      if (!isRight) expect({ verdict, evidence }).toBeNull()
      count++
    }
    expect(count).toBe(2 ** 5 * 3 * EVERY_WAY.length * EVERY_NEWS.length)
  })
})

const EVERY_NEWS: readonly PaymentNews[] = [
  ...[NOT_FOUND, SILENCE, { kind: 'known already' } as const],
  ...[payment(), payment(PAID), payment(IN_FLIGHT), payment({ ...IN_FLIGHT, status: 'failed' })],
  ...[payment({ status: 'initiated' }), payment({ status: 'succeeded' })],
]

const EVERY_WAY: readonly Way[] = [
  ...[NOT_TOLD, { kind: 'open' } as const],
  ...[1, 5].map(minutes => upFor(minutes * MINUTES)),
]

function* everyEvidence(): Generator<AttemptEvidence> {
  const both = [false, true]
  for (const wasCalled of both)
    for (const mayBeCalled of both)
      for (const isOurs of both)
        for (const hasForgotten of both)
          for (const shown of [null, PREIMAGE])
            for (const goneMs of [0, 2 * MINUTES, 9 * MINUTES])
              for (const way of EVERY_WAY)
                for (const news of EVERY_NEWS)
                  yield {
                    ...{ paymentHash: HASH, amount: AMOUNT, wasCalled, mayBeCalled, shown },
                    ...{ news, way, goneMs, node: { isOurs, hasForgotten } },
                  }
}

const isDead = ({ kind }: AttemptVerdict) => kind === 'dead'

function hasPreimage({ shown, news }: AttemptEvidence): boolean {
  return shown !== null || (news.kind === 'payment' && news.payment.preimage === PREIMAGE)
}

function mayDie(evidence: AttemptEvidence): boolean {
  const { wasCalled, mayBeCalled, news, node, way, goneMs } = evidence
  if (mayBeCalled || hasPreimage(evidence)) return false
  if (!wasCalled && (news.kind === 'no answer' || news.kind === 'not found')) return true
  if (!node.isOurs || (wasCalled && node.hasForgotten)) return false
  if (news.kind === 'not found') return goneMs > 2 * MINUTES
  const { payment } = news.kind === 'payment' ? news : { payment: null }
  if (payment?.status === 'in flight')
    return way.kind === 'gone' && way.lndUpMs > MINUTES && goneMs > 5 * MINUTES
  return payment?.status === 'failed' && payment.unresolvedHtlcs === 0
}
