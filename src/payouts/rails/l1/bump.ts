import { ceilDiv, type Sats, sats } from '../../../lib/money.ts'

/** What is known of a sent version when it is asked whether a dearer one should replace it. */
export type BumpView = {
  /** The newest signed version's. */
  readonly sentFee: Sats
  /**
   * Fees that its replacement drops from the mempool: of the version there and of all that spends
   * it, which recipients may have made dear. Null where the mempool has no version.
   */
  readonly inMempool: Sats | null
  /** A version's size once it is signed, in virtual bytes, rounded up. */
  readonly vsize: bigint
  /** Satoshis a thousand virtual bytes: what to pay now, the mempool's floor, the least to add. */
  readonly rates: { readonly wanted: Sats; readonly floor: Sats; readonly increment: Sats }
  readonly blocksWaited: number
  readonly bumpAfterBlocks: number
  /** The largest fee that was approved. */
  readonly feeMax: Sats
}

export type BumpDecision =
  | { readonly kind: 'bump'; readonly fee: Sats }
  | { readonly kind: 'stays' }
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * Whether to replace, and at what fee. A version that mempools drop for its fee is replaced at
 * once; another one when it has waited long enough and the fees of now are higher than its own.
 * As much as was approved is paid where that helps; where not even that replaces, it waits, and a
 * child may pay for it.
 *
 * Source: BIP 125, rules 3 and 4; Bitcoin Core, policy/rbf.cpp.
 */
export function decideBump(view: BumpView): BumpDecision {
  const { sentFee, inMempool, vsize, rates, feeMax } = view
  const at = (rate: Sats) => ceilDiv(vsize * rate, 1000n)
  const isTooLow = inMempool === null && sentFee < at(rates.floor)
  if (!isTooLow && view.blocksWaited < view.bumpAfterBlocks) return { kind: 'stays' }
  const wanted = at(rates.wanted)
  if (!isTooLow && wanted <= sentFee) return { kind: 'stays' }
  const replaced = inMempool !== null && inMempool > sentFee ? inMempool : sentFee
  const least = replaced + at(rates.increment)
  if (least > feeMax) {
    return { kind: 'waits', reason: `replacing it costs ${least} sat, approved are ${feeMax}` }
  }
  const fee = wanted > least ? wanted : least
  return { kind: 'bump', fee: sats(fee < feeMax ? fee : feeMax) }
}
