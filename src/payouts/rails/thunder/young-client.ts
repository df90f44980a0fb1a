import { Block } from 'bitcoinjs-lib'
import type { Txid } from '../../../lib/ids.ts'
import type { BitcoindClient } from '../../../lib/nodes/bitcoind-client.ts'
import type { OutPoint } from '../../../lib/thunder/transaction.ts'
import type { SideBlock } from './side-chain-client.ts'
import type { Chains } from './thunder-parts.ts'
import { outpointOf } from './transaction.ts'

/** What of Thunder's best chain can still be undone. */
export type Young = {
  /** Blocks whose main block is not final, the newest first. */
  readonly blocks: readonly SideBlock[]
  /** The newest one that is final. */
  readonly final: SideBlock
}

/**
 * Walks down from Thunder's tip to its newest final block. Node trouble is thrown.
 *
 * @param finality confirmations of the main block with its M7 from which on a side block is final
 */
export async function youngBlocks(
  chains: Chains,
  finality: number,
): Promise<Young | { readonly reason: string }> {
  const reason = (await chains.complaint()) ?? (await chains.stall())
  if (reason !== null) return { reason }
  const blocks: SideBlock[] = []
  // Each carries a main block of its own, so that there are fewer of them than confirmations.
  for (let block = await chains.side.tip(); block !== null; ) {
    const place = await chains.placeOf(block)
    if (place.kind === 'off chain') return { reason: 'Thunder stands beside the main chain' }
    if (place.confirmations >= finality) return { blocks, final: block }
    blocks.push(block)
    block = block.prevSideHash === null ? null : await chains.side.read(block.prevSideHash)
  }
  return { reason: 'no side block is final yet' }
}

/**
 * Whether what made a coin that Thunder has can still be undone: a side block that is young, or,
 * of a deposit, one of the newest main blocks.
 */
export async function isYoung(
  { chains, node }: { readonly chains: Chains; readonly node: BitcoindClient },
  outPoint: OutPoint,
  { young, finality }: { readonly young: Young; readonly finality: number },
): Promise<boolean> {
  const { txid } = outpointOf({ outPoint })
  switch (outPoint.kind) {
    case 'regular':
      return young.blocks.some(({ txids }) => txids.has(txid))
    case 'coinbase': {
      const blocks = await Promise.all(young.blocks.map(({ hash }) => chains.side.blockOf(hash)))
      return blocks.some(({ header }) => header.merkleRoot === outPoint.hash)
    }
    case 'deposit':
      return isAmongNewest(node, txid, finality - 1)
  }
}

/** A block that goes away meanwhile counts as if it had it. */
async function isAmongNewest(node: BitcoindClient, id: Txid, count: number): Promise<boolean> {
  const { blocks: height } = await node.getBlockchainInfo()
  for (let back = 0; back < count && back <= height; back++) {
    const hash = await node.getBlockHash(height - back)
    const bytes = hash && (await node.getBlock(hash))
    if (bytes === null) return true
    if (Block.fromBuffer(bytes).transactions?.some(each => each.getId() === id)) return true
  }
  return false
}
