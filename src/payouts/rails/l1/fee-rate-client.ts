import type { Sats } from '../../../lib/money.ts'
import { feeRateNow } from './fee-rate.ts'
import type { Parts } from './l1-parts.ts'

/** What a version should pay now, in satoshis a thousand virtual bytes. */
export async function feeRate({ hot, options }: Pick<Parts, 'hot' | 'options'>): Promise<Sats> {
  const estimate = await hot.client.estimatedFeeRate(options.confirmWithin)
  const { floor } = await hot.client.mempoolRates()
  const { feeRateMin, feeRateMax } = options
  return feeRateNow({ estimate, mempoolMin: floor, feeRateMin, feeRateMax })
}
