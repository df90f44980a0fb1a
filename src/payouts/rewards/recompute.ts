import { assert } from '../../lib/assert.ts'
import type {
  Complaint,
  FinderPaid,
  RewardStatement,
  UsedWork,
  WorkLine,
} from '../../statement/index.ts'
import type { HashedWork, Reward, RewardInput, RewardMethod } from '../reward-method.ts'
import { rewardMethod } from './index.ts'
import { pplns } from './pplns.ts'

/**
 * Computes a reward again from the work statements, by the method and the parameters that the
 * reward statement names, and compares every amount: what anyone can do who has the bytes.
 * The work statements must be those that it names; `checkRewardSources` says whether they are.
 *
 * @param work newest first without gaps, from the epoch of the block, or the epoch that is paid, on;
 *   more than the statement used does no harm and shows whether its window ended too early
 */
export function recomputeReward(
  statement: RewardStatement,
  work: readonly HashedWork[],
): readonly Complaint[] {
  const method = methodOf(statement)
  if (method === null) return [`method: ${statement.method} with these parameters is not known`]
  const input = inputOf(statement, work)
  if (typeof input === 'string') return [input]
  try {
    return [...compare(statement, method.reward(input), input), ...endsTooEarly(method, input)]
  } catch (error) {
    // What a method asserts holds for every statement of ours, but not for a forger's.
    return [`cannot be computed: ${error instanceof Error ? error.message : String(error)}`]
  }
}

/** Null where the name or a parameter is not one that a method of ours ever states. */
function methodOf({ method, parameters }: RewardStatement): RewardMethod | null {
  const made = methodNamed(method, parameters)
  if (made === null) return null
  const names = new Set([...Object.keys(made.parameters), ...Object.keys(parameters)])
  const isSame = [...names].every(name => made.parameters[name] === parameters[name])
  return isSame ? made : null
}

function methodNamed(name: string, parameters: RewardStatement['parameters']): RewardMethod | null {
  if (name === 'solo' || name === 'pps') return rewardMethod({ method: name })
  if (name !== 'pplns') return null
  const numerator = wholeOf(parameters['factorNumerator'])
  const denominator = wholeOf(parameters['factorDenominator'])
  const statementsMax = wholeOf(parameters['statementsMax'])
  if (numerator === null || denominator === null || statementsMax === null) return null
  return pplns({ numerator, denominator }, Number(statementsMax))
}

/** As long as parameters of ours ever are; a forger's is refused before anything is computed. */
const PARAMETER_DIGITS = /^[1-9]\d{0,8}$/

function wholeOf(text: string | undefined): bigint | null {
  return text !== undefined && PARAMETER_DIGITS.test(text) ? BigInt(text) : null
}

function inputOf(
  { basis, rewardPool, feeBasisPoints }: RewardStatement,
  work: readonly HashedWork[],
): RewardInput | string {
  const newest = work[0]?.statement
  if (newest === undefined) return 'work: it names none'
  const block = basis.kind === 'block' ? newest.blocks.find(each => each.hash === basis.hash) : null
  if (block === undefined) return 'basis: the block is not in the newest epoch that it names'
  if (basis.kind === 'block' && block?.height !== basis.height)
    return 'basis: the block has another height'
  if (basis.kind === 'block' && !isSamePaid(basis.paid, block?.paid ?? null))
    return 'basis: not what the coinbase paid its finder'
  if (block !== null && block.rewardPool !== rewardPool)
    return `basis: the block is of the reward pool ${block.rewardPool}`
  return {
    rewardPool,
    work,
    block,
    feeBasisPoints: scheme => {
      const fee = feeBasisPoints[scheme]
      assert(fee !== undefined, `the fee of ${scheme} is stated`)
      return fee
    },
  }
}

function isSamePaid(a: FinderPaid | null, b: FinderPaid | null): boolean {
  if (a === null || b === null) return a === b
  const isSameSplit = a.amount === b.amount && a.feeBasisPoints === b.feeBasisPoints
  return isSameSplit && a.payee === b.payee
}

function compare(
  statement: RewardStatement,
  reward: Reward,
  { work }: RewardInput,
): readonly Complaint[] {
  const { lines, total, fee, remainder } = statement
  const amounts = new Map(lines.map(line => [line.account, line.amount]))
  const computed = new Map(reward.amounts.map(({ account, amount }) => [account, amount]))
  const accounts = [...new Set([...amounts.keys(), ...computed.keys()])]
  const wrong = accounts
    .filter(account => amounts.get(account) !== computed.get(account))
    .map(account => {
      const [stated, due] = [amounts.get(account) ?? 0n, computed.get(account) ?? 0n]
      return `account ${account}: ${stated} msat stated, ${due} computed`
    })
  const sums = { totalMsat: [total, reward.total], feeMsat: [fee, reward.fee] }
  const wrongSums = Object.entries({ ...sums, remainderMsat: [remainder, reward.remainder] })
    .filter(([, [stated, due]]) => stated !== due)
    .map(([key, [stated, due]]) => `${key}: ${stated} stated, ${due} computed`)
  const isSameWork = statement.work.map(usedText).join() === reward.work.map(usedText).join()
  const wrongWork = isSameWork ? [] : ['work: not the epochs, or not the part, that count']
  return [...wrongSums, ...wrongWork, ...wrong, ...wrongNames(statement, work)]
}

function usedText({ epoch, hash, numerator, denominator }: UsedWork): string {
  return `${epoch} ${hash} ${numerator}/${denominator}`
}

/** Who an account is stands in the work statements; a reward must not give it another address. */
function wrongNames({ lines }: RewardStatement, work: readonly HashedWork[]): readonly Complaint[] {
  const known = new Map<bigint, WorkLine>()
  for (const { statement } of work)
    for (const line of statement.lines) known.set(line.account, line)
  return lines
    .filter(({ account, payee, scheme }) => {
      const line = known.get(account)
      return line?.payee !== payee || line.scheme !== scheme
    })
    .map(({ account }) => `account ${account}: another payee or scheme than in the work`)
}

function endsTooEarly(method: RewardMethod, input: RewardInput): readonly Complaint[] {
  const oldest = input.work.at(-1)?.statement.epoch
  const isOurs = input.block !== null && input.block.finder === null
  if (isOurs || oldest === undefined || oldest === 1n || !method.wantsOlder(input)) return []
  return [`work: epoch ${oldest - 1n} counts too, or its statement must be handed over`]
}
