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

/**
 * How much to bring, or null where there is enough. What is owed counts as well as the rule: a
 * float that cannot pay its miners is filled until it can, and keeps its low mark on top, so that
 * the next ones are paid without waiting for blocks again.
 */
export function refill({ float, coming, due }: FloatNeed, rule: FloatRule): Sats | null {
  const { low, target, cap } = rule
  assert(low < target && target <= cap, 'low, target and cap are in order')
  const held = float + coming
  const needed = due + low
  if (held >= needed) return null
  const wanted = due + target
  const upTo = wanted < cap ? wanted : cap
  return upTo > held ? sats(upTo - held) : null
}
