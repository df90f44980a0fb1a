import { expect, test } from 'vitest'
import { parseOperatorKey } from '../../src/approval/index.ts'
import { batchId, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { isOver, nextPayment } from '../../src/payouts/scheme.ts'
import { type Candidate, dueOn, waitingReason, wayOf } from '../../src/payouts/waiting.ts'
import {
  BLOCKS,
  candidate,
  circumstances,
  DUE_SINCE,
  MINUTES,
  NOW,
  railRules,
  SETTINGS,
} from './due.ts'

const reason = (more: Partial<Candidate>, around = circumstances()) =>
  waitingReason(candidate(1, more), around).kind
const isDue = (more: Partial<Candidate>) => reason(more) === 'next plan'
const wish = (rail: string, destination: string | null = null, minimum = 0n) => ({
  rail,
  destination,
  minimum: sats(minimum),
})

test('an account is due when its interval is over, and not an instant before', () => {
  expect(isDue({})).toBe(true)
  expect(isDue({ since: { ...DUE_SINCE, at: unixMs(DUE_SINCE.at + 1) } })).toBe(false)
  expect(isDue({ since: { ...DUE_SINCE, height: 100 } })).toBe(true)
  expect(isDue({ scheme: BLOCKS })).toBe(true)
  expect(isDue({ scheme: BLOCKS, since: { ...DUE_SINCE, height: 91 } })).toBe(false)
  expect(isDue({ scheme: BLOCKS, since: { ...DUE_SINCE, at: NOW.at } })).toBe(true)
})

test('what an account is told agrees with when it is due', () => {
  expect(nextPayment(BLOCKS.interval, DUE_SINCE)).toEqual({ kind: 'height', height: 100 })
  expect(nextPayment(MINUTES.interval, DUE_SINCE)).toEqual({ kind: 'time', at: NOW.at })
  expect(isOver({ kind: 'height', height: 101 }, NOW)).toBe(false)
  expect(waitingReason(candidate(1, { since: NOW }), circumstances())).toEqual({
    kind: 'interval',
    next: { kind: 'time', at: NOW.at + 3_600_000 },
  })
})

test('who asked does not wait for the interval, but for all else', () => {
  expect(isDue({ since: NOW, isAsked: true })).toBe(true)
  expect(reason({ since: NOW, isAsked: true, payable: millisats(999_999n) })).toBe('below minimum')
  expect(reason({ isAsked: true, settings: { ...SETTINGS, paused: true } })).toBe('paused')
})

test('the largest of the minimums and dust keeps an account waiting; fractions stay payable', () => {
  expect(reason({ payable: millisats(999_999n) })).toBe('below minimum')
  const dusty = circumstances({ rails: [railRules('l1', 1001n)] })
  expect(reason({}, dusty)).toBe('below minimum')
  const settings = { ...SETTINGS, rails: [wish('l1', null, 1001n)] }
  expect(reason({ settings })).toBe('below minimum')
  expect(isDue({ settings: { ...SETTINGS, rails: [wish('l1', null, 1000n)] } })).toBe(true)
  // A wish below the scheme's minimum does not lower it.
  expect(wayOf(candidate(1, { settings }), [railRules('l1')])).toMatchObject({ least: 1001n })
  expect(wayOf(candidate(1, { settings: SETTINGS }), [railRules('l1')])).toMatchObject({
    least: 1000n,
  })
  const [first] = dueOn('l1', [candidate(1, { payable: millisats(1_000_999n) })], circumstances())
  expect(first?.gross).toBe(1000n)
  const scheme = { ...MINUTES, minimum: sats(0n) }
  expect(isDue({ scheme, payable: millisats(999n) })).toBe(false)
})

test('each reason is told, the one that lasts longest first', () => {
  const live = { state: 'sent' as const, batch: batchId(7n) }
  expect(waitingReason(candidate(1, { live }), circumstances())).toEqual({
    kind: 'under way',
    ...live,
  })
  expect(reason({ settings: { ...SETTINGS, paused: true } })).toBe('paused')
  expect(reason({ ownDestination: 'not payable' })).toBe('no destination')
  const cooling = { ...SETTINGS, paysFrom: unixMs(NOW.at + 1) }
  expect(waitingReason(candidate(1, { settings: cooling }), circumstances())).toEqual({
    kind: 'cooling off',
    until: NOW.at + 1,
  })
  expect(isDue({ settings: { ...SETTINGS, paysFrom: NOW.at } })).toBe(true)
  const frozen = circumstances({ frozen: new Map([['l1', 'a theft']]) })
  expect(reason({}, frozen)).toBe('frozen')
})

test('a wish for low fees waits while they are above it, and not where nobody knows them', () => {
  const settings = { ...SETTINGS, feeRateMax: sats(5000n) }
  const at = (rate: bigint) => circumstances({ feeRates: new Map([['l1', sats(rate)]]) })
  expect(reason({ settings }, at(5001n))).toBe('fee above wish')
  expect(reason({ settings }, at(5000n))).toBe('next plan')
  expect(reason({ settings })).toBe('next plan')
})

test('an account is paid on the first rail of its own that can, and only on offered ones', () => {
  const rails = [railRules('l1'), railRules('slow')]
  const scheme = { ...MINUTES, rails: ['l1', 'slow'] }
  const way = (wishes: ReturnType<typeof wish>[] | null, more: Partial<Candidate> = {}) => {
    const settings = wishes && { ...SETTINGS, rails: wishes }
    const chosen = wayOf(candidate(1, { scheme, settings, ...more }), rails)
    return chosen.kind === 'way' ? [chosen.rail, chosen.destination] : null
  }
  expect(way(null)).toEqual(['l1', 'payee 1'])
  expect(way([wish('slow'), wish('l1')])).toEqual(['slow', 'payee 1'])
  expect(way([wish('slow', 'not payable'), wish('l1', 'cold')])).toEqual(['l1', 'cold'])
  expect(way([wish('elsewhere')])).toBeNull()
  expect(way([])).toBeNull()
  expect(way([wish('slow')], { scheme: MINUTES })).toBeNull()
  const around = circumstances({ rails })
  const settings = { ...SETTINGS, rails: [wish('slow')] }
  const both = [candidate(1, { scheme }), candidate(2, { scheme, settings })]
  expect(dueOn('l1', both, around).map(({ account }) => account)).toEqual([1n])
  expect(dueOn('slow', both, around).map(({ account }) => account)).toEqual([2n])
})

test('a rail that failed is passed over where another can pay, and else is tried again later', () => {
  const rails = [railRules('fast'), railRules('l1')]
  const scheme = { ...MINUTES, rails: ['fast', 'l1'] }
  const failedAt = (at: number) => ({ rail: 'fast', reason: 'no way', at: unixMs(at) })
  const SIX_HOURS = 6 * 3_600_000
  const onlyFast = { ...SETTINGS, rails: [wish('fast')] }
  const now = unixMs(NOW.at + 2 * SIX_HOURS)
  const around = circumstances({ rails, now: { ...NOW, at: now } })
  const told = (more: Partial<Candidate>) =>
    waitingReason(candidate(1, { scheme, ...more }), around)
  const failed = failedAt(now - SIX_HOURS + 1)
  expect(wayOf(candidate(1, { scheme, failed }), rails)).toMatchObject({ rail: 'l1' })
  expect(told({ failed })).toEqual({ kind: 'next plan' })
  expect(wayOf(candidate(1, { scheme, failed, settings: onlyFast }), rails)).toMatchObject({
    rail: 'fast',
  })
  expect(told({ failed, settings: onlyFast })).toEqual({
    ...{ kind: 'failed', reason: 'no way', until: now + 1 },
  })
  expect(told({ failed: failedAt(now - SIX_HOURS), settings: onlyFast }).kind).toBe('next plan')
})

test('a destination that held payments is passed over likewise, and no other one is', () => {
  const now = (ms: number) => ({ ...NOW, at: unixMs(NOW.at + 12 * 3_600_000 + ms) })
  const trouble = { reason: 'held', at: unixMs(now(1).at - 6 * 3_600_000) }
  const fast = { ...railRules('fast'), held: new Map([['payee 1', trouble]]) }
  const rails = [fast, railRules('l1')]
  const scheme = { ...MINUTES, rails: ['fast', 'l1'] }
  const around = circumstances({ rails, now: now(0) })
  const onlyFast = { ...SETTINGS, rails: [wish('fast')] }
  const moved = { ...SETTINGS, rails: [wish('fast', 'elsewhere'), wish('l1')] }
  const rail = (more: Partial<Candidate>) => {
    const way = wayOf(candidate(1, { scheme, ...more }), rails)
    return way.kind === 'way' ? way.rail : way.reason
  }
  expect(rail({})).toBe('l1')
  expect(rail({ settings: moved })).toBe('fast')
  expect(rail({ ownDestination: 'payee 2' })).toBe('fast')
  expect(rail({ settings: onlyFast })).toBe('fast')
  const told = waitingReason(candidate(1, { scheme, settings: onlyFast }), around)
  expect(told).toEqual({ kind: 'failed', reason: 'held', until: now(1).at })
  const later = circumstances({ rails, now: now(1) })
  expect(waitingReason(candidate(1, { scheme, settings: onlyFast }), later).kind).toBe('next plan')
})

test('what is more than a rail pays at once goes by the next one, and in parts where none pays all', () => {
  const bounded = {
    ...railRules('fast'),
    parseDestination: (payee: string) =>
      ({ kind: 'payable', canonical: payee, dust: sats(1n), most: sats(5000n) }) as const,
  }
  const scheme = { ...MINUTES, rails: ['fast', 'l1'] }
  const way = (payable: bigint, rails = [bounded, railRules('l1')]) =>
    wayOf(candidate(1, { scheme, payable: millisats(payable) }), rails)
  expect(way(5_000_999n)).toMatchObject({ rail: 'fast', most: 5000n })
  expect(way(5_001_000n)).toMatchObject({ rail: 'l1', most: null })
  expect(way(5_001_000n, [bounded])).toMatchObject({ rail: 'fast', most: 5000n })
  const due = (payable: bigint) => {
    const one = candidate(1, { scheme, payable: millisats(payable) })
    return dueOn('fast', [one], circumstances({ rails: [bounded] }))
  }
  expect(due(4_999_999n)).toMatchObject([{ gross: 4999n }])
  expect(due(5_001_000n)).toMatchObject([{ gross: 5000n }])
  const settings = { ...SETTINGS, rails: [{ ...wish('fast'), minimum: sats(5001n) }] }
  const never = candidate(1, { scheme, settings, payable: millisats(9_000_000n) })
  expect(wayOf(never, [bounded])).toEqual({
    ...{ kind: 'none', reason: 'fast: it pays 5000 sat at once at most' },
  })
})

test('an operator who set a destination is named with it, and not with the payee itself', () => {
  const key = parseOperatorKey('79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798')
  const settings = (destination: string | null) => ({
    ...SETTINGS,
    destinationsBy: key,
    rails: [wish('l1', destination)],
  })
  const setBy = (destination: string | null) =>
    dueOn('l1', [candidate(1, { settings: settings(destination) })], circumstances())[0]?.setBy
  expect(setBy('elsewhere')).toBe(key)
  expect(setBy(null)).toBeNull()
})

test('who has waited longest is paid first, and equals by account', () => {
  const older = { ...DUE_SINCE, at: unixMs(DUE_SINCE.at - 1) }
  const all = [candidate(3), candidate(2), candidate(9, { since: older })]
  expect(dueOn('l1', all, circumstances()).map(({ account }) => account)).toEqual([9n, 2n, 3n])
})

test('an invoice is paid at once and exactly, on no other rail, and when it may be', () => {
  const invoice = {
    ...{ text: 'lnbcrt1', amount: sats(900n), paysFrom: NOW.at, lapsesAt: unixMs(NOW.at + 1) },
  }
  const both = circumstances({ rails: [railRules('l1'), railRules('lightning')] })
  const scheme = { ...MINUTES, rails: ['l1', 'lightning'] }
  const failed = { rail: 'lightning', reason: 'no way', at: NOW.at }
  const who = { invoice, scheme, since: NOW, failed }
  expect(dueOn('lightning', [candidate(1, who)], both)).toMatchObject([
    { destination: 'lnbcrt1', exact: 900n, gross: 1000n, least: 900n },
  ])
  expect(dueOn('l1', [candidate(1, who)], both)).toEqual([])
  const reasons = [
    { ...who, payable: millisats(899_999n) },
    { ...who, invoice: { ...invoice, paysFrom: unixMs(NOW.at + 1) } },
    { ...who, settings: { ...SETTINGS, paused: true } },
    { ...who, settings: { ...SETTINGS, paysFrom: unixMs(NOW.at + 1) } },
    { ...who, scheme: { ...scheme, rails: ['l1'] } },
  ]
  expect(reasons.map(each => reason(each, both))).toEqual([
    ...['below minimum', 'cooling off', 'paused', 'cooling off', 'no destination'],
  ])
  expect(reason(who, circumstances())).toBe('no destination')
})
