import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../src/lib/bitcoin/address.ts'
import { type UnixMs, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { railDestinations } from '../../src/payouts/rails/destinations.ts'
import {
  defaultWishes,
  grantWishes,
  nextSettings,
  type PayoutSettings,
  type PayoutWishes,
  RAILS_MAX,
  settingsText,
} from '../../src/payouts/settings.ts'
import { keyOf } from '../treasury/people.ts'

const PAYEE = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
const OTHER = 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk'
const MAINNET = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'
const HOUR_MS = 3_600_000
const coolOffMs = 48 * HOUR_MS

const parse = (text: string) => {
  const read = parseAddress(text, 'regtest')
  return read.kind === 'address'
    ? ({ kind: 'payable', canonical: read.text, dust: sats(294n) } as const)
    : ({ kind: 'unpayable', reason: read.kind } as const)
}
const destinations = new Map([
  ['l1', parse],
  ['other', parse],
])

const wishesTo = (destination: string | null, more: Partial<PayoutWishes> = {}): PayoutWishes => ({
  ...{ paused: false, feeRateMax: null },
  rails: [{ rail: 'l1', destination, minimum: sats(0n) }],
  ...more,
})

describe('wishes', () => {
  test('are granted with destinations in their one spelling, the payee itself as null', () => {
    const granted = grantWishes(PAYEE, wishesTo(OTHER.toUpperCase()), destinations)
    expect(granted).toEqual({ kind: 'wishes', wishes: wishesTo(OTHER) })
    for (const own of [PAYEE, PAYEE.toUpperCase(), null])
      expect(grantWishes(PAYEE, wishesTo(own), destinations)).toEqual({
        kind: 'wishes',
        wishes: wishesTo(null),
      })
  })

  test('to Thunder are granted in deposit form too, and name the bare address', () => {
    const bare = '8twUkpctzwgbjqi5o14qWjrD9uk'
    const both = railDestinations('regtest')
    const wanted = (destination: string) => ({
      ...wishesTo(null),
      rails: [{ rail: 'thunder', destination, minimum: sats(0n) }],
    })
    for (const text of [bare, `s9_${bare}_ca9565`])
      expect(grantWishes(PAYEE, wanted(text), both)).toEqual({
        kind: 'wishes',
        wishes: wanted(bare),
      })
    expect(grantWishes(bare, wanted(`s9_${bare}_ca9565`), both)).toMatchObject({
      wishes: { rails: [{ destination: null }] },
    })
    expect(grantWishes(PAYEE, wanted(`s9_${bare}_000000`), both)).toMatchObject({
      reason: expect.stringContaining('one of its characters is wrong'),
    })
  })

  test('begin with the rails that can pay the payee itself', () => {
    const both = railDestinations('regtest')
    const railsFor = (payee: string) => defaultWishes(payee, both).rails.map(({ rail }) => rail)
    expect(railsFor(PAYEE)).toEqual(['l1'])
    expect(railsFor('8twUkpctzwgbjqi5o14qWjrD9uk')).toEqual(['thunder'])
    expect(railsFor('nonsense')).toEqual([])
  })

  const l1 = wishesTo(OTHER).rails
  const refusals: readonly (readonly [string, string, PayoutWishes])[] = [
    ['name no rail', 'pause instead', wishesTo(null, { rails: [] })],
    [
      'name an unknown rail',
      'no rail ln',
      wishesTo(null, { rails: l1.map(r => ({ ...r, rail: 'ln' })) }),
    ],
    ['name a rail twice', 'twice', wishesTo(null, { rails: [...l1, ...l1] })],
    ['pay on another network', 'wrong network', wishesTo(MAINNET)],
    ['pay to nonsense', 'not an address', wishesTo('nonsense')],
    [
      'name too many rails',
      'at most',
      wishesTo(null, {
        rails: Array.from({ length: RAILS_MAX + 1 }, () => l1).flat(),
      }),
    ],
  ]
  for (const [what, reason, wishes] of refusals)
    test(`are refused where they ${what}`, () => {
      expect(grantWishes(PAYEE, wishes, destinations)).toEqual({
        kind: 'refused',
        reason: expect.stringContaining(reason),
      })
    })

  test('of a payee that cannot be paid itself on a rail name a destination', () => {
    expect(grantWishes('name@example.com', wishesTo(null), destinations).kind).toBe('refused')
    expect(grantWishes('name@example.com', wishesTo(OTHER), destinations).kind).toBe('wishes')
  })
})

test('the text to sign is what a person can read, and ends with its last word', () => {
  const wishes = wishesTo(OTHER, { paused: true, feeRateMax: sats(25_000n) })
  const context = { pool: 'a pool', network: 'regtest', payee: PAYEE, number: 3 }
  expect(settingsText(context, wishes)).toBe(
    [
      'sidepool payout settings',
      'pool: a pool',
      'network: regtest',
      `payee: ${PAYEE}`,
      'number: 3',
      `pay: by l1 to ${OTHER} from 0 sat`,
      'paused: yes',
      'fee at most: 25000 sat per 1000 vbytes',
    ].join('\n'),
  )
  expect(settingsText(context, wishesTo(null))).toContain(`to ${PAYEE} from 0 sat\npaused: no`)
})

const rail = fc.record({
  rail: fc.constantFrom('l1', 'other'),
  destination: fc.constantFrom(null, OTHER),
  minimum: fc.bigInt({ min: 0n, max: 10n ** 12n }).map(sats),
})
const anyWishes = fc.record({
  rails: fc.uniqueArray(rail, { selector: each => each.rail, minLength: 1, maxLength: 2 }),
  paused: fc.boolean(),
  feeRateMax: fc.option(fc.bigInt({ min: 1n, max: 10n ** 9n }).map(sats)),
})

test('two wishes, payees, numbers, pools or networks never have one text', () => {
  const context = fc.record({
    pool: fc.constantFrom('a', 'b'),
    network: fc.constantFrom('regtest', 'signet'),
    payee: fc.constantFrom(PAYEE, 'bcrt1qother'),
    number: fc.integer({ min: 1, max: 3 }),
  })
  const both = fc.tuple(context, anyWishes)
  fc.assert(
    fc.property(both, both, (a, b) => {
      const same = settingsText(...a) === settingsText(...b)
      const spelt = (each: typeof a) =>
        JSON.stringify(each, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
      expect(same).toBe(spelt(a) === spelt(b))
    }),
  )
})

describe('settings that follow', () => {
  const now = unixMs(1_800_000_000_000)
  const by = { by: null, now, coolOffMs }
  const first = nextSettings(null, wishesTo(OTHER), by)

  test('wait where the destination is new, and only then', () => {
    expect(first).toMatchObject({ number: 1, paysFrom: now + coolOffMs })
    expect(nextSettings(null, wishesTo(null), by).paysFrom).toBe(now)
    const later = { ...by, now: unixMs(now + 100 * HOUR_MS) }
    const raised = wishesTo(OTHER, { paused: true, feeRateMax: sats(1n) })
    expect(nextSettings(first, raised, later)).toMatchObject({
      number: 2,
      paysFrom: first.paysFrom,
    })
    expect(nextSettings(first, wishesTo(null), later).paysFrom).toBe(later.now + coolOffMs)
  })

  test('never make a wait shorter, whatever changes in whatever order', () => {
    const step = fc.tuple(anyWishes, fc.integer({ min: 0, max: 60 }), fc.constantFrom(0, coolOffMs))
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), steps => {
        let settings: PayoutSettings | null = null
        let at: UnixMs = now
        for (const [wishes, hours, wait] of steps) {
          at = unixMs(at + hours * HOUR_MS)
          const before: PayoutSettings | null = settings
          settings = nextSettings(before, wishes, { by: null, now: at, coolOffMs: wait })
          expect(settings.paysFrom).toBeGreaterThanOrEqual(before?.paysFrom ?? 0)
          const stood = before?.rails ?? [
            { rail: 'l1', destination: null },
            { rail: 'other', destination: null },
          ]
          const isNew = wishes.rails.some(
            each =>
              !stood.some(old => old.rail === each.rail && old.destination === each.destination),
          )
          if (isNew) expect(settings.paysFrom).toBeGreaterThanOrEqual(at + wait)
        }
      }),
    )
  })

  test('remember the operator who chose the destination until the payee signs', () => {
    const [anna, bert] = [keyOf(1), keyOf(2)]
    const byAnna = nextSettings(null, wishesTo(OTHER), { ...by, by: anna })
    expect(byAnna.destinationsBy).toBe(anna)
    const paused = nextSettings(byAnna, wishesTo(OTHER, { paused: true }), { ...by, by: bert })
    expect(paused.destinationsBy).toBe(anna)
    expect(nextSettings(paused, wishesTo(null), { ...by, by: bert }).destinationsBy).toBe(bert)
    expect(nextSettings(paused, wishesTo(OTHER), by).destinationsBy).toBeNull()
    const onlyPaused = nextSettings(first, wishesTo(OTHER, { paused: true }), { ...by, by: anna })
    expect(onlyPaused.destinationsBy).toBeNull()
  })
})
