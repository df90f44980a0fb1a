import { workFromTarget } from '../lib/bitcoin/target.ts'
import type { Digest } from '../lib/ids.ts'
import { MAX_MONEY_SATS, sats } from '../lib/money.ts'
import { coinbaseFee } from './finder-coinbase.ts'
import type { BlockFound, WorkLine, WorkStatement } from './work-statement.ts'

/** A broken rule in words, with the place where it is broken. No complaints: all rules hold. */
export type Complaint = string

/** A statement with the hash of its bytes, as the next one must name it. */
export type HashedStatement<Statement> = { readonly statement: Statement; readonly hash: Digest }

/**
 * The rules that a work statement keeps by itself: lines sorted and each account once, totals
 * equal to the sums of the lines, expected work of the target, times in order.
 * Whether the shares are right is for `verifyWork`, the chain for `checkWorkLink`.
 */
export function checkWork(statement: WorkStatement): readonly Complaint[] {
  const { epoch, lines, pools, blocks, previous } = statement
  const target = BigInt(`0x${statement.blockTarget}`)
  const rules: readonly (readonly [boolean, Complaint])[] = [
    [statement.closedAt >= statement.openedAt, 'closedAtMs: before openedAtMs'],
    [statement.networkWork === workFromTarget(target), 'networkWork: not that of blockTarget'],
    [(previous === null) === (epoch === 1n), 'previous: only the first epoch has none'],
    [isAscending(lines.map(line => line.account)), 'lines: not sorted, or an account twice'],
    [isAscending(pools.map(pool => pool.rewardPool)), 'pools: not sorted, or a pool twice'],
    [isAscending(blocks.map(block => block.hash)), 'blocks: not sorted, or a block twice'],
    [
      statement.closeReason !== 'block' || blocks.length > 0,
      'closeReason: a block, but there is none',
    ],
  ]
  const broken = rules.filter(([holds]) => !holds).map(([, complaint]) => complaint)
  return [
    ...broken,
    ...lines.flatMap(checkLine),
    ...checkPools(statement),
    ...blocks.flatMap((block, index) => checkPaid(block, index, lines)),
  ]
}

/** A coinbase that pays its finder splits its whole by the fee alone, to the satoshi. */
function checkPaid(
  { finder, value, paid }: BlockFound,
  index: number,
  lines: readonly WorkLine[],
): readonly Complaint[] {
  if (paid === null) return []
  const at = `blocks[${index}].paid`
  if (finder === null) return [`${at}: nobody is the finder`]
  const line = lines.find(({ account }) => account === finder)
  if (line !== undefined && line.payee !== paid.payee) return [`${at}: not the finder's address`]
  const whole = value + paid.amount
  const isSplit = whole <= MAX_MONEY_SATS && coinbaseFee(sats(whole), paid.feeBasisPoints) === value
  return isSplit ? [] : [`${at}: not what the fee leaves of the whole`]
}

function checkLine(line: WorkLine, index: number): readonly Complaint[] {
  const isWorkEmpty = line.work === 0n
  const complaints: Complaint[] = []
  // A share's work may be rounded down to one hash, never to none.
  if (isWorkEmpty !== (line.shares === 0n) || line.work < line.shares)
    complaints.push(`lines[${index}]: shares without work, or work without shares`)
  if (line.shares === 0n && Object.keys(line.rejects).length === 0)
    complaints.push(`lines[${index}]: says nothing`)
  return complaints
}

function checkPools({ lines, pools }: WorkStatement): readonly Complaint[] {
  const sums = new Map<string, { shares: bigint; work: bigint }>()
  for (const { rewardPool, shares, work } of lines) {
    const sum = sums.get(rewardPool) ?? { shares: 0n, work: 0n }
    sums.set(rewardPool, { shares: sum.shares + shares, work: sum.work + work })
  }
  const wrong = pools
    .filter(({ rewardPool, shares, work }) => {
      const sum = sums.get(rewardPool)
      return sum?.shares !== shares || sum.work !== work
    })
    .map(pool => `pools: ${pool.rewardPool} is not the sum of its lines`)
  const named = new Set(pools.map(pool => pool.rewardPool))
  const missing = [...sums.keys()].filter(pool => !named.has(pool))
  return [...wrong, ...missing.map(pool => `pools: ${pool} is missing`)]
}

/**
 * The rules between a work statement and the one before it: epochs without gaps, no time between
 * them, and the hash that chains them.
 *
 * @param before null where the statement claims to be the first
 */
export function checkWorkLink(
  statement: WorkStatement,
  before: HashedStatement<WorkStatement> | null,
): readonly Complaint[] {
  const complaints: Complaint[] = []
  if (statement.previous !== (before?.hash ?? null))
    complaints.push('previous: not the hash of the statement before')
  if (statement.epoch !== (before?.statement.epoch ?? 0n) + 1n)
    complaints.push('epoch: does not follow the one before')
  if (before === null) return complaints
  if (statement.openedAt !== before.statement.closedAt)
    complaints.push('openedAtMs: not when the epoch before closed')
  if (statement.network !== before.statement.network)
    complaints.push('network: another one than before')
  return complaints
}

/** Strictly ascending: sorted, and nothing occurs twice. */
export function isAscending(values: readonly (string | bigint)[]): boolean {
  return values.every((value, index) => {
    const before = values[index - 1]
    return before === undefined || before < value
  })
}
