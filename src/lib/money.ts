import { assert } from './assert.ts'

declare const unit: unique symbol

/** Whole satoshis. */
export type Sats = bigint & { readonly [unit]: 'sat' }
/** Thousandths of a satoshi: the ledger's only unit. May be negative as one leg of an entry. */
export type Millisats = bigint & { readonly [unit]: 'msat' }

/** All bitcoin there can be, in satoshis. Source: Bitcoin Core, `MAX_MONEY`. */
export const MAX_MONEY_SATS = 2_100_000_000_000_000n
const MSATS_PER_SAT = 1000n
const SATS_PER_BTC = 100_000_000n

/** Asserts 0 ≤ n ≤ MAX_MONEY: no other amount can exist. */
export function sats(n: bigint): Sats {
  assert(n >= 0n && n <= MAX_MONEY_SATS, 'an amount lies between 0 and all bitcoin')
  return n as Sats
}

/** Asserts |n| ≤ MAX_MONEY: a leg of an entry may be negative, but never larger than all bitcoin. */
export function millisats(n: bigint): Millisats {
  const max = MAX_MONEY_SATS * MSATS_PER_SAT
  assert(n >= -max && n <= max, 'an amount is at most all bitcoin')
  return n as Millisats
}

/** Exact: every satoshi is a thousand millisats. */
export function msatsFromSats(amount: Sats): Millisats {
  return millisats(amount * MSATS_PER_SAT)
}

/** Whole satoshis of a non-negative amount; what is below one satoshi is left to the caller. */
export function satsFloor(amount: Millisats): Sats {
  assert(amount >= 0n, 'only a non-negative amount is floored to satoshis')
  return sats(amount / MSATS_PER_SAT)
}

/** Rounds towards minus infinity. */
export function floorDiv(dividend: bigint, divisor: bigint): bigint {
  assert(divisor > 0n, 'a divisor is positive')
  const quotient = dividend / divisor
  return dividend % divisor < 0n ? quotient - 1n : quotient
}

/** Rounds towards plus infinity. */
export function ceilDiv(dividend: bigint, divisor: bigint): bigint {
  return -floorDiv(-dividend, divisor)
}

/**
 * Divides a total by weights so that the parts sum to it exactly: each part is floored, and the
 * units left over go to the largest remainders. Equal remainders go to the earlier index, so the
 * caller fixes the order (by account id) and the result does not depend on chance.
 *
 * @param weights not negative, with a positive sum
 * @returns a part for each weight, in the order of the weights
 */
export function allot(total: bigint, weights: readonly bigint[]): bigint[] {
  const sum = weights.reduce((a, b) => a + b, 0n)
  assert(total >= 0n, 'only a non-negative total is divided')
  assert(sum > 0n && weights.every(w => w >= 0n), 'weights are not negative and have a sum')
  const parts = weights.map(weight => (total * weight) / sum)
  const remainders = weights.map((weight, index) => ({ rest: (total * weight) % sum, index }))
  let left = total - parts.reduce((a, b) => a + b, 0n)
  remainders.sort((a, b) => (a.rest === b.rest ? a.index - b.index : a.rest > b.rest ? -1 : 1))
  for (const { index } of remainders) {
    if (left === 0n) break
    parts[index] = (parts[index] ?? 0n) + 1n
    left -= 1n
  }
  assert(left === 0n, 'an allotment sums to its total')
  return parts
}

/** For people and for RPCs that want coins: exactly eight decimals, never a float. */
export function formatBtc(amount: Sats): string {
  const fraction = (amount % SATS_PER_BTC).toString().padStart(8, '0')
  return `${amount / SATS_PER_BTC}.${fraction}`
}

/**
 * Reads an amount in coins exactly as written, for example `0.00001000`.
 *
 * @returns null unless it is a plain decimal of at most eight places within MAX_MONEY
 */
export function parseBtc(text: string): Sats | null {
  const match = /^(\d{1,8})(?:\.(\d{1,8}))?$/.exec(text)
  if (!match) return null
  const amount = BigInt(match[1] ?? '') * SATS_PER_BTC + BigInt((match[2] ?? '').padEnd(8, '0'))
  return amount <= MAX_MONEY_SATS ? sats(amount) : null
}
