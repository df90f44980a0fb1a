/** Hashes remembered at one height; then the height's are forgotten and the database decides. */
const HASHES_PER_HEIGHT_MAX = 2_000_000
/** Heights remembered: those that a job still in reach can have. The lowest goes first. */
const HEIGHTS_MAX = 8

/**
 * Which shares were seen, by the hash of their header, whoever sent them: the first gate against
 * crediting one twice. The database's key is the second, so what is forgotten here is still caught.
 */
export type Duplicates = {
  /** @returns false when it was there already */
  readonly add: (height: number, hashHex: string) => boolean
  /** For a share that could not be stored: it may be sent again. */
  readonly remove: (height: number, hashHex: string) => void
}

export function createDuplicates(): Duplicates {
  const heights = new Map<number, Set<string>>()

  function seenAt(height: number): Set<string> {
    const known = heights.get(height)
    if (known) return known
    const seen = new Set<string>()
    heights.set(height, seen)
    if (heights.size > HEIGHTS_MAX) heights.delete(Math.min(...heights.keys()))
    return seen
  }

  return {
    add(height, hashHex) {
      const seen = seenAt(height)
      if (seen.has(hashHex)) return false
      if (seen.size >= HASHES_PER_HEIGHT_MAX) seen.clear()
      seen.add(hashHex)
      return true
    },
    remove: (height, hashHex) => void heights.get(height)?.delete(hashHex),
  }
}
