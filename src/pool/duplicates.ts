import { createHashSet, type HashSet } from './hash-set.ts'

/** Hashes remembered at one height; then the height's are forgotten and the database decides. */
const HASHES_PER_HEIGHT_MAX = 2_000_000
/** Heights remembered: those that a job still in reach can have. The lowest goes first. */
const HEIGHTS_MAX = 8

/**
 * Which shares were seen, by the hash of their header (32 bytes, display order), whoever sent them:
 * the first gate against crediting one twice. The database's key is the second, so what is
 * forgotten here is still caught.
 */
export type Duplicates = {
  /** @returns false when it was there already */
  readonly add: (height: number, hash: Uint8Array) => boolean
  /** For a share that could not be stored: it may be sent again. */
  readonly remove: (height: number, hash: Uint8Array) => void
}

export function createDuplicates(): Duplicates {
  const heights = new Map<number, HashSet>()

  function seenAt(height: number): HashSet {
    const known = heights.get(height)
    if (known) return known
    const seen = createHashSet()
    heights.set(height, seen)
    if (heights.size > HEIGHTS_MAX) heights.delete(Math.min(...heights.keys()))
    return seen
  }

  return {
    add(height, hash) {
      const seen = seenAt(height)
      if (seen.size() < HASHES_PER_HEIGHT_MAX) return seen.add(hash)
      if (seen.has(hash)) return false
      seen.clear()
      return seen.add(hash)
    },
    remove: (height, hash) => heights.get(height)?.remove(hash),
  }
}
