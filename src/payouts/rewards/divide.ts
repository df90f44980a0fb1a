import { assert } from '../../lib/assert.ts'
import type { AccountId } from '../../lib/ids.ts'
import { allot, type Millisats, millisats } from '../../lib/money.ts'
import type { Reward } from '../reward-method.ts'

/** The whole, in basis points. */
export const WHOLE_BASIS_POINTS = 10_000n

/** What an account brought, in any unit that all of a division share, and its scheme's fee. */
export type Part = {
  readonly account: AccountId
  readonly weight: bigint
  readonly feeBasisPoints: number
}

/** A scheme's fee as an exact integer; a fee outside 0 to 100 % is a bug of the configuration's. */
export function feePart(feeBasisPoints: number): bigint {
  assert(
    Number.isInteger(feeBasisPoints) && feeBasisPoints >= 0 && feeBasisPoints <= 10_000,
    'a fee is 0 to 10,000 basis points',
  )
  return BigInt(feeBasisPoints)
}

/**
 * Divides a total over parts, each less its own fee, in one step: amounts and fee sum to the total
 * exactly, each within a millisat of its true share. Of equal remainders the smaller account's
 * goes first and the fee's last. Without any weight all of it is remainder.
 */
export function divide(total: Millisats, parts: readonly Part[]): Omit<Reward, 'work'> {
  const sorted = parts.filter(part => part.weight > 0n).sort(byAccount)
  assert(
    sorted.every((part, index) => part.account !== sorted[index - 1]?.account),
    'an account has one part',
  )
  const none = millisats(0n)
  if (sorted.length === 0) return { total, amounts: [], fee: none, remainder: total }
  const fees = sorted.map(part => feePart(part.feeBasisPoints))
  const net = sorted.map(({ weight }, i) => weight * (WHOLE_BASIS_POINTS - (fees[i] ?? 0n)))
  const feeWeight = sorted.reduce((sum, { weight }, i) => sum + weight * (fees[i] ?? 0n), 0n)
  const shares = allot(total, [...net, feeWeight]).map(millisats)
  const fee = shares.pop() ?? none
  const amounts = sorted.map(({ account }, i) => ({ account, amount: shares[i] ?? none }))
  return { total, amounts: amounts.filter(({ amount }) => amount > 0n), fee, remainder: none }
}

export function byAccount(a: { account: AccountId }, b: { account: AccountId }): number {
  return a.account < b.account ? -1 : a.account > b.account ? 1 : 0
}
