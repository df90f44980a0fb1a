import { expect, test } from 'vitest'
import { paymentHash, unixMs } from '../../src/lib/ids.ts'
import { NOT_TOLD, type Way } from '../../src/lib/lightning/way.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import type { PaymentNews } from '../../src/lib/nodes/lnd-client.ts'
import type { LndPayment } from '../../src/lib/nodes/lnd-replies.ts'
import {
  type Attempt,
  CALLS_MAX,
  feeLimit,
  nextStep,
  sightsAfter,
  TRIES_MAX,
  whyNoInvoice,
} from '../../src/payouts/rails/lightning/attempt.ts'
import { writeInvoice } from '../support/invoice.ts'

const NOW = unixMs(1_800_000_000_000)
const MINUTE = 60_000
const attempt = (change: Partial<Attempt> = {}): Attempt => ({
  ...{ n: 1, paymentHash: paymentHash('ab'.repeat(32)), invoice: 'lnbcrt1', nodeKey: '02' },
  ...{ expiresAt: unixMs(NOW + 10 * MINUTE), state: 'called', calls: 1, goneSince: null },
  ...{ onWaySince: null, heldAt: null },
  reason: '',
  ...change,
})
const payment = (change: Partial<LndPayment>): PaymentNews => ({
  kind: 'payment',
  payment: {
    ...{ paymentHash: 'ab'.repeat(32), status: 'failed', amount: millisats(1n), index: 1n },
    ...{ fee: millisats(0n), preimage: '00'.repeat(32), unresolvedHtlcs: 0, untilHeight: null },
    firstHops: [],
    ...change,
  },
})
const STALE = { expiresAt: unixMs(NOW + MINUTE - 1) }
const FAILED = payment({})
const NOT_FOUND: PaymentNews = { kind: 'not found' }
const SILENCE: PaymentNews = { kind: 'no answer', reason: 'no answer in time' }
const ago = (ms: number) => ({ goneSince: unixMs(NOW - ms) })
const ON_WAY = payment({ status: 'in flight', unresolvedHtlcs: 1 })
/** On its way, and in no channel. */
const gone = (ms: number) => ({ ...ago(ms), onWaySince: unixMs(NOW - 9 * MINUTE) })
const ask = (n: number) => ({ kind: 'ask for an invoice', n })
const call = (number: number) => ({ kind: 'call', call: number })
const [END, WAIT] = [{ kind: 'end' }, { kind: 'wait' }]
const dead = (n: number) => attempt({ n, state: 'dead', reason: 'no way' })

const CASES: readonly (readonly [string, Attempt | null, PaymentNews | null, object])[] = [
  ['nothing yet', null, null, ask(1)],
  ['prepared', attempt({ state: 'prepared', calls: 0 }), null, call(1)],
  ['prepared, and soon over', attempt({ state: 'prepared', calls: 0, ...STALE }), null, END],
  ['failed', attempt(), FAILED, call(2)],
  ['failed for the last time', attempt({ calls: CALLS_MAX }), FAILED, END],
  ['failed, and soon over', attempt(STALE), FAILED, END],
  ['failed with a part on its way', attempt(), payment({ unresolvedHtlcs: 1 }), WAIT],
  ['on its way', attempt(STALE), payment({ status: 'in flight', unresolvedHtlcs: 1 }), WAIT],
  ['on its way, and gone for a minute', attempt(gone(MINUTE)), ON_WAY, END],
  ['on its way, and gone a moment ago', attempt(gone(MINUTE - 1)), ON_WAY, WAIT],
  ['on its way, and was not found before', attempt(ago(MINUTE)), ON_WAY, WAIT],
  ['failed but for a part, and gone', attempt(gone(MINUTE)), payment({ unresolvedHtlcs: 1 }), WAIT],
  ['begun', attempt(), payment({ status: 'initiated' }), WAIT],
  ['paid', attempt(), payment({ status: 'succeeded' }), WAIT],
  ['not confirmed, and not found', attempt({ calls: 0, ...ago(9 * MINUTE) }), NOT_FOUND, call(1)],
  ['not confirmed, and soon over', attempt({ calls: 0, ...STALE }), NOT_FOUND, END],
  ['not confirmed, and failed', attempt({ calls: 0 }), FAILED, call(1)],
  ['not found, for the first time', attempt({ calls: 2 }), NOT_FOUND, WAIT],
  ['not found, a moment ago too', attempt(ago(MINUTE - 1)), NOT_FOUND, WAIT],
  ['not found for a minute', attempt(ago(MINUTE)), NOT_FOUND, END],
  ['not found, and soon over', attempt(STALE), NOT_FOUND, WAIT],
  ['no answer', attempt(STALE), SILENCE, WAIT],
  ['known already', attempt(), { kind: 'known already' }, WAIT],
  ['dead', dead(1), null, ask(2)],
  ['dead for the last time', dead(TRIES_MAX), null, { kind: 'give up', reason: 'no way' }],
]
test.each(CASES)('a line whose attempt is %s', (_name, newest, news, step) => {
  expect(nextStep(newest, news, NOW, null)).toMatchObject(step)
})

test('nobody is asked for an invoice once the time is up', () => {
  expect(nextStep(null, null, NOW, 'over')).toEqual({ kind: 'give up', reason: 'over' })
  expect(nextStep(dead(1), null, NOW, 'over')).toEqual({ kind: 'give up', reason: 'no way' })
  expect(nextStep(attempt(), FAILED, NOW, 'over')).toEqual(call(2))
})

test('what was called is never judged unseen', () => {
  expect(() => nextStep(attempt(), null, NOW, null)).toThrow('looked up')
})

test('each call may cost more than the one before, and the last all that was approved', () => {
  const limits = [1, 2, 3].map(number => feeLimit(sats(10n), number))
  expect(limits).toEqual([3334n, 6667n, 10_000n])
  expect(feeLimit(sats(0n), 3)).toBe(0n)
  expect(() => feeLimit(sats(10n), 4)).toThrow('one of three')
})

const OPEN: Way = { kind: 'open' }
const NEITHER = { goneSince: null, onWaySince: null, heldAt: null }
const since = (ms: number) => unixMs(NOW - ms)
const SIGHTS: readonly (readonly [string, object, PaymentNews, object])[] = [
  ['is seen on its way', {}, ON_WAY, { onWaySince: NOW }],
  ['is seen so again', { onWaySince: since(9) }, ON_WAY, { onWaySince: since(9) }],
  [
    'has been so for less than ten minutes',
    { onWaySince: since(10 * MINUTE - 1) },
    ON_WAY,
    { onWaySince: since(10 * MINUTE - 1) },
  ],
  [
    'has been so for ten minutes',
    { onWaySince: since(10 * MINUTE) },
    ON_WAY,
    { onWaySince: since(10 * MINUTE), heldAt: NOW },
  ],
  [
    'was held before',
    { onWaySince: since(11 * MINUTE), heldAt: since(MINUTE) },
    ON_WAY,
    { onWaySince: since(11 * MINUTE), heldAt: since(MINUTE) },
  ],
  [
    'failed, but for a part',
    { onWaySince: since(10 * MINUTE) },
    payment({ unresolvedHtlcs: 1 }),
    { onWaySince: since(10 * MINUTE), heldAt: NOW },
  ],
  ['came back', { onWaySince: since(11 * MINUTE), heldAt: NOW }, FAILED, { heldAt: NOW }],
  ['came back in time', { onWaySince: since(MINUTE) }, FAILED, {}],
  ['looks for a way', {}, payment({ status: 'in flight' }), {}],
  ['is not found', { onWaySince: since(MINUTE) }, NOT_FOUND, { goneSince: NOW }],
  ['is not found again', ago(MINUTE), NOT_FOUND, ago(MINUTE)],
  [
    'has no answer',
    { onWaySince: since(11 * MINUTE) },
    SILENCE,
    { onWaySince: since(11 * MINUTE) },
  ],
  ['is found again', ago(MINUTE), ON_WAY, { onWaySince: NOW }],
]
test.each(SIGHTS)('an attempt that %s', (_name, before, news, after) => {
  const found = sightsAfter({ ...NEITHER, ...before }, news, OPEN, NOW)
  expect(found).toEqual({ ...NEITHER, ...after })
})

const GONE: Way = { kind: 'gone', lndUpMs: 9 * MINUTE }
const WAYS: readonly (readonly [string, object, PaymentNews, Way, object])[] = [
  ['for the first time', { onWaySince: since(MINUTE) }, ON_WAY, GONE, { goneSince: NOW }],
  ['again', gone(MINUTE), ON_WAY, GONE, ago(MINUTE)],
  ['as soon as it is on its way', {}, ON_WAY, GONE, { goneSince: NOW }],
  ['and held by nobody', { ...gone(MINUTE), heldAt: NOW }, ON_WAY, GONE, { heldAt: null }],
  ['and held, for all one can tell', { heldAt: NOW }, ON_WAY, NOT_TOLD, { heldAt: NOW }],
  ['after lnd knew nothing of it', ago(MINUTE), ON_WAY, GONE, { goneSince: NOW }],
  ['no longer', gone(MINUTE), ON_WAY, OPEN, { goneSince: null }],
  ['by what was seen before', gone(MINUTE), ON_WAY, NOT_TOLD, ago(MINUTE)],
  ['no more than before', ago(MINUTE), ON_WAY, NOT_TOLD, { goneSince: null }],
  ['by what was heard before', gone(MINUTE), SILENCE, NOT_TOLD, ago(MINUTE)],
  ['by lnd itself, and anew', gone(MINUTE), NOT_FOUND, NOT_TOLD, { goneSince: NOW }],
  ['no longer, since it failed', gone(MINUTE), FAILED, NOT_TOLD, { goneSince: null }],
]
test.each(WAYS)('an attempt is gone %s', (_name, before, news, way, after) => {
  expect(sightsAfter({ ...NEITHER, ...before }, news, way, NOW)).toMatchObject(after)
})

const ADDRESS = 'ann@pay.example.org'
/** Of an hour, from then on. */
const INVOICE = writeInvoice({ createdAtSeconds: NOW / 1000 })
const LEFT = (ms: number) => ({ now: unixMs(NOW + 60 * MINUTE - ms), expiresAt: unixMs(2 * NOW) })
test.each<[string, string, Attempt | null, ReturnType<typeof LEFT>, string | null]>([
  ['an address that was not asked', ADDRESS, null, LEFT(0), null],
  ['an address whose last one is dead', ADDRESS, dead(1), LEFT(0), null],
  [
    'an address, once the manifest has expired',
    ADDRESS,
    null,
    { ...LEFT(0), now: unixMs(2 * NOW) },
    'its time was up',
  ],
  ['an invoice of two minutes', INVOICE, null, LEFT(2 * MINUTE), null],
  ['an invoice of less', INVOICE, null, LEFT(2 * MINUTE - 1), 'the invoice expired'],
  ['an invoice that is dead, however fresh', INVOICE, dead(1), LEFT(60 * MINUTE), 'was tried'],
  [
    'an invoice, once the manifest has expired',
    INVOICE,
    null,
    { now: NOW, expiresAt: NOW },
    'its time was up',
  ],
])('what can be had of %s', (_name, destination, newest, when, why) => {
  const said = whyNoInvoice({ destination }, newest, when)
  if (why === null) expect(said).toBeNull()
  else expect(said).toContain(why)
})
