import type { AccountId } from '../lib/ids.ts'

export type LedgerKind = 'asset' | 'liability' | 'income' | 'expense' | 'equity'

/** A miner's account in the ledger, by what we owe and when. */
export type MinerSide = 'pending' | 'payable' | 'inflight'

declare const ledgerName: unique symbol
/** A ledger account's name, for example `asset:l1` or `miner:7:payable`. */
export type LedgerAccount = string & { readonly [ledgerName]: true }

/**
 * The chart of accounts; `miner:<account>:<side>` comes beside it for every account.
 * Assets are where money is, `reward_unallocated` what a block brought before it is divided.
 * On Thunder `out` has left and is not settled, `transit` is a deposit that the main chain has and
 * Thunder has not credited, and `withdrawal` what waits for its bundle on the way back.
 * On Lightning `out` is what live batches may still pay, with their largest fees; `transit` is in
 * lnd's own wallet for a channel that is not open yet, and `wallet` what an opening left there.
 */
export const CHART = {
  coinbaseImmature: 'asset:coinbase_immature',
  l1Float: 'asset:l1',
  l1Cold: 'asset:l1_cold',
  l1Unconfirmed: 'asset:l1_out_unconfirmed',
  thunderFloat: 'asset:thunder',
  thunderOut: 'asset:thunder_out',
  thunderTransit: 'asset:thunder_transit',
  thunderWithdrawal: 'asset:thunder_withdrawal',
  lightningFloat: 'asset:lightning',
  lightningOut: 'asset:lightning_out',
  lightningTransit: 'asset:lightning_transit',
  lightningWallet: 'asset:lightning_wallet',
  rewardUnallocated: 'liability:reward_unallocated',
  poolFeePending: 'liability:pool_fee_pending',
  poolFee: 'income:pool_fee',
  payoutFees: 'income:payout_fees',
  ppsBlockIncome: 'income:pps_block_income',
  /** Fees of bids for side blocks, in blocks that are the pool's own income. */
  bmmBids: 'income:bmm_bids',
  ppsCost: 'expense:pps_cost',
  feeL1: 'expense:fee_l1',
  feeThunder: 'expense:fee_thunder',
  feeLightning: 'expense:fee_lightning',
  loss: 'expense:loss',
  treasuryCapital: 'equity:treasury_capital',
} as const satisfies Record<string, string>

/** An account of the chart by its key there. */
export function chartAccount(key: keyof typeof CHART): LedgerAccount {
  return CHART[key] as string as LedgerAccount
}

/** What we owe one account: not yet mature, payable now, or reserved by a payout. */
export function minerAccount(account: AccountId, side: MinerSide): LedgerAccount {
  return `miner:${account}:${side}` as LedgerAccount
}

/** The kind is the first part of the name; a miner's account is a liability. */
export function kindOf(account: LedgerAccount): LedgerKind {
  const first = account.slice(0, account.indexOf(':'))
  return first === 'miner' ? 'liability' : (first as LedgerKind)
}
