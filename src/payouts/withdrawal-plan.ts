import { assert } from '../lib/assert.ts'
import { type Sats, sats } from '../lib/money.ts'
import { outpointText } from './outpoint.ts'
import type { OwnPlan } from './own-batch.ts'
import type { Coin } from './rail.ts'
import { feeFor, outputWeight } from './rails/l1/transaction.ts'

/** A batch that brings our own money from Thunder to our wallet on the main chain. */
export type WithdrawalPlan = Omit<OwnPlan, 'purpose' | 'amount'> & {
  readonly purpose: 'withdrawal'
  /** What arrives there. */
  readonly amount: Sats
  /** What the main chain's miners get when it arrives; part of `feeMax`. */
  readonly mainFee: Sats
}

export type WithdrawalPlanOutcome =
  | { readonly kind: 'plan'; readonly plan: WithdrawalPlan }
  | { readonly kind: 'nothing'; readonly reason: string }

/** Coins of one batch, as on the main chain: each is signed for. */
const COINS_MAX = 100
/** So many times its main fee a withdrawal must be at least, or it is not worth the months. */
const WORTH_MAIN_FEES = 100n
/** Version, counts and lock time; a treasury input without script; the treasury's output. */
const M6_BARE_BYTES = 4 + 1 + 41 + 1 + 13 + 4
const WEIGHT_PER_BYTE = 4
/** The commitment to what is spent, and the one output of ours, each of a native segwit's size. */
const M6_SCRIPT_BYTES = 34

/**
 * What the main chain's miners are given: as much as if the bundle carried this withdrawal alone.
 * With others in it they get more, and bundles take those first that give most.
 *
 * @param feeRate satoshis a thousand virtual bytes
 */
export function mainFeeAt(feeRate: Sats): Sats {
  return feeFor(M6_BARE_BYTES * WEIGHT_PER_BYTE + 2 * outputWeight(M6_SCRIPT_BYTES), feeRate)
}

/**
 * Takes the largest coins until they pay the amount, both fees, and a change: Thunder keeps no
 * dust, so that one satoshi is change enough.
 *
 * @param fee of the transaction on Thunder
 */
export function planWithdrawal(
  free: readonly Coin[],
  { amount, fee, mainFee }: { readonly amount: Sats; readonly fee: Sats; readonly mainFee: Sats },
): WithdrawalPlanOutcome {
  assert(amount > 0n && mainFee > 0n, 'what is moved is something, and so is what it costs')
  const least = WORTH_MAIN_FEES * mainFee
  if (amount < least)
    return nothing(`below ${least} sat it is not worth its main fee of ${mainFee} sat`)
  const largest = free.toSorted(byValue).slice(0, COINS_MAX)
  const feeMax = sats(fee + mainFee)
  const coins: Coin[] = []
  let sum = 0n
  for (const coin of largest) {
    coins.push(coin)
    sum += coin.value
    if (sum > amount + feeMax) {
      const plan = { purpose: 'withdrawal', wallet: 'hot', parent: null } as const
      return { kind: 'plan', plan: { ...plan, coins, amount, feeMax, mainFee } }
    }
  }
  return nothing(`the free coins on Thunder do not pay ${amount} sat and its fees`)
}

function byValue(a: Coin, b: Coin): number {
  if (a.value !== b.value) return a.value > b.value ? -1 : 1
  return outpointText(a) < outpointText(b) ? -1 : 1
}

function nothing(reason: string): WithdrawalPlanOutcome {
  return { kind: 'nothing', reason }
}
