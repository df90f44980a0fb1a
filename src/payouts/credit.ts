import {
  chartAccount,
  type Entry,
  type LedgerAccount,
  type Leg,
  type MinerSide,
  mergeLegs,
  minerAccount,
} from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import {
  type AccountId,
  type BlockHash,
  type Digest,
  type EpochId,
  journalKey,
  type UnixMs,
} from '../lib/ids.ts'
import { type Millisats, millisats, msatsFromSats, type Sats } from '../lib/money.ts'
import {
  checkReward,
  type RewardBasis,
  type RewardLine,
  type RewardStatement,
} from '../statement/index.ts'
import type { HashedWork, RewardInput, RewardMethod } from './reward-method.ts'

/** A block of ours got another fate; read from the pool's books in the order of `id`. */
export type FateChange = {
  readonly id: bigint
  readonly block: BlockHash
  /** 1 for the block's first fate; makes the keys of its entries. */
  readonly seq: number
  readonly fate: 'found' | 'orphaned' | 'mature'
  readonly epoch: EpochId
  readonly height: number
  readonly value: Sats
}

/** Where a reward statement stands in the pool's one sequence of them. */
export type Place = { readonly number: bigint; readonly previous: Digest | null }

/** What is to be paid, and by which method. */
export type Earning = {
  readonly network: string
  readonly method: RewardMethod
  readonly basis: RewardBasis
  readonly input: RewardInput
}

/**
 * The reward statement of a block or an epoch: the method's answer with the names that a reader
 * needs. Depends on the work statements and the parameters alone, so anyone can make it again.
 */
export function rewardStatement(earning: Earning, { number, previous }: Place): RewardStatement {
  const { network, method, basis, input } = earning
  const reward = method.reward(input)
  const used = input.work.slice(0, reward.work.length)
  const lines = linesOf(reward.amounts, used)
  const statement: RewardStatement = {
    version: 1,
    network,
    number,
    rewardPool: input.rewardPool,
    method: method.name,
    parameters: method.parameters,
    feeBasisPoints: feesOf(used, input),
    basis,
    work: reward.work,
    total: reward.total,
    lines,
    fee: reward.fee,
    remainder: reward.remainder,
    corrects: null,
    previous,
    accountsRoot: null,
    signature: null,
  }
  const complaints = checkReward(statement)
  assert(complaints.length === 0, `a statement of ours keeps its rules: ${complaints.join('; ')}`)
  return statement
}

function linesOf(
  amounts: readonly { readonly account: AccountId; readonly amount: Millisats }[],
  work: readonly HashedWork[],
): RewardLine[] {
  const whose = new Map(
    work
      .flatMap(({ statement }) => statement.lines)
      .map(({ account, payee, scheme }) => [account, { payee, scheme }]),
  )
  return amounts.map(({ account, amount }) => {
    const names = whose.get(account)
    assert(names !== undefined, 'who is paid has a line of work')
    return { account, ...names, amount }
  })
}

/** Fees of all schemes that worked in the window: who recomputes the reward needs each of them. */
function feesOf(work: readonly HashedWork[], { rewardPool, feeBasisPoints }: RewardInput) {
  const lines = work.flatMap(({ statement }) => statement.lines)
  const schemes = lines.filter(line => line.rewardPool === rewardPool).map(line => line.scheme)
  return Object.fromEntries([...new Set(schemes)].map(name => [name, feeBasisPoints(name)]))
}

/**
 * What an epoch's statement books: its work is paid at once, from the pool's own pocket.
 * The fee is money never promised, so it moves nothing.
 */
export function epochEntries(statement: RewardStatement, at: UnixMs): readonly Entry[] {
  assert(statement.basis.kind === 'epoch', 'an epoch is credited by its own statement')
  const paid = statement.lines.reduce((sum, line) => sum + line.amount, 0n)
  const legs = [leg(chartAccount('ppsCost'), paid), ...owe(statement, 'payable')]
  return postable([entry(`credit:${statement.number}:1`, 'work credited', legs, at)])
}

type Booking = {
  readonly at: UnixMs
  readonly float: LedgerAccount
  /** What bids for side blocks paid of the block's value. */
  readonly bids: Sats
}

/**
 * What a block's new fate books.
 *
 * @param statement the block's; null for a block of a pool that pays epochs, whose income it is
 * @param float the account of the wallet that coinbases pay, which has the block once it is mature
 * @returns the entries in the order in which they must be posted
 */
export function blockEntries(
  change: FateChange,
  statement: RewardStatement | null,
  { at, float, bids }: Booking,
): readonly Entry[] {
  const value = msatsFromSats(change.value)
  assert(statement === null || statement.total === value, 'a statement divides its whole block')
  const entries =
    statement === null
      ? incomeEntries(change, value, { at, float, bids })
      : dividedEntries(change, value, statement, { at, float, bids })
  return postable(entries)
}

function incomeEntries(
  { block, seq, fate }: FateChange,
  value: bigint,
  { at, float, bids }: Booking,
): Entry[] {
  const paid = msatsFromSats(bids)
  assert(paid <= value, 'bids are fees, and fees a part of the value')
  const key = `block:${block}:${seq}`
  const found = [
    leg(chartAccount('coinbaseImmature'), value),
    leg(chartAccount('ppsBlockIncome'), paid - value),
    leg(chartAccount('bmmBids'), -paid),
  ]
  switch (fate) {
    case 'found':
      return [entry(key, 'block found', found, at)]
    case 'orphaned':
      return [entry(key, 'block orphaned', found.map(mirrored), at)]
    case 'mature':
      return [entry(key, 'block mature', matureLegs(value, float), at)]
    default:
      return unreachable(fate)
  }
}

function dividedEntries(
  { block, seq, fate }: FateChange,
  value: bigint,
  statement: RewardStatement,
  { at, float }: Booking,
): Entry[] {
  const blockKey = `block:${block}:${seq}`
  const creditKey = `credit:${statement.number}:${seq}`
  const ours = statement.fee + statement.remainder
  const found = [
    leg(chartAccount('coinbaseImmature'), value),
    leg(chartAccount('rewardUnallocated'), -value),
  ]
  const pending = [...owe(statement, 'pending'), leg(chartAccount('poolFeePending'), -ours)]
  const credit = [leg(chartAccount('rewardUnallocated'), value), ...pending]
  switch (fate) {
    case 'found':
      return [
        entry(blockKey, 'block found', found, at),
        entry(creditKey, 'statement credited', credit, at),
      ]
    case 'orphaned':
      // Backwards, so that nothing is taken from an account before it is there again.
      return [
        entry(creditKey, 'credit reversed', credit.map(mirrored), at),
        entry(blockKey, 'block orphaned', found.map(mirrored), at),
      ]
    case 'mature': {
      const payable = [...owe(statement, 'payable'), leg(chartAccount('poolFee'), -ours)]
      return [
        entry(blockKey, 'block mature', matureLegs(value, float), at),
        entry(creditKey, 'credit payable', [...pending.map(mirrored), ...payable], at),
      ]
    }
    default:
      return unreachable(fate)
  }
}

function matureLegs(value: bigint, float: LedgerAccount): Leg[] {
  return [leg(float, value), leg(chartAccount('coinbaseImmature'), -value)]
}

function owe(statement: RewardStatement, side: MinerSide): Leg[] {
  return statement.lines.map(line => leg(minerAccount(line.account, side), -line.amount))
}

function leg(account: Leg['account'], amount: bigint): Leg {
  return { account, amount: millisats(amount) }
}

function mirrored({ account, amount }: Leg): Leg {
  return leg(account, -amount)
}

function entry(key: string, event: string, legs: readonly Leg[], at: UnixMs): Entry {
  return { key: journalKey(key), event, legs: mergeLegs(legs), at }
}

/** A block without value, or work worth less than a millisat, moves nothing. */
function postable(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter(({ legs }) => legs.length > 0)
}
