import { assert } from '../../lib/assert.ts'
import type { AccountId } from '../../lib/ids.ts'
import { floorDiv, msatsFromSats } from '../../lib/money.ts'
import type { UsedWork } from '../../statement/index.ts'
import type { HashedWork, Reward, RewardInput, RewardMethod } from '../reward-method.ts'
import { divide, type Part } from './divide.ts'

/** How many expected blocks of work a window holds, as a fraction. */
export type WindowFactor = { readonly numerator: bigint; readonly denominator: bigint }

/**
 * A window ends here at the latest: four weeks of ten-minute epochs. A pool so small that its
 * window is still not full then divides what these hold; they are all in memory at once.
 */
const STATEMENTS_MAX = 4032

/**
 * Divides a block over the last work of its reward pool: whole work statements back from the
 * block's epoch until they hold `factor` expected blocks of work, and of the oldest one the part
 * that fills the window. Work is weighed by its own epoch's network work, so a retarget inside the
 * window favours nobody. The normalised family: a pool younger than its window divides the whole
 * block over the work that there is. Work is not consumed; a later block may pay it again.
 * A block without a known finder is the pool's own, so all of it is remainder.
 */
export function pplns(factor: WindowFactor, statementsMax = STATEMENTS_MAX): RewardMethod {
  assert(factor.numerator > 0n && factor.denominator > 0n, 'a window holds some work')
  assert(statementsMax > 0, 'a window holds a statement')
  const rules = { factor, statementsMax }
  return {
    name: 'pplns',
    paysOn: 'block',
    parameters: {
      factorNumerator: factor.numerator.toString(),
      factorDenominator: factor.denominator.toString(),
      statementsMax: statementsMax.toString(),
    },
    wantsOlder: input => !windowOf(rules, input).isFull,
    reward: input => reward(rules, input),
  }
}

type Rules = { readonly factor: WindowFactor; readonly statementsMax: number }
type Piece = { readonly work: HashedWork; readonly numerator: bigint; readonly denominator: bigint }
type Window = { readonly pieces: readonly Piece[]; readonly isFull: boolean }

/**
 * Walks back from the newest statement. An epoch without work of the pool is kept as a whole, so
 * that the statement names its epochs without a gap and a reader sees that none was left out.
 */
function windowOf({ factor, statementsMax }: Rules, { rewardPool, work }: RewardInput): Window {
  const pieces: Piece[] = []
  // What the window still lacks, in expected blocks: lacking / unit.
  let lacking = factor.numerator
  let unit = factor.denominator
  for (const each of work.slice(0, statementsMax)) {
    const { networkWork } = each.statement
    const done = poolWork(each, rewardPool)
    // In whole hashes of this epoch; less than one hash more would change nothing.
    const fits = floorDiv(lacking * networkWork, unit)
    if (fits === 0n) return { pieces, isFull: true }
    if (done > fits) {
      pieces.push({ work: each, numerator: fits, denominator: done })
      return { pieces, isFull: true }
    }
    pieces.push({ work: each, numerator: 1n, denominator: 1n })
    const common = leastCommonMultiple(unit, networkWork)
    lacking = lacking * (common / unit) - done * (common / networkWork)
    unit = common
  }
  return { pieces, isFull: lacking === 0n || pieces.length >= statementsMax }
}

function reward(rules: Rules, input: RewardInput): Reward {
  const { block } = input
  assert(block !== null, 'pplns pays a block')
  const { pieces } = windowOf(rules, input)
  const [newest] = pieces
  assert(newest !== undefined, 'a block has the statement of its epoch')
  const isOurs = block.finder === null
  const parts = isOurs ? [] : partsOf(pieces, input)
  return {
    ...divide(msatsFromSats(block.value), parts),
    // Our own block still names its epoch, in which its value and its missing finder stand.
    work: (isOurs ? [{ ...newest, numerator: 1n, denominator: 1n }] : pieces).map(asUsed),
  }
}

function asUsed({ work, numerator, denominator }: Piece): UsedWork {
  return { epoch: work.statement.epoch, hash: work.hash, numerator, denominator }
}

/**
 * Each account's score, the sum of its work over its epoch's network work, brought to one common
 * denominator, so that scores are integers and nothing is rounded before the one division.
 */
function partsOf(pieces: readonly Piece[], { rewardPool, feeBasisPoints }: RewardInput): Part[] {
  const scale = pieces
    .map(({ work, denominator }) => work.statement.networkWork * denominator)
    .reduce(leastCommonMultiple, 1n)
  const weights = new Map<AccountId, { weight: bigint; scheme: string }>()
  for (const { work, numerator, denominator } of pieces) {
    const perHash = (numerator * scale) / (work.statement.networkWork * denominator)
    for (const { account, scheme, work: done, ...line } of work.statement.lines) {
      if (line.rewardPool !== rewardPool) continue
      const before = weights.get(account)?.weight ?? 0n
      weights.set(account, { weight: before + done * perHash, scheme })
    }
  }
  return [...weights].map(([account, { weight, scheme }]) => ({
    account,
    weight,
    feeBasisPoints: feeBasisPoints(scheme),
  }))
}

function poolWork({ statement }: HashedWork, rewardPool: string): bigint {
  return statement.lines
    .filter(line => line.rewardPool === rewardPool)
    .reduce((sum, line) => sum + line.work, 0n)
}

function leastCommonMultiple(a: bigint, b: bigint): bigint {
  return (a / greatestCommonDivisor(a, b)) * b
}

/** Euclid's; ends since the remainder shrinks. */
function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [larger, smaller] = [a, b]
  while (smaller > 0n) [larger, smaller] = [smaller, larger % smaller]
  return larger
}
