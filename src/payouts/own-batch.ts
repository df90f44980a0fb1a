import type { Purpose } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { Wallet } from '../lib/db/schema.ts'
import type { BatchId } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { outpointText } from './outpoint.ts'
import type { Coin } from './rail.ts'
import {
  bareWeight,
  feeFor,
  inputWeight,
  outputWeight,
  treasuryWeight,
} from './rails/l1/transaction.ts'

/** A batch that pays nobody but ourselves; its first coin is the anchor. */
export type OwnPlan = {
  readonly purpose: Exclude<Purpose, 'payout' | 'withdrawal'>
  readonly wallet: Wallet
  readonly coins: readonly Coin[]
  /** What a transfer, a deposit or a channel brings there; null for any other. */
  readonly amount: Sats | null
  /** The batch that a child pays for; null for any other. */
  readonly parent: BatchId | null
  /** Of a child, the exact fee. */
  readonly feeMax: Sats
}

/** What a wallet of ours can spend now. */
export type Purse = {
  readonly wallet: Wallet
  readonly free: readonly Coin[]
  /** What a coin of it weighs as an input where it needs several signatures, or null. */
  readonly multisigWeight: number | null
}

/** Why there is nothing to plan, for people. */
export type OwnPlanOutcome =
  | { readonly kind: 'plan'; readonly plan: OwnPlan }
  | { readonly kind: 'nothing'; readonly reason: string }

/** Coins of one batch: each must be signed, and weighs. */
const COINS_MAX = 100
/** What a batch leaves over is at least this, so that its change is never dust. */
const CHANGE_MIN = sats(1000n)
/** The script that a transfer pays has at most this many bytes: native segwit, as our wallets give. */
const OWN_SCRIPT_BYTES_MAX = 34
/** The treasury's output, and one that names an address of at most 28 characters. */
const DEPOSIT_SCRIPTS_BYTES = [4, 30] as const
/** What each adds to coins and change. */
const WEIGHT_OF = {
  transfer: outputWeight(OWN_SCRIPT_BYTES_MAX),
  channel: outputWeight(OWN_SCRIPT_BYTES_MAX),
  deposit:
    treasuryWeight() + DEPOSIT_SCRIPTS_BYTES.reduce((sum, bytes) => sum + outputWeight(bytes), 0),
} as const
/** One coin of one coin helps nobody. */
const CONSOLIDATED_MIN = 2

/**
 * Makes one coin of many small ones. The smallest are taken, as long as each is worth more than its
 * own fee; the largest of them is the anchor, since it is the least likely to be left out later.
 *
 * @param feeRateMax satoshis a thousand virtual bytes; what it comes to is the approved maximum
 */
export function planConsolidation(purse: Purse, feeRateMax: Sats): OwnPlanOutcome {
  const { wallet, multisigWeight } = purse
  const coins = worthSpending(purse, feeRateMax).slice(0, COINS_MAX).toReversed()
  if (coins.length < CONSOLIDATED_MIN) return nothing('there are no small coins')
  const feeMax = feeFor(weightOf({ coins, multisigWeight }), feeRateMax)
  if (sumOf(coins) < feeMax + CHANGE_MIN) return nothing('the coins are not worth their fee')
  return {
    kind: 'plan',
    plan: { purpose: 'consolidation', wallet, coins, amount: null, parent: null, feeMax },
  }
}

/**
 * Brings an amount from one of our wallets to the other, with as few coins as do it.
 *
 * @param amount what arrives; where the coins do not suffice, nothing is planned
 */
export function planTransfer(purse: Purse, amount: Sats, feeRateMax: Sats): OwnPlanOutcome {
  return planAmount(purse, { purpose: 'transfer', amount }, feeRateMax)
}

/**
 * Brings an amount to Thunder. The coin of the sidechain's treasury that it will spend as well is
 * not known before it is built, nor is it any of ours: only its weight counts here.
 *
 * @param amount what is credited there
 */
export function planDeposit(purse: Purse, amount: Sats, feeRateMax: Sats): OwnPlanOutcome {
  return planAmount(purse, { purpose: 'deposit', amount }, feeRateMax)
}

/**
 * Brings an amount to the wallet of our lnd.
 *
 * @param amount what arrives there; the channel is smaller by the fee of its own transaction
 */
export function planChannel(purse: Purse, amount: Sats, feeRateMax: Sats): OwnPlanOutcome {
  return planAmount(purse, { purpose: 'channel', amount }, feeRateMax)
}

function planAmount(
  purse: Purse,
  { purpose, amount }: { readonly purpose: keyof typeof WEIGHT_OF; readonly amount: Sats },
  feeRateMax: Sats,
): OwnPlanOutcome {
  assert(amount > 0n, 'what is moved is something')
  const { wallet, multisigWeight } = purse
  const largest = worthSpending(purse, feeRateMax).toReversed().slice(0, COINS_MAX)
  for (let count = 1; count <= largest.length; count++) {
    const coins = largest.slice(0, count)
    const weight = weightOf({ coins, multisigWeight }) + WEIGHT_OF[purpose]
    const feeMax = feeFor(weight, feeRateMax)
    if (sumOf(coins) >= amount + feeMax + CHANGE_MIN)
      return { kind: 'plan', plan: { purpose, wallet, coins, amount, parent: null, feeMax } }
  }
  return nothing(`the free coins of the ${wallet} wallet do not pay ${amount} sat and the fee`)
}

/** A batch that is stuck and cannot be replaced, and the coin of it that is ours. */
export type StuckParent = {
  readonly parent: BatchId
  /** Whose the coin is. */
  readonly wallet: Wallet
  readonly weight: number
  readonly fee: Sats
  /** Its change, or what a transfer pays us. */
  readonly coin: Coin
  readonly multisigWeight: number | null
}

/**
 * Spends the own coin of a stuck batch so that both together pay the wanted rate: the child's fee
 * makes up for what its parent's is short of. The fee is exact, so what is approved is what is paid.
 *
 * @param feeRate what the package should pay, satoshis a thousand virtual bytes
 */
export function planChild(
  { parent, wallet, weight, fee, coin, multisigWeight }: StuckParent,
  feeRate: Sats,
): OwnPlanOutcome {
  const coins = [coin]
  const childWeight = weightOf({ coins, multisigWeight })
  const child = feeFor(childWeight, feeRate)
  const whole = feeFor(weight + childWeight, feeRate)
  const needed = whole - fee
  if (needed <= child) return nothing('it already pays that rate')
  if (coin.value < needed + CHANGE_MIN) return nothing('its own coin does not pay for it')
  const feeMax = sats(needed)
  return { kind: 'plan', plan: { purpose: 'cpfp', wallet, coins, amount: null, parent, feeMax } }
}

/** What a float should hold, in satoshis. */
export type FloatRule = {
  readonly low: Sats
  readonly target: Sats
  /** Null where another than the node's wallet signs, or on regtest. */
  readonly cap: Sats | null
}

/** What to bring where, so that the float holds what it should; null where it does. */
export function floatMove(
  float: bigint,
  { low, target, cap }: FloatRule,
): { readonly from: Wallet; readonly amount: Sats } | null {
  assert(low < target && (cap === null || target <= cap), 'low, target and cap are in order')
  if (float < low) return { from: 'cold', amount: sats(target - (float > 0n ? float : 0n)) }
  if (cap !== null && float > cap) return { from: 'hot', amount: sats(float - target) }
  return null
}

/** The smallest first, without those that their own fee would eat. */
function worthSpending({ free, multisigWeight }: Purse, feeRate: Sats): Coin[] {
  const isWorth = (coin: Coin) => {
    const weight = inputWeight(coin.script, multisigWeight)
    return weight !== null && coin.value > feeFor(weight, feeRate)
  }
  const byValue = (a: Coin, b: Coin) =>
    a.value === b.value ? (outpointText(a) < outpointText(b) ? -1 : 1) : a.value < b.value ? -1 : 1
  return free.filter(isWorth).toSorted(byValue)
}

/** Of coins and change alone. */
function weightOf({
  coins,
  multisigWeight,
}: { readonly coins: readonly Coin[] } & Pick<Purse, 'multisigWeight'>): number {
  const weights = coins.map(({ script }) => inputWeight(script, multisigWeight) ?? 0)
  return bareWeight() + weights.reduce((sum, weight) => sum + weight, 0)
}

function sumOf(coins: readonly Coin[]): bigint {
  return coins.reduce((sum, { value }) => sum + value, 0n)
}

function nothing(reason: string): OwnPlanOutcome {
  return { kind: 'nothing', reason }
}
