import type { BlockHash, Txid } from '../lib/ids.ts'
import { txid } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import type { ThunderClient } from '../lib/nodes/thunder-client.ts'
import { type OutPoint, type Output, outputTotal } from '../lib/thunder/transaction.ts'
import type { CreditedCoin, ThunderView } from './thunder-bridge.ts'

/** What our own node of the main chain is asked. */
export type MainView = {
  /** Blocks on top of one, itself included; null or not positive off the best chain. */
  readonly confirmationsOf: (block: BlockHash) => Promise<number | null>
  readonly depthOf: (id: Txid) => Promise<number>
}

/**
 * What the bridge sees of Thunder: coins by its node, and where that node stands by ours. After a
 * reorganisation the Thunder node stays on its old tip until another side block comes; the main
 * block that it names is not on our chain then, and nothing that it says counts.
 */
export function thunderView(thunder: ThunderClient, main: MainView): ThunderView {
  return {
    depthOf: main.depthOf,
    tip: async () => {
      const [hash, block] = [await thunder.bestSidechainBlock(), await thunder.bestMainchainBlock()]
      const confirmations = block === null ? null : await main.confirmationsOf(block)
      if (hash === null || confirmations === null || confirmations < 1) return null
      return { hash, confirmations }
    },
    credited: async addresses => {
      const unspent = await thunder.getUtxos(addresses)
      const spent = await thunder.getStxos(addresses)
      return [...unspent, ...spent].flatMap(creditedCoin)
    },
  }
}

function creditedCoin(coin: {
  readonly outPoint: OutPoint
  readonly output: Output
}): CreditedCoin[] {
  const { outPoint, output } = coin
  if (outPoint.kind !== 'deposit') return []
  const value: Sats = outputTotal(output)
  return [{ coin: { txid: txid(outPoint.hash), vout: outPoint.vout }, value }]
}
