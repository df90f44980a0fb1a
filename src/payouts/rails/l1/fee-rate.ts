import { assert } from '../../../lib/assert.ts'
import type { Sats } from '../../../lib/money.ts'

/** What a fee rate is chosen from; all in satoshis a thousand virtual bytes. */
export type FeeRates = {
  /** Null where the node has seen too little to say. */
  readonly estimate: Sats | null
  /** What mempools take at least now. */
  readonly mempoolMin: Sats
  /** The configuration's floor and ceiling. */
  readonly feeRateMin: Sats
  readonly feeRateMax: Sats
}

/**
 * The rate to build with: the estimate within floor and ceiling, but never below what mempools
 * take, since that would go nowhere. So it may be above the ceiling; then the fee is more than was
 * approved, and the batch waits and says so.
 */
export function feeRateNow({ estimate, mempoolMin, feeRateMin, feeRateMax }: FeeRates): Sats {
  assert(feeRateMin <= feeRateMax, 'the fee rates are a range')
  const wanted = estimate !== null && estimate > feeRateMin ? estimate : feeRateMin
  const capped = wanted < feeRateMax ? wanted : feeRateMax
  return capped > mempoolMin ? capped : mempoolMin
}
