import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeManifest,
  encodeManifest,
  manifestHash,
  manifestTotal,
} from '../../src/approval/manifest.ts'
import type { CoinManifest, LineManifest } from '../../src/approval/manifest-shape.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { batchId, payoutId, txid, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'

const MANIFEST: CoinManifest = {
  version: 2,
  purpose: 'payout',
  wallet: 'hot',
  batch: batchId(7n),
  network: 'regtest',
  rail: 'l1',
  payees: [
    { destination: 'bcrt1qa', amount: sats(1000n), payouts: [payoutId(1n), payoutId(3n)] },
    { destination: 'bcrt1qb', amount: sats(2000n), payouts: [payoutId(2n)] },
  ],
  feeMax: sats(500n),
  anchor: { txid: txid('ab'.repeat(32)), vout: 1 },
  change: 'bcrt1qc',
  createdAt: unixMs(1000),
  expiresAt: unixMs(2000),
  policyVersion: 3,
  createdBy: 'plan:daily',
  excluded: ['alice', 'bob'],
}
const TEXT =
  `{"anchor":{"txid":"${'ab'.repeat(32)}","vout":1},"batch":"7","change":"bcrt1qc",` +
  '"createdAt":1000,"createdBy":"plan:daily","excluded":["alice","bob"],"expiresAt":2000,"feeMaxSats":"500",' +
  '"network":"regtest","payees":[' +
  '{"amountSats":"1000","destination":"bcrt1qa","payouts":["1","3"]},' +
  '{"amountSats":"2000","destination":"bcrt1qb","payouts":["2"]}],' +
  '"policyVersion":3,"purpose":"payout","rail":"l1","version":2,"wallet":"hot"}'

test('a manifest has one spelling, which reads back as the same manifest', () => {
  expect(new TextDecoder().decode(encodeManifest(MANIFEST))).toBe(TEXT)
  expect(decodeManifest(utf8(TEXT))).toEqual(MANIFEST)
  expect(manifestTotal(MANIFEST)).toBe(3000n)
})

const BARE = '8twUkpctzwgbjqi5o14qWjrD9uk'
const DEPOSIT: CoinManifest = {
  ...MANIFEST,
  purpose: 'deposit',
  payees: [{ destination: BARE, amount: sats(1000n), payouts: [] }],
}
const WITHDRAWAL: CoinManifest = {
  ...DEPOSIT,
  ...{ purpose: 'withdrawal', rail: 'thunder' },
  payees: [{ destination: 'bcrt1qa', amount: sats(1000n), payouts: [] }],
}

const CHANNEL: CoinManifest = { ...WITHDRAWAL, purpose: 'channel', rail: 'l1' }

test.each([DEPOSIT, WITHDRAWAL, CHANNEL])(
  'a $purpose moves to one place of ours and pays no miner',
  own => {
    expect(decodeManifest(encodeManifest(own))).toEqual(own)
    const [payee] = own.payees
    if (!payee) throw new Error('it has a payee')
    const other = { ...payee, destination: `1${payee.destination.slice(1)}` }
    for (const payees of [[], [other, payee], [{ ...payee, payouts: [payoutId(1n)] }]])
      expect(() => encodeManifest({ ...own, payees })).toThrow('purpose')
    const rail = own.rail === 'l1' ? 'thunder' : 'l1'
    expect(() => encodeManifest({ ...own, rail })).toThrow('purpose')
  },
)

// All but the bare form are credited to an address that nobody has the key of.
test.each([
  ['the deposit form', 's9_8twUkpctzwgbjqi5o14qWjrD9uk_ca9565'],
  ['another slot', 's2_8twUkpctzwgbjqi5o14qWjrD9uk_4baaee'],
  ['a bad checksum', 's9_8twUkpctzwgbjqi5o14qWjrD9uk_000000'],
  ['the all-zero address', '11111111111111111111'],
  ['the all-zero address in the deposit form', 's9_11111111111111111111_9267ba'],
  ['a Bitcoin address', '13tqn1jxdcrbDycej4bp5S5PcffYtdGNPy'],
  ['19 bytes', '2HcrxuJoEjauHZ8oagi8bmMzRt'],
  ['21 bytes', 'S4gXxgE8bPiZKuvoz4KcDnttRmSW'],
  ['a blank behind it', `${BARE} `],
])('no manifest deposits to %s', (_name, destination) => {
  const payees = [{ destination, amount: sats(1000n), payouts: [] }]
  expect(() => encodeManifest({ ...DEPOSIT, payees })).toThrow('purpose')
  const text = new TextDecoder().decode(encodeManifest(DEPOSIT)).replace(BARE, destination)
  expect(decodeManifest(utf8(text))).toBeNull()
})

const LINES: LineManifest = {
  version: 3,
  ...{ purpose: 'payout', wallet: 'hot', batch: batchId(8n), network: 'regtest' },
  rail: 'lightning',
  payees: [
    { destination: 'a@b.example', amount: sats(10n), payouts: [payoutId(4n)], feeMax: sats(1n) },
    { destination: 'c@b.example', amount: sats(20n), payouts: [payoutId(5n)], feeMax: sats(2n) },
  ],
  feeMax: sats(3n),
  ...{ createdAt: unixMs(1000), expiresAt: unixMs(2000), policyVersion: 3 },
  ...{ createdBy: 'plan:lightning', excluded: [] },
}
const LINES_TEXT =
  '{"batch":"8","createdAt":1000,"createdBy":"plan:lightning","excluded":[],"expiresAt":2000,' +
  '"feeMaxSats":"3","network":"regtest","payees":[' +
  '{"amountSats":"10","destination":"a@b.example","feeMaxSats":"1","payouts":["4"]},' +
  '{"amountSats":"20","destination":"c@b.example","feeMaxSats":"2","payouts":["5"]}],' +
  '"policyVersion":3,"purpose":"payout","rail":"lightning","version":3,"wallet":"hot"}'

test('a batch of payments has no anchor and a largest fee for each', () => {
  expect(new TextDecoder().decode(encodeManifest(LINES))).toBe(LINES_TEXT)
  expect(decodeManifest(utf8(LINES_TEXT))).toEqual(LINES)
  expect(manifestTotal(LINES)).toBe(30n)
})

for (const [name, from, to] of [
  ['fees that are not the sum', '"feeMaxSats":"3"', '"feeMaxSats":"4"'],
  ['a fee of one missing', '"feeMaxSats":"2",', ''],
  ['another rail', '"rail":"lightning"', '"rail":"l1"'],
  ['a cold wallet', '"wallet":"hot"', '"wallet":"cold"'],
  ['another purpose', '"purpose":"payout"', '"purpose":"transfer"'],
  ['a version of coins', '"version":3', '"version":2'],
  ['nobody to pay for', '["5"]', '[]'],
] as const)
  test(`a batch of payments is refused with ${name}`, () => {
    expect(LINES_TEXT).toContain(from)
    expect(decodeManifest(utf8(LINES_TEXT.replace(from, to)))).toBeNull()
  })

test('a batch of coins is never one of Lightning', () => {
  expect(decodeManifest(utf8(TEXT.replace('"rail":"l1"', '"rail":"lightning"')))).toBeNull()
})

const edits: readonly [string, string, string][] = [
  ['a space', '"vout":1', '"vout": 1'],
  ['a leading zero', '"amountSats":"1000"', '"amountSats":"01000"'],
  ['a number for money', '"feeMaxSats":"500"', '"feeMaxSats":500'],
  ['an unknown field', '"wallet":"hot"}', '"wallet":"hot","x":1}'],
  ['a missing field', '"rail":"l1",', ''],
  ['keys in another order', '"rail":"l1","version":2', '"version":2,"rail":"l1"'],
  ['a field twice', '"rail":"l1"', '"rail":"l2","rail":"l1"'],
  ['another version', '"version":2', '"version":1'],
  ['another purpose', '"purpose":"payout"', '"purpose":"consolidation"'],
  ['an unknown wallet', '"wallet":"hot"', '"wallet":"warm"'],
  ['aliases out of order', '["alice","bob"]', '["bob","alice"]'],
  ['payees out of order', '"bcrt1qa"', '"bcrt1qz"'],
  ['a payee twice', '"bcrt1qb"', '"bcrt1qa"'],
  ['payouts out of order', '["1","3"]', '["3","1"]'],
  ['a payout in two places', '["2"]', '["3"]'],
  ['nobody to pay for', '["2"]', '[]'],
  ['an amount of nothing', '"2000"', '"0"'],
  ['more than all bitcoin', '"2000"', '"2099999999999999"'],
  ['an expiry before its time', '"expiresAt":2000', '"expiresAt":1000'],
  ['an escaped letter', '"regtest"', '"regtes\\u0074"'],
  ['a line feed after it', '"wallet":"hot"}', '"wallet":"hot"}\n'],
]
for (const [name, from, to] of edits)
  test(`a manifest is refused with ${name}`, () => {
    expect(TEXT).toContain(from)
    expect(decodeManifest(utf8(TEXT.replace(from, to)))).toBeNull()
  })

test('bytes that are no text, and no manifest, are refused', () => {
  for (const text of ['', '{}', 'null', '[]', '7', '{'])
    expect(decodeManifest(utf8(text))).toBeNull()
  expect(decodeManifest(Uint8Array.of(0xff, 0xfe))).toBeNull()
})

test('any change of a manifest is another hash', () => {
  const changed: CoinManifest[] = [
    { ...MANIFEST, batch: batchId(8n) },
    { ...MANIFEST, feeMax: sats(501n) },
    { ...MANIFEST, network: 'signet' },
    { ...MANIFEST, anchor: { ...MANIFEST.anchor, vout: 2 } },
    { ...MANIFEST, change: 'bcrt1qd' },
    { ...MANIFEST, payees: MANIFEST.payees.slice(1) },
    { ...MANIFEST, purpose: 'consolidation', payees: [] },
    { ...MANIFEST, wallet: 'cold' },
    { ...MANIFEST, excluded: [] },
  ]
  const hashes = [MANIFEST, ...changed].map(each => manifestHash(encodeManifest(each)))
  expect(new Set(hashes).size).toBe(hashes.length)
})

test('whatever the payees, what was encoded is decoded', () => {
  const payees = fc
    .uniqueArray(fc.string({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 20 })
    .chain(names =>
      fc.tuple(
        fc.constant(names.toSorted((a, b) => (a < b ? -1 : 1))),
        fc.array(fc.bigInt(1n, 1_000_000_000n), {
          minLength: names.length,
          maxLength: names.length,
        }),
      ),
    )
  fc.assert(
    fc.property(payees, ([names, amounts]) => {
      const manifest: CoinManifest = {
        ...MANIFEST,
        payees: names.map((destination, index) => ({
          destination,
          amount: sats(amounts[index] ?? 1n),
          payouts: [payoutId(BigInt(index + 1))],
        })),
      }
      expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest)
    }),
  )
})
