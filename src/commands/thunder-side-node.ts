import type { SideNode } from '../bmm/index.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import type { ThunderClient } from '../lib/nodes/thunder-client.ts'
import { THUNDER_SLOT } from '../lib/thunder/address.ts'
import { blockJson } from '../lib/thunder/json.ts'
import { blockToJson } from '../lib/thunder/write-json.ts'

/** So far below its tip a side block is looked for; it is asked for within seconds of its main block. */
const ANCESTORS_MAX = 50

/** A Thunder node as the node of a sidechain that we merge-mine. */
export function thunderSideNode(node: ThunderClient, network: Network): SideNode {
  /** The tip stays on an orphan until the next block, which changes nothing for the block itself. */
  async function isInChain(sideBlock: string): Promise<boolean> {
    let at = await node.bestSidechainBlock()
    for (let depth = 0; at !== null && depth < ANCESTORS_MAX; depth++) {
      if (at === sideBlock) return true
      at = (await node.getBlock(at))?.header.prevSideHash ?? null
    }
    return false
  }
  return {
    slot: THUNDER_SLOT,
    async getTemplate() {
      const { criticalHash, block } = await node.getBlockTemplate()
      return {
        sideBlock: criticalHash,
        previousBlock: block.header.prevMainHash,
        body: JSON.stringify(blockToJson(block, network)),
      }
    },
    async connect({ sideBlock, body }, mainBlock) {
      const block = blockJson.parse(JSON.parse(body))
      // False may also say that an earlier call, whose answer was lost, did it.
      return (await node.connectBlock(block, mainBlock)) || isInChain(sideBlock)
    },
  }
}
