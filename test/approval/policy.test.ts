import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SignedAct } from '../../src/approval/act.ts'
import { encodeManifest, manifestHash } from '../../src/approval/manifest.ts'
import type { CoinManifest } from '../../src/approval/manifest-shape.ts'
import {
  approvalsNeeded,
  judgeSpend,
  type LimitRefusal,
  type Limits,
  limitRefusal,
  type SpendPolicy,
  type SpendVerdict,
  type Spent,
  verdictText,
} from '../../src/approval/policy.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { manifestOfRow, NOW_MS } from '../payouts/batch-rows.ts'
import {
  APPROVE,
  NOTHING_SPENT,
  PEOPLE,
  POLICY,
  POOL_KEY,
  person,
  REJECT,
  signedBy,
} from '../treasury/approvers.ts'
import { keyOf } from '../treasury/people.ts'

const NOW = unixMs(NOW_MS)
const manifestOver = (amount: bigint, more: Partial<CoinManifest> = {}): CoinManifest => ({
  ...manifestOfRow({ number: 1, payees: [['a', amount]], feeMax: 10n }),
  ...more,
})
/** Asks for two approvals. */
const MANIFEST = manifestOver(5000n)
const MANIFEST_2 = manifestOver(5001n)
const hashOf = (manifest: CoinManifest) => manifestHash(encodeManifest(manifest))
const acts = (...keys: readonly number[]) => keys.map(n => signedBy(n, APPROVE, hashOf(MANIFEST)))
const rejection = (n: number) => signedBy(n, REJECT, hashOf(MANIFEST))
const AUTO = { poolKey: keyOf(POOL_KEY), perBatch: sats(6000n), perDay: sats(9000n) }
const waits = (approvals: number, needed = 2): SpendVerdict => ({
  kind: 'waits',
  approvals,
  needed,
})
const BY_OPERATORS: SpendVerdict = { kind: 'approved', by: 'operators' }
const BY_POOL: SpendVerdict = { kind: 'approved', by: 'pool' }

for (const [amount, needed] of [
  [0n, 1],
  [1000n, 1],
  [1001n, 2],
  [10_000n, 2],
  [10_001n, 3],
] as const)
  test(`${amount} sat take ${needed} approvals`, () =>
    expect(approvalsNeeded(POLICY, sats(amount))).toBe(needed))

test('the fee counts towards the band', () => {
  const judge = (manifest: CoinManifest) =>
    judgeSpend(POLICY, { manifest, acts: [] }, NOTHING_SPENT, NOW)
  expect(judge(manifestOver(990n))).toEqual(waits(0, 1))
  expect(judge(manifestOver(991n))).toEqual(waits(0, 2))
})

const without = (alias: string): SpendPolicy => ({
  ...POLICY,
  operators: POLICY.operators.filter(operator => operator.alias !== alias),
})
const withOperator = (changed: SpendPolicy['operators'][number]): SpendPolicy => ({
  ...without(changed.alias),
  operators: [...without(changed.alias).operators, changed],
})
const bobUntil = (notAfter: number): SpendPolicy =>
  withOperator({ ...person('bob', []), keys: [{ key: keyOf(2), notAfter: unixMs(notAfter) }] })
const own = manifestOver(5000n, { excluded: ['alice'] })
const ownActs = [1, 2].map(n => signedBy(n, APPROVE, hashOf(own)))

const verdicts: readonly (readonly [
  string,
  SpendPolicy,
  { readonly manifest?: CoinManifest; readonly acts: readonly SignedAct[] },
  SpendVerdict,
])[] = [
  ['nothing was said', POLICY, { acts: [] }, waits(0)],
  ['one approved', POLICY, { acts: acts(1) }, waits(1)],
  ['two approved', POLICY, { acts: acts(1, 2) }, BY_OPERATORS],
  ['one person approved with two keys', POLICY, { acts: acts(1, 11) }, waits(1)],
  ['a person approved twice', POLICY, { acts: acts(1, 1) }, waits(1)],
  ['a stranger approved', POLICY, { acts: acts(1, 9) }, waits(1)],
  ['a viewer approved', POLICY, { acts: acts(1, 4) }, waits(1)],
  ['an approver has left since', without('bob'), { acts: acts(1, 2) }, waits(1)],
  [
    'a role was taken since',
    withOperator(person('bob', [2], ['viewer'])),
    { acts: acts(1, 2) },
    waits(1),
  ],
  ['a key was revoked since', withOperator(person('bob', [22])), { acts: acts(1, 2) }, waits(1)],
  ['a key has just expired', bobUntil(NOW_MS), { acts: acts(1, 2) }, waits(1)],
  ['a key expires in a moment', bobUntil(NOW_MS + 1), { acts: acts(1, 2) }, BY_OPERATORS],
  ['who asked for it approved', POLICY, { manifest: own, acts: ownActs }, waits(1)],
  ['an approver rejected', POLICY, { acts: [...acts(1, 2), rejection(3)] }, { kind: 'rejected' }],
  [
    'an approver rejected after all',
    POLICY,
    { acts: [...acts(1, 2), rejection(1)] },
    { kind: 'rejected' },
  ],
  ['a viewer rejected', POLICY, { acts: [...acts(1, 2), rejection(4)] }, BY_OPERATORS],
  ['a stranger rejected', POLICY, { acts: [...acts(1, 2), rejection(9)] }, BY_OPERATORS],
  [
    'acts of another manifest are replayed',
    POLICY,
    { manifest: manifestOver(5001n), acts: acts(1, 2) },
    waits(0),
  ],
  [
    'acts of another manifest are given this hash',
    POLICY,
    {
      manifest: manifestOver(5001n),
      acts: acts(1, 2).map(act => ({ ...act, manifestHash: hashOf(manifestOver(5001n)) })),
    },
    waits(0),
  ],
  [
    'a signature was made up in the database',
    POLICY,
    { acts: [...acts(1), { ...signedBy(1, APPROVE, hashOf(MANIFEST)), operator: keyOf(2) }] },
    waits(1),
  ],
  [
    'a rejection was changed into an approval',
    POLICY,
    { acts: [...acts(1), { ...rejection(2), act: APPROVE }] },
    waits(1),
  ],
  ['nobody is an operator', { ...POLICY, operators: [] }, { acts: acts(1, 2, 3) }, waits(0)],
  ["the pool's key without an auto band", POLICY, { acts: acts(POOL_KEY) }, waits(0)],
  ["the pool's key within its band", { ...POLICY, auto: AUTO }, { acts: acts(POOL_KEY) }, BY_POOL],
  [
    "the pool's key, where an operator's own word is in it",
    { ...POLICY, auto: AUTO },
    { manifest: own, acts: [signedBy(POOL_KEY, APPROVE, hashOf(own))] },
    waits(0),
  ],
  ['nobody within the auto band', { ...POLICY, auto: AUTO }, { acts: [] }, waits(0)],
  [
    "the pool's key above its band",
    { ...POLICY, auto: { ...AUTO, perBatch: sats(5009n) } },
    { acts: acts(POOL_KEY) },
    waits(0),
  ],
  [
    "the pool's key, which somebody wrote into the list of people",
    {
      ...POLICY,
      operators: [...PEOPLE, person('mallory', [POOL_KEY])],
      auto: { ...AUTO, perBatch: sats(1n) },
    },
    { acts: acts(1, POOL_KEY) },
    waits(1),
  ],
  [
    "a rejection of what the pool's key approved",
    { ...POLICY, auto: AUTO },
    { acts: [...acts(POOL_KEY), rejection(1)] },
    { kind: 'rejected' },
  ],
]
for (const [what, policy, { manifest = MANIFEST, acts }, verdict] of verdicts)
  test(`a batch is judged when ${what}`, () =>
    expect(judgeSpend(policy, { manifest, acts }, NOTHING_SPENT, NOW)).toEqual(verdict))

test("the pool's key counts up to the last satoshi of its day", () => {
  const judge = (autoDay: bigint) => {
    const spent = { ...NOTHING_SPENT, day: sats(autoDay), autoDay: sats(autoDay) }
    const batch = { manifest: MANIFEST, acts: acts(POOL_KEY) }
    return judgeSpend({ ...POLICY, auto: AUTO }, batch, spent, NOW)
  }
  expect(judge(3990n)).toEqual(BY_POOL)
  expect(judge(3991n)).toEqual(waits(0))
})

const none: Limits = { perBatch: null, perDay: null, perDestinationPerDay: null }
const spentOn = (destination: string, amount: bigint): Spent => ({
  day: sats(amount),
  autoDay: sats(0n),
  byDestination: new Map([[destination, sats(amount)]]),
})
const ceilings: readonly (readonly [string, Partial<Limits>, Spent, LimitRefusal | null])[] = [
  ['no ceiling', {}, spentOn('a', 1_000_000n), null],
  ['the last satoshi of a batch', { perBatch: sats(5010n) }, NOTHING_SPENT, null],
  [
    'one more than a batch',
    { perBatch: sats(5009n) },
    NOTHING_SPENT,
    { kind: 'per batch', limit: sats(5009n), would: sats(5010n) },
  ],
  ['the last satoshi of a day', { perDay: sats(5110n) }, spentOn('b', 100n), null],
  [
    'one more than a day',
    { perDay: sats(5109n) },
    spentOn('b', 100n),
    { kind: 'per day', limit: sats(5109n), would: sats(5110n) },
  ],
  [
    "the last satoshi of a destination's day",
    { perDestinationPerDay: sats(5100n) },
    spentOn('a', 100n),
    null,
  ],
  ['what another destination had', { perDestinationPerDay: sats(5000n) }, spentOn('b', 100n), null],
  [
    "one more than a destination's day",
    { perDestinationPerDay: sats(5099n) },
    spentOn('a', 100n),
    { kind: 'per destination', destination: 'a', limit: sats(5099n) },
  ],
]
for (const [what, limits, spent, refusal] of ceilings)
  test(`a batch is held to its ceilings: ${what}`, () => {
    const policy = { ...POLICY, limits: { ...none, ...limits } }
    expect(limitRefusal(policy, MANIFEST, spent)).toEqual(refusal)
    const verdict = judgeSpend(policy, { manifest: MANIFEST, acts: acts(1, 2, 3) }, spent, NOW)
    expect(verdict).toEqual(refusal === null ? BY_OPERATORS : { kind: 'refused', why: refusal })
    if (refusal !== null) expect(verdictText(verdict)).toMatch(/\d+ /)
  })

test('only listed destinations are paid where there is a list', () => {
  const on = (...list: readonly string[]) =>
    limitRefusal({ ...POLICY, allowList: new Set(list) }, MANIFEST, NOTHING_SPENT)
  expect(on('a', 'b')).toBeNull()
  expect(on('A')).toEqual({ kind: 'not allowed', destination: 'a' })
  expect(on()).toEqual({ kind: 'not allowed', destination: 'a' })
})

test('whatever acts are thrown at it, only enough distinct good approvers approve a batch', () => {
  const aliases: Readonly<Record<number, string>> = {
    1: 'alice',
    11: 'alice',
    2: 'bob',
    3: 'carol',
  }
  const drawn = fc.array(
    fc.record({
      n: fc.constantFrom(1, 11, 2, 3, 4, 9, POOL_KEY),
      how: fc.constantFrom('well', 'badly', 'for another'),
    }),
    { maxLength: 10 },
  )
  const people = ['alice', 'bob', 'carol']
  fc.assert(
    fc.property(
      drawn,
      fc.subarray(people),
      fc.integer({ min: 1, max: 4 }),
      (acts, excluded, needed) => {
        const manifest = { ...MANIFEST, excluded }
        const signed = acts.map(({ n, how }) => {
          const act = signedBy(n, APPROVE, hashOf(how === 'for another' ? MANIFEST_2 : manifest))
          return how === 'badly' ? { ...act, signature: new Uint8Array(64) } : act
        })
        const good = acts.flatMap(({ n, how }) => (how === 'well' ? [aliases[n] ?? ''] : []))
        const counted = people.filter(alias => good.includes(alias) && !excluded.includes(alias))
        const policy = { ...POLICY, bands: [{ upTo: null, approvals: needed }] }
        const verdict = judgeSpend(policy, { manifest, acts: signed }, NOTHING_SPENT, NOW)
        const enough = counted.length >= needed
        expect(verdict).toEqual(enough ? BY_OPERATORS : waits(counted.length, needed))
      },
    ),
    { numRuns: 100 },
  )
})
