import type { BlockHash, Txid } from '../../../lib/ids.ts'
import { NodeUnreachable } from '../../../lib/nodes/post-client.ts'
import type { ThunderClient } from '../../../lib/nodes/thunder-client.ts'
import { criticalHash, type ThunderBlock } from '../../../lib/thunder/block.ts'
import { thunderTxid, transactionBytes } from '../../../lib/thunder/transaction.ts'

/** Blocks that are kept, so that a look at the same ones again asks for none of them. */
const BLOCKS_KEPT_MAX = 5000
/**
 * So far back a transaction is looked for: about as many main blocks as a week has. One that is
 * known to be mined is looked for further.
 */
const LOOK_BACK_BLOCKS = 1000
const LOOK_FAR_BACK_BLOCKS = 50_000

/** A block of Thunder, as far as payments are looked for in it. */
export type SideBlock = {
  /** 64 hex digits in the order of the bytes, as M7 carries them. */
  readonly hash: string
  readonly prevSideHash: string | null
  readonly prevMainHash: BlockHash
  readonly txids: ReadonlySet<Txid>
}

/** The node's best chain, read from its tip. Node trouble is thrown. */
export type SideChain = {
  /** Null before the first block. */
  readonly tip: () => Promise<SideBlock | null>
  /** One of its blocks. */
  readonly read: (hash: string) => Promise<SideBlock>
  /**
   * The block of the best chain that has one of the transactions, the nearest to the tip.
   *
   * @param isMined whether another answer of the node said so, so that more blocks are looked at
   */
  readonly find: (ids: ReadonlySet<Txid>, isMined: boolean) => Promise<SideBlock | null>
  /** The whole of a block. */
  readonly blockOf: (hash: string) => Promise<ThunderBlock>
}

/** Ids and hashes are computed here from what the node tells, and taken from nobody. */
export function sideChain(client: ThunderClient): SideChain {
  const kept = new Map<string, SideBlock>()

  async function blockOf(hash: string): Promise<ThunderBlock> {
    const block = await client.getBlock(hash)
    if (block === null) throw new NodeUnreachable(`Thunder does not have its block ${hash}`)
    if (criticalHash(block.header) === hash) return block
    throw new NodeUnreachable(`Thunder gave another block for ${hash}`)
  }

  async function read(hash: string): Promise<SideBlock> {
    const known = kept.get(hash)
    if (known) return known
    const { header, body } = await blockOf(hash)
    const { prevSideHash, prevMainHash } = header
    const txids = new Set(body.transactions.map(each => thunderTxid(transactionBytes(each))))
    const block = { hash, prevSideHash, prevMainHash, txids }
    const [oldest] = kept.keys()
    if (kept.size >= BLOCKS_KEPT_MAX && oldest !== undefined) kept.delete(oldest)
    kept.set(hash, block)
    return block
  }

  async function tip(): Promise<SideBlock | null> {
    const hash = await client.bestSidechainBlock()
    return hash === null ? null : read(hash)
  }

  return {
    tip,
    read,
    blockOf,
    find: async (ids, isMined) => {
      const limit = isMined ? LOOK_FAR_BACK_BLOCKS : LOOK_BACK_BLOCKS
      let block = await tip()
      for (let looked = 0; block !== null && looked < limit; looked++) {
        for (const id of ids) if (block.txids.has(id)) return block
        block = block.prevSideHash === null ? null : await read(block.prevSideHash)
      }
      return null
    },
  }
}
