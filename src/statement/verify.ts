import { targetFromDifficultyLog2, workFromTarget } from '../lib/bitcoin/target.ts'
import type { AccountId } from '../lib/ids.ts'
import { type Complaint, checkWork } from './check-work.ts'
import type { WorkLine, WorkStatement } from './work-statement.ts'

/** Accepted shares of one account at one difficulty, counted in any grouping and any order. */
export type CountedShares = {
  readonly account: AccountId
  readonly difficultyLog2: number
  readonly shares: bigint
}

/** Shares and work: what is left of shares once they are counted. */
export type Tally = { readonly shares: bigint; readonly work: bigint }

/** Expected hashes of that many shares of difficulty 2^difficultyLog2. */
export function workOfShares(shares: bigint, difficultyLog2: number): bigint {
  return shares * workFromTarget(targetFromDifficultyLog2(difficultyLog2))
}

/** Adds up shares by account. The order and the grouping of the rows change nothing. */
export function tallyShares(rows: readonly CountedShares[]): ReadonlyMap<AccountId, Tally> {
  const tallies = new Map<AccountId, Tally>()
  for (const { account, difficultyLog2, shares } of rows) {
    const before = tallies.get(account) ?? { shares: 0n, work: 0n }
    tallies.set(account, {
      shares: before.shares + shares,
      work: before.work + workOfShares(shares, difficultyLog2),
    })
  }
  return tallies
}

/**
 * Counts an epoch's shares again and compares: every line has exactly the shares and the work that
 * were accepted, and no account's shares are left out. The statement's own rules are checked too.
 */
export function verifyWork(
  statement: WorkStatement,
  rows: readonly CountedShares[],
): readonly Complaint[] {
  const tallies = tallyShares(rows)
  const differs = ({ account, shares, work }: WorkLine) => {
    const tally = tallies.get(account) ?? { shares: 0n, work: 0n }
    return tally.shares !== shares || tally.work !== work
  }
  const wrong = statement.lines.filter(differs).map(line => `account ${line.account}: miscounted`)
  const listed = new Set(statement.lines.map(line => line.account))
  const missing = [...tallies.keys()].filter(account => !listed.has(account))
  return [
    ...checkWork(statement),
    ...wrong,
    ...missing.map(account => `account ${account}: left out`),
  ]
}
