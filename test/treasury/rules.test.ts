import { expect, test } from 'vitest'
import { utf8 } from '../../src/lib/bytes.ts'
import { encodeRules, rulesHash, rulesSchema, spendRules } from '../../src/treasury/rules.ts'
import { keyOf } from './people.ts'

const RULES = {
  version: 3,
  bands: [
    { upToSats: '1000', approvals: 1 },
    { upToSats: null, approvals: 2 },
  ],
  auto: { perBatchSats: '10', perDaySats: '20' },
  limits: { perBatchSats: '5000', perDaySats: null, perDestinationPerDaySats: null },
  allowList: ['b', 'a'],
}
const rules = (changed: object = {}, poolKey = keyOf(1)) =>
  spendRules(rulesSchema.parse({ ...RULES, ...changed }), poolKey)
const pathsOf = (changed: object) =>
  rulesSchema.safeParse({ ...RULES, ...changed }).error?.issues.map(({ path }) => path.join('.'))

test('rules have one spelling, with the key that the auto band is for', () => {
  expect(new TextDecoder().decode(encodeRules(rules()))).toBe(
    `{"allowList":["a","b"],"auto":{"perBatch":"10","perDay":"20","poolKey":"${keyOf(1)}"},` +
      '"bands":[{"approvals":1,"upTo":"1000"},{"approvals":2,"upTo":null}],"coolOffHours":48,' +
      '"limits":{"perBatch":"5000","perDay":null,"perDestinationPerDay":null},"version":3}',
  )
  expect(encodeRules(rules({ allowList: ['a', 'b', 'a'] }))).toEqual(encodeRules(rules()))
})

test('rules that differ in anything have another hash', () => {
  const all = [
    rules(),
    rules({ version: 4 }),
    rules({ bands: [{ upToSats: null, approvals: 2 }] }),
    rules({ auto: null }),
    rules({}, keyOf(2)),
    rules({ limits: { ...RULES.limits, perDaySats: '5000' } }),
    rules({ allowList: null }),
    rules({ allowList: [] }),
    rules({ coolOffHours: 47 }),
  ]
  expect(new Set(all.map(each => rulesHash(encodeRules(each)))).size).toBe(all.length)
  expect(rulesHash(utf8(''))).toMatch(/^[0-9a-f]{64}$/)
})

test('without a key of the pool there is no auto band', () => {
  expect(spendRules(rulesSchema.parse(RULES), null).auto).toBeNull()
})

const wrong: readonly (readonly [string, object, string])[] = [
  ['no band', { bands: [] }, 'bands'],
  ['a band for nobody', { bands: [{ upToSats: null, approvals: 0 }] }, 'bands.0.approvals'],
  ['a last band with a bound', { bands: [{ upToSats: '1', approvals: 1 }] }, 'bands.0.upToSats'],
  ['a first band without one', { bands: [RULES.bands[1], RULES.bands[1]] }, 'bands.0.upToSats'],
  [
    'bands that do not ascend',
    { bands: [RULES.bands[0], RULES.bands[0], RULES.bands[1]] },
    'bands.1.upToSats',
  ],
  [
    'fewer approvals for more',
    {
      bands: [
        { upToSats: '1000', approvals: 2 },
        { upToSats: null, approvals: 1 },
      ],
    },
    'bands.1.approvals',
  ],
  [
    'more in a batch than in a day',
    { auto: { perBatchSats: '21', perDaySats: '20' } },
    'auto.perBatchSats',
  ],
  ['a number for money', { auto: { perBatchSats: 1, perDaySats: '20' } }, 'auto.perBatchSats'],
  [
    'more than all bitcoin',
    { auto: { perBatchSats: '1', perDaySats: '9999999999999999' } },
    'auto.perDaySats',
  ],
  [
    'a forgotten ceiling',
    { limits: { perBatchSats: null, perDaySats: null } },
    'limits.perDestinationPerDaySats',
  ],
  ['a misspelt key', { alow: null }, ''],
  ['version 0', { version: 0 }, 'version'],
]
for (const [what, changed, path] of wrong)
  test(`rules are refused with ${what}`, () => expect(pathsOf(changed)).toEqual([path]))
