import { assert } from '../../lib/assert.ts'
import { floorDiv, type Millisats, millisats, msatsFromSats } from '../../lib/money.ts'
import type { Reward, RewardInput, RewardMethod } from '../reward-method.ts'
import { byAccount, feePart, WHOLE_BASIS_POINTS } from './divide.ts'

/**
 * Pays each unit of work its expected part of the subsidy, whatever the pool finds; the luck is
 * the pool's. An account's work of an epoch is summed first and divided once, so a share worth
 * less than a millisat is not lost among others. What rounding leaves is the remainder.
 */
export const pps: RewardMethod = {
  name: 'pps',
  paysOn: 'epoch',
  parameters: {},
  wantsOlder: ({ work }) => work.length === 0,
  reward,
}

function reward({ rewardPool, work, block, feeBasisPoints }: RewardInput): Reward {
  const [own] = work
  assert(block === null && own !== undefined, 'pps pays an epoch')
  const { statement, hash } = own
  const subsidy = msatsFromSats(statement.subsidy)
  const lines = statement.lines.filter(line => line.rewardPool === rewardPool).sort(byAccount)
  const fees = lines.map(line => feePart(feeBasisPoints(line.scheme)))
  const worth = (weight: bigint, whole: bigint): Millisats =>
    millisats(floorDiv(weight * subsidy, statement.networkWork * whole))
  const amounts = lines.map(({ account, work: done }, i) => ({
    account,
    amount: worth(done * (WHOLE_BASIS_POINTS - (fees[i] ?? 0n)), WHOLE_BASIS_POINTS),
  }))
  const feeWeight = lines.reduce((sum, line, i) => sum + line.work * (fees[i] ?? 0n), 0n)
  const fee = worth(feeWeight, WHOLE_BASIS_POINTS)
  const total = worth(
    lines.reduce((sum, line) => sum + line.work, 0n),
    1n,
  )
  const remainder = total - fee - amounts.reduce((sum, { amount }) => sum + amount, 0n)
  assert(remainder >= 0n, 'the floor of a sum is no less than the sum of floors')
  return {
    work: [{ epoch: statement.epoch, hash, numerator: 1n, denominator: 1n }],
    total,
    amounts: amounts.filter(({ amount }) => amount > 0n),
    fee,
    remainder: millisats(remainder),
  }
}
