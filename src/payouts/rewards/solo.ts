import { assert } from '../../lib/assert.ts'
import { millisats, msatsFromSats } from '../../lib/money.ts'
import type { WorkLine } from '../../statement/index.ts'
import type { Reward, RewardInput, RewardMethod } from '../reward-method.ts'
import { divide } from './divide.ts'

/**
 * The finder takes the whole block, less the fee of its port. A block without a known finder is
 * the pool's own, so all of it is remainder. A block whose own coinbase paid its finder owes it
 * nothing any more: what came to the pool is the fee, all of it.
 */
export const solo: RewardMethod = {
  name: 'solo',
  paysOn: 'block',
  parameters: {},
  wantsOlder: ({ work, block }) =>
    work.length === 0 ||
    (block !== null &&
      block.paid === null &&
      block.finder !== null &&
      findLine({ work, block }) === null),
  reward,
}

function reward({ work, block, feeBasisPoints }: RewardInput): Reward {
  const [own] = work
  assert(block !== null && own !== undefined, 'solo pays a block that an epoch holds')
  const total = msatsFromSats(block.value)
  if (block.paid !== null) {
    const used = { epoch: own.statement.epoch, hash: own.hash, numerator: 1n, denominator: 1n }
    return { total, amounts: [], fee: total, remainder: millisats(0n), work: [used] }
  }
  const found = findLine({ work, block })
  assert(found !== null || block.finder === null, 'a finder has work in some epoch')
  // Named though no work counts: the block and the line of its finder stand in these statements.
  const used = work.slice(0, (found?.index ?? 0) + 1).map(({ statement, hash }) => {
    return { epoch: statement.epoch, hash, numerator: 1n, denominator: 1n }
  })
  if (found === null) return { ...divide(total, []), work: used }
  const { account, scheme } = found.line
  const finder = { account, weight: 1n, feeBasisPoints: feeBasisPoints(scheme) }
  return { ...divide(total, [finder]), work: used }
}

/**
 * The finder's newest line. It is in the block's own epoch, but for a block that was booked late,
 * after a crash, whose share was in an epoch before.
 */
function findLine({ work, block }: Pick<RewardInput, 'work' | 'block'>): {
  readonly line: WorkLine
  readonly index: number
} | null {
  for (const [index, { statement }] of work.entries()) {
    const line = statement.lines.find(each => each.account === block?.finder)
    if (line) return { line, index }
  }
  return null
}
