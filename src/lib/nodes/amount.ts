import { parseBtc, type Sats } from '../money.ts'

/** Coins have eight decimals. */
const COIN_DECIMALS = 8

/**
 * An amount in coins from a node's reply, exactly. The RPC client gives a number where the literal
 * had at most 15 characters, which a double holds without loss, and else the literal itself.
 *
 * @returns null when it is negative, has more than eight decimals, or is more than all bitcoin
 */
export function satsFromCoins(coins: number | string): Sats | null {
  if (typeof coins === 'string') return parseBtc(coins)
  const text = coins.toFixed(COIN_DECIMALS)
  return Number(text) === coins ? parseBtc(text) : null
}
