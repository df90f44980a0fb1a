import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BlockHash, type UnixMs, unixMs } from '../lib/ids.ts'
import { hasBlock } from './block-store.ts'
import type { ChainNode } from './chain-source.ts'
import { readOurLayout } from './recovery.ts'
import { bookRecovered } from './recovery-store.ts'
import { markChecked, readUnchecked } from './tip-store.ts'

/** Blocks looked at in one call; the rest waits for the next. */
const BLOCKS_PER_CALL = 100

/**
 * Looks at each block of the main chain once, and books those of ours that are in no record: a
 * crash came between the node's acceptance and our commit. Harmless when repeated.
 *
 * @param graceMs how long whoever found a block has to book it; only then is it looked at
 * @returns the hashes that were booked now
 */
export async function recoverBlocks(
  db: Kysely<Database>,
  node: Pick<ChainNode, 'getBlock'>,
  options: { readonly payScript: Uint8Array; readonly graceMs: number; readonly now: UnixMs },
): Promise<readonly BlockHash[]> {
  const { payScript, graceMs, now } = options
  const booked: BlockHash[] = []
  const seenUntil = unixMs(Math.max(0, now - graceMs))
  for (const place of await readUnchecked(db, seenUntil, BLOCKS_PER_CALL)) {
    if (!(await hasBlock(db, place.hash))) {
      const bytes = await node.getBlock(place.hash)
      // Reorganised away or pruned just now; what replaces it in `tips` will be looked at.
      if (bytes === null) break
      const block = readOurLayout(bytes, payScript)
      const outcome = block === null ? 'not ours' : await bookRecovered(db, block)
      if (outcome === 'no open epoch') break
      if (outcome === 'booked') booked.push(place.hash)
    }
    await markChecked(db, place, now)
  }
  return booked
}
