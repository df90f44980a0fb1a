import { accountId, blockHash, digest, epochId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { HashedWork } from '../../src/payouts/reward-method.ts'
import type { BlockFound, WorkLine, WorkStatement } from '../../src/statement/index.ts'

export const hex64 = (n: bigint | number) => n.toString(16).padStart(64, '0')

export type LineOf = {
  readonly account: bigint
  readonly work: bigint
  readonly scheme?: string
  readonly rewardPool?: string
}
export type WorkOf = {
  readonly epoch: bigint
  readonly networkWork: bigint
  readonly lines: readonly LineOf[]
  readonly subsidy?: bigint
  readonly blocks?: readonly BlockFound[]
}

/** A work statement of pool `main` with its hash, for tests that care about work alone. */
export function workOf({ epoch, networkWork, lines, subsidy, blocks = [] }: WorkOf): HashedWork {
  const whole = lines.map(lineOf).sort((a, b) => (a.account < b.account ? -1 : 1))
  const names = [...new Set(whole.map(line => line.rewardPool))].sort()
  const statement: WorkStatement = {
    version: 1,
    network: 'regtest',
    epoch: epochId(epoch),
    openedAt: unixMs(Number(epoch) * 1000),
    closedAt: unixMs(Number(epoch) * 1000 + 1000),
    closeReason: 'time',
    blockTarget: hex64(2n ** 256n / networkWork - 1n),
    networkWork,
    subsidy: sats(subsidy ?? 312_500_000n),
    lines: whole,
    pools: names.map(rewardPool => {
      const own = whole.filter(line => line.rewardPool === rewardPool)
      return {
        rewardPool,
        shares: own.reduce((sum, line) => sum + line.shares, 0n),
        work: own.reduce((sum, line) => sum + line.work, 0n),
      }
    }),
    blocks,
    previous: epoch === 1n ? null : hashOfEpoch(epoch - 1n),
    sharesRoot: null,
    signature: null,
  }
  return { statement, hash: hashOfEpoch(epoch) }
}

const hashOfEpoch = (epoch: bigint) => digest(hex64(0xe000_0000n + epoch))

function lineOf({ account, work, scheme = 'port', rewardPool = 'main' }: LineOf): WorkLine {
  return {
    account: accountId(account),
    payee: `payee-${account}`,
    scheme,
    rewardPool,
    shares: 1n,
    work,
    rejects: {},
  }
}

/** A block of pool `main`, worth 3.2 BTC unless said otherwise. */
export function blockOf(nth: number, finder: bigint | null, value = 320_000_000n): BlockFound {
  return {
    hash: blockHash(hex64(0xb10c_0000 + nth)),
    height: 100 + nth,
    rewardPool: 'main',
    finder: finder === null ? null : accountId(finder),
    value: sats(value),
    paid: null,
  }
}

/** Statements of the lines given, newest first. */
export function workBack(
  epochs: readonly { readonly networkWork: bigint; readonly lines: readonly LineOf[] }[],
): HashedWork[] {
  return epochs.map((epoch, index) => workOf({ ...epoch, epoch: BigInt(epochs.length - index) }))
}
