import { targetHex, workFromTarget } from '../../src/lib/bitcoin/target.ts'
import { accountId, blockHash, epochId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { RewardMethod } from '../../src/payouts/reward-method.ts'
import {
  encodeReward,
  encodeWork,
  type HashedStatement,
  hashStatement,
  type RewardStatement,
  type WorkStatement,
} from '../../src/statement/index.ts'

export type Work = HashedStatement<WorkStatement>
export type Reward = HashedStatement<RewardStatement>

export const BLOCK = blockHash('ab'.repeat(32))
const FEE_BASIS_POINTS = 100
const TARGET = 2n ** 236n
const NETWORK_WORK = workFromTarget(TARGET)

/** The part of a block, in percent, that two accounts worked in an epoch. */
export type EpochWork = readonly [bigint, bigint]

/** Work statements of one reward pool, chained from epoch 1; the last one has found a block. */
export function workChain(epochs: readonly EpochWork[]): readonly Work[] {
  const chain: Work[] = []
  for (const [index, parts] of epochs.entries()) {
    const isLast = index === epochs.length - 1
    const lines = parts.map((percent, account) => ({
      account: accountId(BigInt(account + 1)),
      payee: `payee${account + 1}`,
      scheme: 'pplns',
      rewardPool: 'pplns',
      shares: 1n,
      work: (NETWORK_WORK * percent) / 100n,
      rejects: {},
    }))
    const work = lines.reduce((sum, line) => sum + line.work, 0n)
    const statement: WorkStatement = {
      version: 1,
      network: 'regtest',
      epoch: epochId(BigInt(index + 1)),
      openedAt: unixMs(index * 1000),
      closedAt: unixMs((index + 1) * 1000),
      closeReason: isLast ? 'block' : 'time',
      blockTarget: targetHex(TARGET),
      networkWork: NETWORK_WORK,
      subsidy: sats(5_000_000_000n),
      lines,
      pools: [{ rewardPool: 'pplns', shares: 2n, work }],
      blocks: isLast
        ? [
            {
              hash: BLOCK,
              height: 102,
              rewardPool: 'pplns',
              finder: accountId(1n),
              value: sats(5_000_012_345n),
              paid: null,
            },
          ]
        : [],
      previous: chain.at(-1)?.hash ?? null,
      sharesRoot: null,
      signature: null,
    }
    chain.push({ statement, hash: hashStatement(encodeWork(statement)) })
  }
  return chain
}

/** The reward of the last epoch's block, or of the last epoch, as the pool would state it. */
export function rewardOf(method: RewardMethod, chain: readonly Work[]): Reward {
  const work = chain.toReversed()
  const newest = work[0]?.statement
  if (newest === undefined) throw new Error('a chain has an epoch')
  const block = method.paysOn === 'block' ? (newest.blocks[0] ?? null) : null
  const feeBasisPoints = () => FEE_BASIS_POINTS
  const reward = method.reward({ rewardPool: 'pplns', work, block, feeBasisPoints })
  const statement: RewardStatement = {
    version: 1,
    network: 'regtest',
    number: 1n,
    rewardPool: 'pplns',
    method: method.name,
    parameters: method.parameters,
    feeBasisPoints: { pplns: FEE_BASIS_POINTS },
    basis: block
      ? { kind: 'block', hash: block.hash, height: block.height, paid: block.paid }
      : { kind: 'epoch', epoch: newest.epoch },
    work: reward.work,
    total: reward.total,
    lines: reward.amounts.map(({ account, amount }) => ({
      account,
      payee: `payee${account}`,
      scheme: 'pplns',
      amount,
    })),
    fee: reward.fee,
    remainder: reward.remainder,
    corrects: null,
    previous: null,
    accountsRoot: null,
    signature: null,
  }
  return { statement, hash: hashStatement(encodeReward(statement)) }
}
