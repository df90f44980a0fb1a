import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sats } from '../../src/lib/money.ts'
import type { RewardInput } from '../../src/payouts/reward-method.ts'
import { rewardMethod, rewardMethods } from '../../src/payouts/rewards/index.ts'
import { pplns } from '../../src/payouts/rewards/pplns.ts'
import { coinbaseFee } from '../../src/statement/index.ts'
import { rewardMethodContract } from '../contracts/reward-method.ts'
import { blockOf, type LineOf, workBack } from './work.ts'

const TWO_BLOCKS = { numerator: 2n, denominator: 1n }
const solo = rewardMethod({ method: 'solo' })
const pps = rewardMethod({ method: 'pps' })
const pplnsOfTwo = rewardMethod({ method: 'pplns', window: 2 })

describe('the contract of reward methods', () => {
  for (const method of [
    solo,
    pps,
    pplnsOfTwo,
    pplns({ numerator: 1n, denominator: 3n }),
    pplns(TWO_BLOCKS, 2),
  ])
    rewardMethodContract(method)
})

const [A, B, C] = [1n, 2n, 3n]
type Lines = Readonly<Record<string, bigint | number>>
const linesOf = (lines: Lines): LineOf[] =>
  Object.entries(lines).map(([name, work]) => {
    return { account: { A, B, C }[name] ?? 9n, work: BigInt(work) }
  })
const inputOf = (
  epochs: readonly (readonly [bigint, Lines])[],
  rest: Partial<RewardInput> = {},
): RewardInput => ({
  rewardPool: 'main',
  work: workBack(epochs.map(([networkWork, lines]) => ({ networkWork, lines: linesOf(lines) }))),
  block: blockOf(1, A),
  feeBasisPoints: () => 200,
  ...rest,
})
const amountsOf = (reward: { amounts: readonly { account: bigint; amount: bigint }[] }) =>
  reward.amounts.map(({ account, amount }) => [account, amount])
const N = 1000n

test('solo pays the finder all but the fee', () => {
  const reward = solo.reward(inputOf([[N, { A: 1, B: 900 }]]))
  expect(amountsOf(reward)).toEqual([[A, 313_600_000_000n]])
  expect([reward.fee, reward.remainder]).toEqual([6_400_000_000n, 0n])
})

test("a block without a known finder is the pool's own", () => {
  for (const method of [solo, pplnsOfTwo]) {
    const reward = method.reward(inputOf([[N, { A: 300 }]], { block: blockOf(1, null) }))
    expect(reward.amounts).toEqual([])
    expect([reward.fee, reward.remainder]).toEqual([0n, 320_000_000_000n])
    expect(reward.work).toHaveLength(1)
  }
})

test('a block that paid its finder owes it nothing: what came to the pool is the fee', () =>
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 12n }),
      fc.integer({ min: 0, max: 9999 }),
      (whole, feeBasisPoints) => {
        const value = coinbaseFee(sats(whole), feeBasisPoints)
        const paid = { payee: 'payee-1', amount: sats(whole - value), feeBasisPoints }
        const block = { ...blockOf(1, A, value), paid }
        // Its share may be in no epoch that is at hand, and another fee in force by now.
        const input = inputOf([[N, { B: 900 }]], { block, feeBasisPoints: () => 0 })
        expect(solo.wantsOlder(input)).toBe(false)
        const reward = solo.reward(input)
        expect(reward.amounts).toEqual([])
        expect([reward.total, reward.fee, reward.remainder]).toEqual([
          value * 1000n,
          value * 1000n,
          0n,
        ])
        expect(reward.work).toHaveLength(1)
      },
    ),
  ))

test('solo looks back for the finder of a block that was booked late', () => {
  const input = inputOf([
    [N, { B: 5 }],
    [N, {}],
    [N, { A: 1 }],
    [N, { A: 1 }],
  ])
  const late = { ...input, work: input.work.slice(0, 2) }
  expect(solo.wantsOlder(late)).toBe(true)
  expect(solo.wantsOlder(input)).toBe(false)
  const reward = solo.reward(input)
  expect(amountsOf(reward)).toEqual([[A, 313_600_000_000n]])
  expect(reward.work.map(used => used.epoch)).toEqual([4n, 3n, 2n])
})

test("a reward pool that nobody promised is the pool's own, and one forgotten must wait", () => {
  const methodOf = rewardMethods({ main: { method: 'pps' } })
  expect(methodOf('main')).toBe(pps)
  const unknown = methodOf('unknown').reward(inputOf([[N, {}]], { block: blockOf(1, null) }))
  expect(unknown.remainder).toBe(320_000_000_000n)
  for (const name of ['gone', '__proto__', 'constructor'])
    expect(() => methodOf(name)).toThrow('no reward pool')
})

test('pps pays work its expected part of the subsidy', () => {
  const reward = pps.reward(inputOf([[N, { A: 1, B: 3, C: 250 }]], { block: null }))
  expect(amountsOf(reward)).toEqual([
    [A, 306_250_000n],
    [B, 918_750_000n],
    [C, 76_562_500_000n],
  ])
  expect(reward.total).toBe(254n * 312_500_000n)
  expect(reward.fee).toBe(254n * 6_250_000n)
  expect(reward.remainder).toBe(0n)
})

test('pps loses no share that is worth less than a satoshi', () => {
  const difficulty = 126_982_285_146_989n
  const one = pps.reward(inputOf([[difficulty, { A: 16_384 }]], { block: null }))
  // 0.0395141... sat.
  expect(amountsOf(one)).toEqual([[A, 39n]])
  const thousand = pps.reward(inputOf([[difficulty, { A: 16_384_000 }]], { block: null }))
  expect(amountsOf(thousand)).toEqual([[A, 39_514n]])
})

test('pps of a sum is no less than the sum of its parts, and the rest is stated', () => {
  const works = fc.array(fc.bigInt({ min: 1n, max: 2n ** 60n }), { minLength: 2, maxLength: 20 })
  fc.assert(
    fc.property(works, fc.bigInt({ min: 2n ** 50n, max: 2n ** 80n }), (parts, network) => {
      const of = (work: bigint): bigint => {
        const [only] = pps.reward(inputOf([[network, { A: work }]], { block: null })).amounts
        return only?.amount ?? 0n
      }
      const whole = of(parts.reduce((a, b) => a + b, 0n))
      const sum = parts.map(of).reduce((a, b) => a + b, 0n)
      expect(whole - sum).toBeGreaterThanOrEqual(0n)
      expect(whole - sum).toBeLessThan(BigInt(parts.length))
    }),
  )
})

test('pplns takes whole statements and the same fraction of the oldest from everyone', () => {
  const reward = pplnsOfTwo.reward(
    inputOf([
      [N, { A: 300, B: 500 }],
      [N, { A: 200, C: 600, B: 250 }],
      [N, { A: 400, C: 700 }],
      [N, { A: 999, B: 999 }],
    ]),
  )
  expect(amountsOf(reward)).toEqual([
    [A, 86_952_727_273n],
    [B, 117_600_000_000n],
    [C, 109_047_272_727n],
  ])
  expect([reward.fee, reward.remainder]).toEqual([6_400_000_000n, 0n])
  expect(reward.work.map(used => [used.epoch, used.numerator, used.denominator])).toEqual([
    [4n, 1n, 1n],
    [3n, 1n, 1n],
    [2n, 150n, 1100n],
  ])
})

test('a pool younger than its window divides the whole block over what is there', () => {
  const reward = pplnsOfTwo.reward(inputOf([[N, { A: 300, B: 200 }]]))
  expect(amountsOf(reward)).toEqual([
    [A, 188_160_000_000n],
    [B, 125_440_000_000n],
  ])
  expect(reward.remainder).toBe(0n)
})

test('work before a retarget counts by the difficulty of its own epoch', () => {
  const reward = pplnsOfTwo.reward(
    inputOf([
      [N, { A: 300, B: 500 }],
      [N, { A: 200, C: 600 }],
      [800n, { B: 250, A: 400 }],
    ]),
  )
  // 1.6 blocks are in, so 0.4 * 800 = 320 of 650 hashes fit. Scores of 2 expected blocks:
  // A 1/2 + 16/65, B 1/2 + 10/65, C 3/5; times 313,600,000,000 / 2.
  expect(reward.work.at(-1)).toMatchObject({ numerator: 320n, denominator: 650n })
  expect(amountsOf(reward)).toEqual([
    [A, 116_996_923_077n],
    [B, 102_523_076_923n],
    [C, 94_080_000_000n],
  ])
  expect(reward.fee).toBe(6_400_000_000n)
})

test('a window that ends with a statement takes it whole and nothing of the next', () => {
  const input = inputOf([
    [N, { A: 1500 }],
    [N, { B: 500 }],
    [N, { C: 1 }],
  ])
  const { work, amounts } = pplnsOfTwo.reward(input)
  expect(work).toHaveLength(2)
  expect(amounts.map(({ account }) => account)).toEqual([A, B])
  expect(pplnsOfTwo.wantsOlder({ ...input, work: input.work.slice(0, 1) })).toBe(true)
  expect(pplnsOfTwo.wantsOlder({ ...input, work: input.work.slice(0, 2) })).toBe(false)
})

test('a statement larger than the window counts in part, and each account keeps its part', () => {
  const reward = pplnsOfTwo.reward(inputOf([[N, { A: 3000, B: 1000 }]]))
  expect(reward.work).toMatchObject([{ numerator: 2000n, denominator: 4000n }])
  expect(amountsOf(reward)).toEqual([
    [A, 235_200_000_000n],
    [B, 78_400_000_000n],
  ])
})

test('each scheme of a shared pool pays its own fee, and the sum is exact', () => {
  const work = workBack([
    {
      networkWork: N,
      lines: [
        { account: A, work: 1n, scheme: 'cheap' },
        { account: B, work: 2n, scheme: 'dear' },
      ],
    },
  ])
  const feeBasisPoints = (scheme: string) => (scheme === 'cheap' ? 50 : 300)
  const block = blockOf(1, A, 100n)
  const reward = pplnsOfTwo.reward({ rewardPool: 'main', work, block, feeBasisPoints })
  // 100,000 msat: A 33,166.67, B 64,666.67, fee 2,166.67; two left over go to A and B.
  expect(amountsOf(reward)).toEqual([
    [A, 33_167n],
    [B, 64_667n],
  ])
  expect(reward.fee).toBe(2_166n)
})

test('an idle epoch inside the window is named, and a pool without work leaves all to itself', () => {
  const idle = inputOf([
    [N, {}],
    [N, { A: 5 }],
  ])
  expect(pplnsOfTwo.reward(idle).work).toHaveLength(2)
  const nothing = pplnsOfTwo.reward(inputOf([[N, {}]]))
  expect(nothing.remainder).toBe(320_000_000_000n)
  expect(nothing.amounts).toEqual([])
})

test('a fraction stays as long as the work itself, through many retargets', () => {
  const epochs = Array.from({ length: 60 }, (_, nth): readonly [bigint, Lines] => {
    return [
      2n ** 79n + 12_345n * BigInt(nth * nth + 1),
      { A: 2n ** 74n + BigInt(nth), B: 3n ** 46n },
    ]
  })
  const { work } = pplnsOfTwo.reward(inputOf(epochs))
  const oldest = work.at(-1)
  expect(oldest?.numerator).not.toBe(oldest?.denominator)
  expect(oldest?.denominator).toBeLessThan(10n ** 39n)
})
