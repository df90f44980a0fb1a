import { describe, expect, test } from 'vitest'
import { batchId, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { REQUEST_EVERY_MS, requestRefusal, requestText } from '../../src/payouts/request.ts'
import type { Candidate } from '../../src/payouts/waiting.ts'
import { candidate, NOW, railRules, SETTINGS } from './due.ts'

const scene = { now: NOW, rails: [railRules('l1')] }
const refusal = (more: Partial<Candidate>) => requestRefusal(candidate(1, more), scene, null)

test('an account may ask whether its interval is over or not', () => {
  expect(refusal({})).toBeNull()
  expect(refusal({ since: NOW })).toBeNull()
})

describe('asking changes nothing', () => {
  const batch = batchId(7n)
  const cases: readonly (readonly [string, Partial<Candidate>, object])[] = [
    ['under way', { live: { state: 'planned', batch } }, { state: 'planned', batch }],
    ['paused', { settings: { ...SETTINGS, paused: true } }, {}],
    ['below minimum', { payable: millisats(999_999n) }, { minimum: sats(1000n) }],
    [
      'cooling off',
      { settings: { ...SETTINGS, paysFrom: unixMs(NOW.at + 1) } },
      { until: NOW.at + 1 },
    ],
    ['no destination', { ownDestination: 'not payable' }, { reason: 'l1: it says so' }],
  ]
  for (const [kind, more, said] of cases)
    test(`for one that is ${kind}`, () => {
      expect(refusal(more)).toEqual({ kind: 'waiting', why: { kind, ...said } })
    })
})

test('there is one open request, and one a day', () => {
  const at = (askedAt: number, isOpen: boolean) =>
    requestRefusal(candidate(1), scene, { askedAt: unixMs(askedAt), isOpen })
  const later = { ...scene, now: { height: 500, at: unixMs(10 * REQUEST_EVERY_MS) } }
  const first = later.now.at - REQUEST_EVERY_MS
  expect(at(0, true)).toEqual({ kind: 'asked already', askedAt: 0 })
  const again = (askedAt: number) =>
    requestRefusal(candidate(1), later, { askedAt: unixMs(askedAt), isOpen: false })
  expect(again(first + 1)).toEqual({ kind: 'too soon', from: later.now.at + 1 })
  expect(again(first)).toBeNull()
})

test('what is signed names the account, and which request it is', () => {
  const context = { pool: 'a pool', network: 'regtest', payee: 'somebody', number: 2 }
  expect(requestText(context, 'pplns')).toBe(
    'sidepool payout request\npool: a pool\nnetwork: regtest\npayee: somebody\nnumber: 2\nscheme: pplns',
  )
})
