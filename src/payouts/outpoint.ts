import type { Coin } from './rail.ts'

/** A coin's name, on whatever chain it is. */
export type Outpoint = Pick<Coin, 'txid' | 'vout'>

/** The name of a coin: `txid:vout`. */
export function outpointText({ txid, vout }: Outpoint): string {
  return `${txid}:${vout}`
}

/** Whether both name one coin. */
export function isSame(one: Outpoint | undefined, other: Outpoint): boolean {
  return one?.txid === other.txid && one.vout === other.vout
}

/** Whether these are the coins, all of them and in their order. */
export function spendsAll(spent: readonly Outpoint[], coins: readonly Outpoint[]): boolean {
  return spent.length === coins.length && coins.every((coin, at) => isSame(spent[at], coin))
}
