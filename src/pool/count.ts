import { assert } from '../lib/assert.ts'
import { targetHex, workFromTarget } from '../lib/bitcoin/target.ts'
import type { AccountId, BlockHash, Digest, UnixMs, WorkerId } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import {
  type BlockFound,
  type CountedShares,
  type FinderPaid,
  type PoolWork,
  type RejectReason,
  tallyShares,
  type WorkLine,
  type WorkStatement,
  workOfShares,
} from '../statement/index.ts'
import type { CloseReason, OpenEpoch } from './epoch.ts'

/** An epoch that takes no more shares. */
export type ClosedEpoch = OpenEpoch & {
  readonly closedAt: UnixMs
  readonly closeReason: CloseReason
}

/** Shares of one worker at one height and one difficulty. */
export type SharesOfWorker = CountedShares & {
  readonly worker: WorkerId
  readonly height: number
}

export type RejectCount = {
  readonly account: AccountId
  readonly reason: RejectReason
  readonly count: bigint
}

export type AccountFacts = {
  readonly account: AccountId
  readonly payee: string
  readonly scheme: string
}

/** A block of ours as it was booked. */
export type BookedBlock = {
  readonly hash: BlockHash
  readonly height: number
  readonly scheme: string
  readonly finder: AccountId | null
  /** What its coinbase pays the pool. */
  readonly value: Sats
  readonly paid: FinderPaid | null
}

/** All that an epoch's statement is made of. */
export type EpochContents = {
  readonly network: string
  readonly epoch: ClosedEpoch
  readonly shares: readonly CountedShares[]
  readonly rejects: readonly RejectCount[]
  /** Of every account that occurs; more do no harm. */
  readonly accounts: readonly AccountFacts[]
  readonly blocks: readonly BookedBlock[]
  readonly rewardPoolOf: (scheme: string) => string
  readonly previous: Digest | null
}

/** The scheme and the reward pool of a block whose lease nobody knows: no port promised it. */
export const UNKNOWN_SCHEME = 'unknown'

/**
 * An epoch's work statement. The order and the grouping of what goes in change nothing, so anyone
 * with the same shares makes the same statement, bit for bit.
 */
export function countWork(contents: EpochContents): WorkStatement {
  const { epoch } = contents
  const lines = countLines(contents)
  return {
    version: 1,
    network: contents.network,
    epoch: epoch.id,
    openedAt: epoch.openedAt,
    closedAt: epoch.closedAt,
    closeReason: epoch.closeReason,
    blockTarget: targetHex(epoch.blockTarget),
    networkWork: workFromTarget(epoch.blockTarget),
    subsidy: epoch.subsidy,
    lines,
    pools: sumPools(lines),
    blocks: contents.blocks
      .map(block => asBlockFound(block, contents.rewardPoolOf))
      .sort((a, b) => compare(a.hash, b.hash)),
    previous: contents.previous,
    sharesRoot: null,
    signature: null,
  }
}

function countLines({ shares, rejects, accounts, rewardPoolOf }: EpochContents): WorkLine[] {
  const facts = new Map(accounts.map(each => [each.account, each]))
  const tallies = tallyShares(shares)
  const refused = countRejects(rejects)
  const ids = [...new Set([...tallies.keys(), ...refused.keys()])].sort(compare)
  return ids.map(account => {
    const known = facts.get(account)
    assert(known !== undefined, 'whoever worked has an account')
    const { payee, scheme } = known
    const { shares: count, work } = tallies.get(account) ?? { shares: 0n, work: 0n }
    const reasons = refused.get(account) ?? {}
    const rewardPool = rewardPoolOf(scheme)
    return { account, payee, scheme, rewardPool, shares: count, work, rejects: reasons }
  })
}

function countRejects(rejects: readonly RejectCount[]): Map<AccountId, WorkLine['rejects']> {
  const counts = new Map<AccountId, Partial<Record<RejectReason, bigint>>>()
  for (const { account, reason, count } of rejects) {
    const own = counts.get(account) ?? {}
    counts.set(account, { ...own, [reason]: (own[reason] ?? 0n) + count })
  }
  return counts
}

function sumPools(lines: readonly WorkLine[]): PoolWork[] {
  const sums = new Map<string, PoolWork>()
  for (const { rewardPool, shares, work } of lines) {
    const sum = sums.get(rewardPool) ?? { rewardPool, shares: 0n, work: 0n }
    sums.set(rewardPool, { rewardPool, shares: sum.shares + shares, work: sum.work + work })
  }
  return [...sums.values()].sort((a, b) => compare(a.rewardPool, b.rewardPool))
}

function asBlockFound(
  { hash, height, scheme, finder, value, paid }: BookedBlock,
  rewardPoolOf: (scheme: string) => string,
): BlockFound {
  const rewardPool = scheme === UNKNOWN_SCHEME ? UNKNOWN_SCHEME : rewardPoolOf(scheme)
  return { hash, height, rewardPool, finder, value, paid }
}

/** By value, or by code unit: never by a locale. */
function compare<T extends bigint | string>(a: T, b: T): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Work of one worker in one block interval. */
export type WorkOfWorker = {
  readonly worker: WorkerId
  readonly account: AccountId
  readonly height: number
  readonly shares: bigint
  readonly work: bigint
}

/** The same shares by worker and height, for hash rates. */
export function countWorkers(rows: readonly SharesOfWorker[]): WorkOfWorker[] {
  const sums = new Map<string, WorkOfWorker>()
  for (const { worker, account, height, shares, difficultyLog2 } of rows) {
    const key = `${height} ${worker}`
    const sum = sums.get(key) ?? { worker, account, height, shares: 0n, work: 0n }
    const work = sum.work + workOfShares(shares, difficultyLog2)
    sums.set(key, { ...sum, shares: sum.shares + shares, work })
  }
  return [...sums.values()]
}
