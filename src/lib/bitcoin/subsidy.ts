import { assert } from '../assert.ts'
import { type Sats, sats } from '../money.ts'

const FIRST_SUBSIDY_SATS = 5_000_000_000n
/** After 64 halvings Core's shift would be undefined, so it says zero; nothing is left long before. */
const HALVINGS_MAX = 64

/**
 * New coins in the block of a height. Source: Bitcoin Core, GetBlockSubsidy.
 *
 * @param halvingInterval blocks between halvings: 210,000, on regtest 150
 */
export function subsidyAt(height: number, halvingInterval: number): Sats {
  assert(Number.isInteger(height) && height >= 0, 'a height is a whole number')
  const halvings = Math.floor(height / halvingInterval)
  return halvings >= HALVINGS_MAX ? sats(0n) : sats(FIRST_SUBSIDY_SATS >> BigInt(halvings))
}
