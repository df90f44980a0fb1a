import { type Sats, sats } from '../../../lib/money.ts'
import type { Parts } from './l1-parts.ts'

/**
 * What a version should pay now, in satoshis a thousand virtual bytes: the node's estimate within
 * the configured range. Below what mempools take now it would go nowhere, so where that floor is
 * above the range, the floor it is, and whoever builds says that it is too dear.
 */
export async function feeRate({ hot, options }: Pick<Parts, 'hot' | 'options'>): Promise<Sats> {
  const estimate = await hot.client.estimatedFeeRate(options.confirmWithin)
  const { floor } = await hot.client.mempoolRates()
  const wanted = larger(estimate ?? options.feeRateMin, options.feeRateMin)
  const capped = wanted < options.feeRateMax ? wanted : options.feeRateMax
  return larger(capped, floor)
}

function larger(a: Sats, b: Sats): Sats {
  return a > b ? a : sats(b)
}
