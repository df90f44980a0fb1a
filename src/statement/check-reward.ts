import { type Complaint, checkWork, type HashedStatement, isAscending } from './check-work.ts'
import type { RewardStatement, UsedWork } from './reward-statement.ts'
import type { WorkStatement } from './work-statement.ts'

/**
 * The rules that a reward statement keeps by itself: the total is lines, fee and remainder to the
 * last millisat, lines are sorted and none is zero, the work is named newest first without gaps
 * and only the oldest is a fraction, and the fee of each scheme that occurs is stated.
 */
export function checkReward(statement: RewardStatement): readonly Complaint[] {
  const { lines, basis, work } = statement
  const paid = lines.reduce((sum, line) => sum + line.amount, 0n)
  const amounts = [...lines.map(line => line.amount), statement.fee, statement.remainder]
  const rules: readonly (readonly [boolean, Complaint])[] = [
    [
      paid + statement.fee + statement.remainder === statement.total,
      'totalMsat: not the sum of the lines, the fee and the remainder',
    ],
    [amounts.every(amount => amount >= 0n), 'an amount is negative'],
    [lines.every(line => line.amount !== 0n), 'lines: one is zero'],
    [isAscending(lines.map(line => line.account)), 'lines: not sorted, or an account twice'],
    [
      lines.every(line => Object.hasOwn(statement.feeBasisPoints, line.scheme)),
      'feeBasisPoints: the fee of a scheme is missing',
    ],
    [
      (statement.previous === null) === (statement.number === 1n),
      'previous: only the first statement has none',
    ],
    [
      basis.kind !== 'epoch' || (work.length === 1 && work[0]?.epoch === basis.epoch),
      'work: not the epoch that is paid',
    ],
  ]
  const broken = rules.filter(([holds]) => !holds).map(([, complaint]) => complaint)
  return [...broken, ...checkUsedWork(work)]
}

function checkUsedWork(work: readonly UsedWork[]): readonly Complaint[] {
  return work.flatMap(({ epoch, numerator, denominator }, index) => {
    const complaints: Complaint[] = []
    const newer = work[index - 1]
    const isOldest = index === work.length - 1
    if (newer !== undefined && newer.epoch !== epoch + 1n)
      complaints.push(`work[${index}]: epochs have a gap or another order`)
    if (numerator < 1n || numerator > denominator)
      complaints.push(`work[${index}]: not a part of a whole`)
    if (!isOldest && numerator !== denominator)
      complaints.push(`work[${index}]: only the oldest may count in part`)
    return complaints
  })
}

/**
 * The rules between a reward statement and the one before it in the pool's one sequence.
 *
 * @param before null where the statement claims to be the first
 */
export function checkRewardLink(
  statement: RewardStatement,
  before: HashedStatement<RewardStatement> | null,
): readonly Complaint[] {
  const complaints: Complaint[] = []
  if (statement.previous !== (before?.hash ?? null))
    complaints.push('previous: not the hash of the statement before')
  if (statement.number !== (before?.statement.number ?? 0n) + 1n)
    complaints.push('number: does not follow the one before')
  if (before !== null && statement.network !== before.statement.network)
    complaints.push('network: another one than before')
  return complaints
}

/**
 * Compares what a reward statement names with the work statements themselves: each one by its
 * hash and with its own rules kept, and the block it is for among their blocks.
 *
 * @param work the statements it uses, in any order; more may be there
 */
export function checkRewardSources(
  statement: RewardStatement,
  work: readonly HashedStatement<WorkStatement>[],
): readonly Complaint[] {
  const byEpoch = new Map(work.map(each => [each.statement.epoch, each]))
  const sources = statement.work.map(used => ({ used, source: byEpoch.get(used.epoch) }))
  const wrong = sources.flatMap(({ used, source }) => {
    if (source === undefined) return [`work: epoch ${used.epoch} was not handed over`]
    if (source.hash !== used.hash) return [`work: epoch ${used.epoch} has another hash`]
    return checkWork(source.statement).map(complaint => `epoch ${used.epoch}: ${complaint}`)
  })
  const blocks = sources.flatMap(({ source }) => source?.statement.blocks ?? [])
  const { basis } = statement
  if (basis.kind === 'block' && !blocks.some(block => block.hash === basis.hash))
    return [...wrong, 'basis: the block is in none of the work statements']
  return wrong
}
