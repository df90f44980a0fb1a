import { ceilDiv, type Sats, sats } from '../../../lib/money.ts'

/** What is known of a sent version when it is asked whether a dearer one should replace it. */
export type BumpView = {
  /** The newest signed version's. */
  readonly sentFee: Sats
  /** The version that the mempool has; null where it has none. */
  readonly inMempool: {
    readonly fee: Sats
    /**
     * Fees that its replacement drops from the mempool: its own and of all that spends it, which
     * recipients may have made dear.
     */
    readonly withDescendants: Sats
    /** Not where a newer one is signed, and did not get in. */
    readonly isNewest: boolean
  } | null
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
  /** The newest signed version is not in the mempool, and would replace what is. */
  | { readonly kind: 'send again' }
  | { readonly kind: 'stays' }
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * The least fee that the mempool takes a further version for now.
 *
 * Source: BIP 125, rules 3 and 4; Bitcoin Core, policy/rbf.cpp.
 */
export function leastFee({ inMempool, vsize, rates }: BumpView): Sats {
  if (inMempool === null) return feeAt(vsize, rates.floor)
  return sats(inMempool.withDescendants + feeAt(vsize, rates.increment))
}

/**
 * Whether to replace, and at what fee. What the mempool holds decides: a version that it dropped
 * for its fee is replaced at once, and so is one that it did not take because recipients have made
 * the older one dear; any other when it has waited long enough and the fees of now are higher than
 * its own. As much as was approved is paid where that helps; where not even that replaces, it
 * waits, and a child may pay for it.
 */
export function decideBump(view: BumpView): BumpDecision {
  const { sentFee, inMempool, vsize, rates, feeMax } = view
  const least = leastFee(view)
  const wanted = feeAt(vsize, rates.wanted)
  if (inMempool !== null && !inMempool.isNewest) {
    if (sentFee >= least) return { kind: 'send again' }
    if (wanted <= inMempool.fee) return { kind: 'stays' }
  } else if (inMempool !== null || sentFee >= least) {
    if (view.blocksWaited < view.bumpAfterBlocks) return { kind: 'stays' }
    if (wanted <= sentFee) return { kind: 'stays' }
  }
  // Other nodes may have what this one dropped, and the ledger knows only rises.
  const rise = sentFee + feeAt(vsize, rates.increment)
  const lowest = least > rise ? least : rise
  if (lowest > feeMax) {
    return { kind: 'waits', reason: `replacing it costs ${lowest} sat, approved are ${feeMax}` }
  }
  const fee = wanted > lowest ? wanted : lowest
  return { kind: 'bump', fee: sats(fee < feeMax ? fee : feeMax) }
}

function feeAt(vsize: bigint, rate: Sats): Sats {
  return sats(ceilDiv(vsize * rate, 1000n))
}
