import { readMessage } from '../../../bmm/index.ts'
import { coinbaseOfBlock, parseCoinbase } from '../../../lib/bitcoin/tx.ts'
import { reversed, toHex } from '../../../lib/bytes.ts'
import type { BlockHash } from '../../../lib/ids.ts'
import type { BitcoindClient } from '../../../lib/nodes/bitcoind-client.ts'
import { THUNDER_SLOT } from '../../../lib/thunder/address.ts'
import type { MainPlace } from './evidence.ts'
import type { SideBlock } from './side-chain-client.ts'

/** Main blocks whose M7 is kept in mind: a full block is read once. */
const READ_KEPT_MAX = 1000
/** A block's header: the version, then the hash of the block before, in internal order. */
const PREVIOUS_FROM = 4
const PREVIOUS_TO = 36

type Asked = Pick<
  BitcoindClient,
  'getBlockHeader' | 'getBlockHash' | 'getBlock' | 'getBlockchainInfo'
>

/**
 * Where a side block stands by our own node alone: its M7 must be in the coinbase of the block that
 * follows the one that its header names. What Thunder says of the main chain is not asked. Node
 * trouble is thrown.
 *
 * Source: thunder-rust, lib/archive.rs: an M7 counts only in a direct child.
 */
export function mainChain(node: Asked) {
  const read = new Map<BlockHash, { previous: string; accepts: string | null }>()

  async function readBlock(hash: BlockHash) {
    const known = read.get(hash)
    if (known) return known
    const block = await node.getBlock(hash)
    if (block === null) return null
    const found = {
      previous: toHex(reversed(block.subarray(PREVIOUS_FROM, PREVIOUS_TO))),
      accepts: acceptedIn(block),
    }
    const [oldest] = read.keys()
    if (read.size >= READ_KEPT_MAX && oldest !== undefined) read.delete(oldest)
    read.set(hash, found)
    return found
  }

  return {
    async placeOf({ hash, prevMainHash }: SideBlock): Promise<MainPlace> {
      const parent = await node.getBlockHeader(prevMainHash)
      if (parent === null) return { kind: 'off chain', isParentThere: false, blocksOn: 0 }
      if (parent.confirmations < 1) {
        const { blocks } = await node.getBlockchainInfo()
        const blocksOn = blocks - (parent.height + 1)
        return { kind: 'off chain', isParentThere: false, blocksOn }
      }
      const next = await node.getBlockHash(parent.height + 1)
      const block = next && (await readBlock(next))
      const confirmations = parent.confirmations - 1
      if (block && block.previous === prevMainHash && block.accepts === hash && confirmations > 0)
        return { kind: 'on chain', confirmations }
      return { kind: 'off chain', isParentThere: true, blocksOn: confirmations - 1 }
    },
  }
}

/** The side block that a main block's coinbase accepts for Thunder; null where it has none. */
function acceptedIn(block: Uint8Array): string | null {
  const bytes = coinbaseOfBlock(block)
  const coinbase = bytes && parseCoinbase(bytes)
  for (const { script } of coinbase?.outputs ?? []) {
    const message = readMessage(script)
    if (message?.kind === 'M7' && message.slot === THUNDER_SLOT) return message.sideBlock
  }
  return null
}
