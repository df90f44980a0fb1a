import { unreachable } from '../lib/assert.ts'
import type { BlockHash } from '../lib/ids.ts'

/** What became of a block of ours: found → mature, or found → orphaned → found again. */
export type Fate = 'found' | 'orphaned' | 'mature'

/**
 * Confirmations from which a block's reward can be spent for good. Consensus lets it be spent in
 * the 101st; a wallet calls it immature through 100.
 * Source: Bitcoin Core, COINBASE_MATURITY and CWallet::GetTxBlocksToMaturity.
 */
export const MATURE_CONFIRMATIONS = 101
/** An orphaned block this far below the tip is no longer looked at: no chain returns from there. */
export const ORPHAN_WATCH_BLOCKS = 1000

/** What the main chain says of a block's height. */
export type ChainSight = {
  readonly tipHeight: number
  /** The block that stands at that height; null when the chain, as far as seen, has none there. */
  readonly hashThere: BlockHash | null
}

/**
 * The next fate of a block, one step at a time.
 * Only another block at its height with a chain on top of it is proof against it: a chain that is
 * merely shorter than before, as after a crash of the node, changes nothing.
 *
 * @param fate the last one; null for a block that was only just booked
 * @param orphanDepth blocks that the other chain must have above the block's height
 * @returns null when nothing changes
 */
export function nextFate(
  fate: Fate | null,
  block: { readonly hash: BlockHash; readonly height: number },
  { tipHeight, hashThere }: ChainSight,
  orphanDepth: number,
): Fate | null {
  const isThere = hashThere === block.hash
  const above = tipHeight - block.height
  switch (fate) {
    case null:
      return 'found'
    case 'found':
      if (isThere) return above + 1 >= MATURE_CONFIRMATIONS ? 'mature' : null
      return hashThere !== null && above >= orphanDepth ? 'orphaned' : null
    case 'orphaned':
      return isThere ? 'found' : null
    case 'mature':
      return null
    default:
      return unreachable(fate)
  }
}
