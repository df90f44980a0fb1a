import { parseBtc, type Sats } from '../../../lib/money.ts'

/** The node's JSON gives coins as a float, which eight decimals make exact again. */
export function satsOf(coins: number): Sats {
  const amount = parseBtc(coins.toFixed(8))
  if (amount === null) throw new Error('the node gives an amount of bitcoin')
  return amount
}
