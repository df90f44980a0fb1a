import { assert } from '../lib/assert.ts'
import type { Wallet } from '../lib/db/schema.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { Purpose } from '../treasury/index.ts'
import type { Coin } from './rail.ts'
import { outpointText } from './rails/l1/coins.ts'
import { bareWeight, feeFor, inputWeight, outputWeight } from './rails/l1/transaction.ts'

/** A batch that pays nobody but ourselves; its first coin is the anchor. */
export type OwnPlan = {
  readonly purpose: Exclude<Purpose, 'payout'>
  readonly wallet: Wallet
  readonly coins: readonly Coin[]
  /** What a transfer brings to the other wallet; null for any other. */
  readonly amount: Sats | null
  readonly feeMax: Sats
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
/** One coin of one coin helps nobody. */
const CONSOLIDATED_MIN = 2

/**
 * Makes one coin of many small ones. The smallest are taken, as long as each is worth more than its
 * own fee; the largest of them is the anchor, since it is the least likely to be left out later.
 *
 * @param feeRateMax satoshis a thousand virtual bytes; what it comes to is the approved maximum
 */
export function planConsolidation(
  wallet: Wallet,
  free: readonly Coin[],
  feeRateMax: Sats,
): OwnPlanOutcome {
  const coins = worthSpending(free, feeRateMax).slice(0, COINS_MAX).toReversed()
  if (coins.length < CONSOLIDATED_MIN) return nothing('there are no small coins')
  const feeMax = feeOf(coins, 0, feeRateMax)
  if (sumOf(coins) < feeMax + CHANGE_MIN) return nothing('the coins are not worth their fee')
  return {
    kind: 'plan',
    plan: { purpose: 'consolidation', wallet, coins, amount: null, feeMax },
  }
}

/**
 * Brings an amount from one of our wallets to the other, with as few coins as do it.
 *
 * @param amount what arrives; where the coins do not suffice, nothing is planned
 */
export function planTransfer(
  wallet: Wallet,
  free: readonly Coin[],
  amount: Sats,
  feeRateMax: Sats,
): OwnPlanOutcome {
  assert(amount > 0n, 'a transfer brings something')
  const largest = worthSpending(free, feeRateMax).toReversed().slice(0, COINS_MAX)
  for (let count = 1; count <= largest.length; count++) {
    const coins = largest.slice(0, count)
    const feeMax = feeOf(coins, OWN_SCRIPT_BYTES_MAX, feeRateMax)
    if (sumOf(coins) >= amount + feeMax + CHANGE_MIN)
      return { kind: 'plan', plan: { purpose: 'transfer', wallet, coins, amount, feeMax } }
  }
  return nothing(`the free coins of the ${wallet} wallet do not pay ${amount} sat and the fee`)
}

/** A batch that is stuck and cannot be replaced, and the coin of it that is ours. */
export type StuckParent = {
  readonly wallet: Wallet
  readonly weight: number
  readonly fee: Sats
  /** Its change, or what a transfer pays us. */
  readonly coin: Coin
}

/**
 * Spends the own coin of a stuck batch so that both together pay the wanted rate: the child's fee
 * makes up for what its parent's is short of. The fee is exact, so what is approved is what is paid.
 *
 * @param feeRate what the package should pay, satoshis a thousand virtual bytes
 * @param feeMax the most that the treasury would pay for it
 */
export function planChild(
  { wallet, weight, fee, coin }: StuckParent,
  feeRate: Sats,
  feeMax: Sats,
): OwnPlanOutcome {
  const coins = [coin]
  const child = feeOf(coins, 0, feeRate)
  const whole = feeFor(weight + weightOf(coins, 0), feeRate)
  const needed = whole - fee
  if (needed <= child) return nothing('it already pays that rate')
  if (needed > feeMax) return nothing(`it would cost ${needed} sat, more than ${feeMax}`)
  if (coin.value < needed + CHANGE_MIN) return nothing('its own coin does not pay for it')
  const plan: OwnPlan = { purpose: 'cpfp', wallet, coins, amount: null, feeMax: sats(needed) }
  return { kind: 'plan', plan }
}

/** What is known of the parent of a child that pays for it. */
export type ParentEvidence = {
  /** Which version's coin the child spends. */
  readonly version: number
  /** The version that confirmed, if one did, and how deep. */
  readonly confirmed: { readonly version: number; readonly confirmations: number } | null
  /** Whether something that is no version spent the parent's anchor for good. */
  readonly isDead: boolean
}

/**
 * Whether a child can still confirm. Its anchor exists only while its parent's version does, so a
 * missing anchor proves nothing: dead is only a child whose parent became another transaction for
 * good.
 *
 * @param finality confirmations after which a transaction is final
 */
export function childFate(
  { version, confirmed, isDead }: ParentEvidence,
  finality: number,
): 'lives' | 'waits' | 'dead' {
  if (isDead) return 'dead'
  if (confirmed === null || confirmed.version === version) return 'lives'
  return confirmed.confirmations >= finality ? 'dead' : 'waits'
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
function worthSpending(coins: readonly Coin[], feeRate: Sats): Coin[] {
  const isWorth = (coin: Coin) => {
    const weight = inputWeight(coin.script, null)
    return weight !== null && coin.value > feeFor(weight, feeRate)
  }
  const byValue = (a: Coin, b: Coin) =>
    a.value === b.value ? (outpointText(a) < outpointText(b) ? -1 : 1) : a.value < b.value ? -1 : 1
  return coins.filter(isWorth).toSorted(byValue)
}

function weightOf(coins: readonly Coin[], payeeScriptBytes: number): number {
  const inputs = coins.reduce((sum, { script }) => sum + (inputWeight(script, null) ?? 0), 0)
  const payee = payeeScriptBytes === 0 ? 0 : outputWeight(payeeScriptBytes)
  return bareWeight() + inputs + payee
}

function feeOf(coins: readonly Coin[], payeeScriptBytes: number, feeRate: Sats): Sats {
  return feeFor(weightOf(coins, payeeScriptBytes), feeRate)
}

function sumOf(coins: readonly Coin[]): bigint {
  return coins.reduce((sum, { value }) => sum + value, 0n)
}

function nothing(reason: string): OwnPlanOutcome {
  return { kind: 'nothing', reason }
}
