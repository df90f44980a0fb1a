import { floorDiv, type Sats, sats } from '../lib/money.ts'

/**
 * A fee below this is left to the finder: as an output it would be dust to an address of some kind.
 * Source: Bitcoin Core, GetDustThreshold of a P2PKH output, the largest of all.
 */
const FEE_OUTPUT_MIN_SATS = 546n
const WHOLE_BASIS_POINTS = 10_000n

/**
 * What a coinbase that pays its finder pays the pool: its fee of the whole, rounded down, or nothing
 * where that is no output worth having. The finder gets the rest.
 *
 * @param whole the block's subsidy and fees
 * @param feeBasisPoints 0 to 9,999, so that the finder gets something
 */
export function coinbaseFee(whole: Sats, feeBasisPoints: number): Sats {
  const fee = floorDiv(whole * BigInt(feeBasisPoints), WHOLE_BASIS_POINTS)
  return sats(fee < FEE_OUTPUT_MIN_SATS ? 0n : fee)
}
