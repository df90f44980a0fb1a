import fc from 'fast-check'
import {
  chartAccount,
  type Entry,
  type LedgerAccount,
  mergeLegs,
  minerAccount,
} from '../../src/ledger/index.ts'
import { accountId, journalKey, unixMs } from '../../src/lib/ids.ts'
import { millisats } from '../../src/lib/money.ts'

/** A legal entry; legs of one account are added up. */
export function entryOf(
  key: string,
  legs: readonly (readonly [LedgerAccount, bigint])[],
  event = 'test',
  at = 1000,
): Entry {
  const merged = mergeLegs(
    legs.map(([account, amount]) => ({ account, amount: millisats(amount) })),
  )
  return { key: journalKey(key), event, legs: merged, at: unixMs(at) }
}

export const miner = (account: bigint, side: 'pending' | 'payable' | 'inflight') =>
  minerAccount(accountId(account), side)

/** Few accounts and few keys, so that overdrafts, repeats and conflicts come often. */
const names = [
  chartAccount('l1Float'),
  chartAccount('coinbaseImmature'),
  chartAccount('feeL1'),
  chartAccount('poolFee'),
  chartAccount('treasuryCapital'),
  miner(1n, 'payable'),
  miner(1n, 'inflight'),
  miner(2n, 'payable'),
]

/** Legal entries in any order and number. */
export const someEntries = fc.array(
  fc
    .record({
      key: fc.integer({ min: 0, max: 40 }),
      moves: fc.array(
        fc.record({
          from: fc.constantFrom(...names),
          to: fc.constantFrom(...names),
          amount: fc.bigInt({ min: 1n, max: 50n }),
        }),
        { minLength: 1, maxLength: 4 },
      ),
    })
    .map(({ key, moves }) =>
      entryOf(
        `k:${key}`,
        moves.flatMap(({ from, to, amount }) => [[to, amount] as const, [from, -amount] as const]),
      ),
    )
    .filter(entry => entry.legs.length >= 2),
  { maxLength: 25 },
)
