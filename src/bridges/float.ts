import { assert } from '../lib/assert.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { FloatNeed } from './bridge.ts'

/** What the float at a bridge's far end should be, in satoshis. */
export type FloatRule = {
  /** Below it, it is filled. */
  readonly low: Sats
  /** Up to which it is filled where nobody is owed more. */
  readonly target: Sats
  /** It is never filled above this, whoever is owed what: so much may be lost with that rail. */
  readonly cap: Sats
}

/** What follows from a need. */
export type Refill =
  | { readonly kind: 'enough' }
  | { readonly kind: 'fill'; readonly amount: Sats }
  /** It should be filled, and is not by itself. */
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * Why a float may run dry before it is filled again, for people; null where it will not.
 *
 * @param rule null where it is never filled by itself
 */
export function shortage({ float, coming, due }: FloatNeed, rule: FloatRule | null): string | null {
  if (float < due) return `it holds ${float} sat, and ${due} are owed there`
  if (rule === null || float + coming >= rule.low) return null
  return `it holds ${float} sat, with ${coming} coming, and should hold ${rule.low}`
}

/**
 * How much to bring. What is owed counts as well as the rule: a float that cannot pay its miners is
 * filled until it can, and keeps its low mark on top, so that the next ones are paid without waiting
 * for blocks again. With `held` for what is there and on its way there, and `low`, `target` and
 * `cap` as the rule has them:
 *
 * ```
 *                        held ≥ due + low   held < due + low
 * something comes back   enough             waits for people
 * nothing comes back     enough             fills up to due + target, to the cap at most
 * the same, where the cap lets through less than target - low          waits for the cap
 * ```
 *
 * So money that people take out is not sent back at once by itself, and no move costs a fee for
 * less than what lies between the marks, however the need wavers about one of them.
 */
export function refill({ float, coming, leaving, due }: FloatNeed, rule: FloatRule): Refill {
  const { low, target, cap } = rule
  assert(low < target && target <= cap, 'low, target and cap are in order')
  const held = float + coming
  if (held >= due + low) return { kind: 'enough' }
  if (leaving > 0n)
    return { kind: 'waits', reason: 'a withdrawal is under way: people may fill it' }
  const wanted = due + target
  const amount = (wanted < cap ? wanted : cap) - held
  if (amount < target - low) return { kind: 'waits', reason: 'it is filled up to its cap' }
  return { kind: 'fill', amount: sats(amount) }
}
