import { expect, test } from 'vitest'
import { txid } from '../../../src/lib/ids.ts'
import { isOverdue, wayOf } from '../../../src/lib/lightning/way.ts'
import { millisats, sats } from '../../../src/lib/money.ts'
import type { PaymentNews } from '../../../src/lib/nodes/lnd-client.ts'
import type { LndChannel, LndPayment } from '../../../src/lib/nodes/lnd-replies.ts'

const HASH = 'ab'.repeat(32)
const MINUTES = 60_000

/** Two parts of it left by two channels, and come back at height 900 at the latest. */
const payment = (change: Partial<LndPayment> = {}): PaymentNews => ({
  kind: 'payment',
  payment: {
    ...{ paymentHash: HASH, status: 'in flight', amount: millisats(1000n), fee: millisats(0n) },
    ...{ preimage: '00'.repeat(32), unresolvedHtlcs: 2, untilHeight: 900, index: 7n },
    firstHops: ['7', '8'],
    ...change,
  },
})
const channel = (id: string, change: Partial<LndChannel> = {}): LndChannel => ({
  ...{ id, coin: { txid: txid('cd'.repeat(32)), vout: 0 }, peer: `02${'ee'.repeat(32)}` },
  ...{ capacity: sats(1000n), isActive: true, carries: [], watchedMs: 5 * MINUTES },
  ...change,
})
const [SEVEN, EIGHT] = [channel('7'), channel('8')]
const NODE = { height: 906, isSynced: true }
const GONE = { kind: 'gone', lndUpMs: 5 * MINUTES }
const [OPEN, NOT_TOLD] = [{ kind: 'open' }, { kind: 'not told' }]

const CASES: readonly (readonly [string, Partial<Parameters<typeof looked>[0]>, object])[] = [
  ['its time is over and no channel carries it', {}, GONE],
  ['so, and a channel has other parts', { channels: [carries('00'), EIGHT] }, GONE],
  ['a block too early', { node: { height: 905, isSynced: true } }, OPEN],
  ['its last part has time left', { news: payment({ untilHeight: 901 }) }, OPEN],
  ['one of its channels carries it', { channels: [SEVEN, carries('ab', '8')] }, OPEN],
  ['any channel carries it', { channels: [SEVEN, EIGHT, carries('ab', '9')] }, OPEN],
  ['one that is away carries it', { channels: [SEVEN, carries('ab', '8', false)] }, OPEN],
  ['lnd lags behind the chain', { node: { height: 906, isSynced: false } }, NOT_TOLD],
  ['lnd shows no channels', { channels: null }, NOT_TOLD],
  ['one of its channels is closed', { channels: [SEVEN] }, NOT_TOLD],
  ['the peer of one is away', { channels: [SEVEN, channel('8', { isActive: false })] }, NOT_TOLD],
  [
    'lnd does not watch one of them yet',
    { channels: [SEVEN, channel('8', { watchedMs: 0 })] },
    NOT_TOLD,
  ],
  ['by none of our channels', { news: payment({ firstHops: [] }) }, NOT_TOLD],
  ['it failed', { news: payment({ status: 'failed' }) }, OPEN],
  ['it was paid', { news: payment({ status: 'succeeded' }) }, OPEN],
  ['it has begun', { news: payment({ status: 'initiated' }) }, OPEN],
  [
    'lnd looks for a way',
    { news: payment({ unresolvedHtlcs: 0, untilHeight: null, firstHops: [] }) },
    OPEN,
  ],
  ['lnd knows nothing of it', { news: { kind: 'not found' } }, OPEN],
  ['lnd does not answer', { news: { kind: 'no answer', reason: 'late' } }, OPEN],
]

test.each(CASES)('where %s, the channels say so', (_name, change, way) => {
  expect(looked(change)).toEqual(way)
})

test('the channels are asked only where their answer can count', () => {
  expect(isOverdue(payment(), NODE)).toBe(true)
  expect(isOverdue(payment(), { ...NODE, height: 905 })).toBe(false)
  expect(isOverdue(payment(), { ...NODE, isSynced: false })).toBe(false)
  expect(isOverdue(payment({ status: 'failed' }), NODE)).toBe(false)
  expect(isOverdue({ kind: 'not found' }, NODE)).toBe(false)
})

test('lnd has run for as long as it watched any of them', () => {
  const channels = [SEVEN, channel('8', { watchedMs: 9 * MINUTES })]
  expect(looked({ channels })).toEqual({ kind: 'gone', lndUpMs: 9 * MINUTES })
})

function looked(change: {
  readonly news?: PaymentNews
  readonly node?: typeof NODE
  readonly channels?: readonly LndChannel[] | null
}) {
  const { news = payment(), node = NODE, channels = [SEVEN, EIGHT] } = change
  return wayOf(news, node, channels)
}

function carries(byte: string, id = '7', isActive = true): LndChannel {
  return channel(id, { carries: [byte.repeat(32)], isActive })
}
