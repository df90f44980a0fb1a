import { chartAccount, type LedgerAccount } from '../../src/ledger/index.ts'
import { entryOf, miner } from './entries.ts'

const [A, B, C] = [1n, 2n, 3n]
const sat = (amount: bigint) => amount * 1000n
type Row = readonly (readonly [LedgerAccount, bigint])[]

const l1 = chartAccount('l1Float')
const immature = chartAccount('coinbaseImmature')
const unallocated = chartAccount('rewardUnallocated')
const feePending = chartAccount('poolFeePending')
const out = chartAccount('l1Unconfirmed')

const credits: readonly (readonly [bigint, bigint])[] = [
  [A, 169_247_523n],
  [B, 96_712_870n],
  [C, 48_356_435n],
]
const FEE = sat(6_414_629n)
const BLOCK = sat(320_731_457n)

const rows: Readonly<Record<string, Row>> = {
  'treasury capital': [
    [l1, sat(100_000_000n)],
    [chartAccount('treasuryCapital'), -sat(100_000_000n)],
  ],
  'block found': [
    [immature, BLOCK],
    [unallocated, -BLOCK],
  ],
  'statement credited': [
    [unallocated, BLOCK],
    ...credits.map(([who, amount]) => [miner(who, 'pending'), -sat(amount)] as const),
    [feePending, -FEE],
  ],
  'block mature': [
    [l1, BLOCK],
    [immature, -BLOCK],
    ...credits.flatMap(
      ([who, amount]): Row => [
        [miner(who, 'pending'), sat(amount)],
        [miner(who, 'payable'), -sat(amount)],
      ],
    ),
    [feePending, FEE],
    [chartAccount('poolFee'), -FEE],
  ],
  'payout planned': credits.slice(0, 2).flatMap(
    ([who, amount]): Row => [
      [miner(who, 'payable'), sat(amount)],
      [miner(who, 'inflight'), -sat(amount)],
    ],
  ),
  // 172 vB at 12 sat/vB.
  'payout sent': [
    [out, sat(265_962_457n)],
    [l1, -sat(265_962_457n)],
  ],
  // Replaced at 30 sat/vB.
  'fee raised': [
    [out, sat(3_096n)],
    [l1, -sat(3_096n)],
  ],
  'payout settled': [
    ...credits.slice(0, 2).map(([who, amount]) => [miner(who, 'inflight'), sat(amount)] as const),
    [chartAccount('feeL1'), sat(5_160n)],
    [out, -sat(265_965_553n)],
  ],
}

/** One block from capital to settlement, with a fee raised on the way; worked out by hand. */
export const WORKED_RUN = Object.entries(rows).map(([event, legs], index) =>
  entryOf(`run:${index}`, legs, event),
)

/** What each account holds after it; all others hold nothing. */
export const AFTER_THE_RUN: ReadonlyMap<LedgerAccount, bigint> = new Map([
  [l1, sat(154_765_904n)],
  [chartAccount('feeL1'), sat(5_160n)],
  [chartAccount('poolFee'), -FEE],
  [chartAccount('treasuryCapital'), -sat(100_000_000n)],
  [miner(C, 'payable'), -sat(48_356_435n)],
])
