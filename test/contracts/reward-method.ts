import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Reward, RewardInput, RewardMethod } from '../../src/payouts/reward-method.ts'
import { blockOf, type LineOf, workBack } from '../payouts/work.ts'

const FEES: Readonly<Record<string, number>> = { port: 200, free: 0, dear: 1234, all: 10_000 }
const feeBasisPoints = (scheme: string) => FEES[scheme] ?? 0

/** An account keeps its scheme, and so its reward pool, in every epoch. */
const schemeOf = (account: bigint) => Object.keys(FEES)[Number(account % 4n)] ?? 'port'
const poolOf = (account: bigint) => (account % 5n === 4n ? 'other' : 'main')

const line = fc
  .record({
    account: fc.bigInt({ min: 1n, max: 30n }),
    work: fc.bigInt({ min: 1n, max: 2n ** 80n }),
  })
  .map(({ account, work }): LineOf => {
    return { account, work, scheme: schemeOf(account), rewardPool: poolOf(account) }
  })
const epochs = fc.array(
  fc.record({
    networkWork: fc.bigInt({ min: 2n ** 78n, max: 2n ** 82n }),
    lines: fc.uniqueArray(line, { maxLength: 12, selector: each => each.account }),
  }),
  { minLength: 1, maxLength: 8 },
)

const inputs = fc.record({
  epochs,
  value: fc.bigInt({ min: 0n, max: 10n ** 12n }),
  isKnown: fc.boolean(),
})
type Made = {
  epochs: readonly { networkWork: bigint; lines: LineOf[] }[]
  value: bigint
  isKnown: boolean
}

function inputOf(method: RewardMethod, { epochs: made, value, isKnown }: Made): RewardInput {
  const finder = made[0]?.lines.find(each => each.rewardPool === 'main')?.account ?? null
  const block = blockOf(1, isKnown ? finder : null, value)
  return {
    rewardPool: 'main',
    work: workBack(made),
    block: method.paysOn === 'block' ? block : null,
    feeBasisPoints,
  }
}

function expectConserved(reward: Reward) {
  const amounts = reward.amounts.map(({ amount }) => amount)
  const sum = amounts.reduce((a, b) => a + b, 0n)
  expect(sum + reward.fee + reward.remainder).toBe(reward.total)
  expect(amounts.every(amount => amount > 0n)).toBe(true)
  expect(reward.fee >= 0n && reward.remainder >= 0n).toBe(true)
  const accounts = reward.amounts.map(({ account }) => account)
  expect(accounts).toEqual([...new Set(accounts)].sort((a, b) => (a < b ? -1 : 1)))
}

/** What every reward method must keep, whatever it pays for. */
export function rewardMethodContract(method: RewardMethod) {
  const named = `${method.name} ${JSON.stringify(method.parameters)}`

  test(`${named} conserves what it divides, to the last millisat`, () => {
    fc.assert(
      fc.property(inputs, made => {
        const input = inputOf(method, made)
        const reward = method.reward(input)
        expectConserved(reward)
        if (input.block) expect(reward.total).toBe(input.block.value * 1000n)
      }),
    )
  })

  test(`${named} gives the same for the same, whatever the order of lines`, () => {
    fc.assert(
      fc.property(inputs, made => {
        const input = inputOf(method, made)
        const turned = input.work.map(({ statement, hash }) => ({
          statement: { ...statement, lines: statement.lines.toReversed() },
          hash,
        }))
        const reward = method.reward(input)
        expect(method.reward(input)).toEqual(reward)
        expect(method.reward({ ...input, work: turned })).toEqual(reward)
      }),
    )
  })

  test(`${named} needs nothing older once it says so`, () => {
    fc.assert(
      fc.property(inputs, made => {
        const input = inputOf(method, made)
        const enough = input.work.findIndex(
          (_, index) => !method.wantsOlder({ ...input, work: input.work.slice(0, index + 1) }),
        )
        if (enough < 0) return
        const short = { ...input, work: input.work.slice(0, enough + 1) }
        expect(method.reward(short)).toEqual(method.reward(input))
      }),
    )
  })

  test(`${named} pays only accounts of its reward pool and names its work without a gap`, () => {
    fc.assert(
      fc.property(inputs, made => {
        const input = inputOf(method, made)
        const { amounts, work } = method.reward(input)
        for (const { account } of amounts) expect(poolOf(account)).toBe('main')
        expect(work[0]?.epoch).toBe(input.work[0]?.statement.epoch)
        work.forEach(({ epoch, hash, numerator, denominator }, index) => {
          expect(hash).toBe(input.work[index]?.hash)
          expect(epoch).toBe(input.work[index]?.statement.epoch)
          expect(numerator > 0n && numerator <= denominator).toBe(true)
          if (index < work.length - 1) expect(numerator).toBe(denominator)
        })
      }),
    )
  })

  for (const count of [1, 10_000]) {
    test(`${named} pays ${count} accounts`, () => {
      const lines = Array.from({ length: count }, (_, nth): LineOf => {
        return { account: BigInt(nth + 1), work: 2n ** 60n + BigInt(nth), scheme: 'port' }
      })
      const work = workBack([{ networkWork: 2n ** 79n, lines }])
      const block = method.paysOn === 'block' ? blockOf(1, 1n) : null
      const reward = method.reward({ rewardPool: 'main', work, block, feeBasisPoints })
      expectConserved(reward)
      expect(reward.amounts).toHaveLength(method.name === 'solo' ? 1 : count)
    })
  }
}
