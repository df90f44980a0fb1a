import { assert } from '../lib/assert.ts'

/** A set of 32-byte hashes; nothing of a hash is kept but its bytes, in a few large arrays. */
export type HashSet = {
  /** @returns false when it was there already */
  readonly add: (hash: Uint8Array) => boolean
  readonly has: (hash: Uint8Array) => boolean
  readonly remove: (hash: Uint8Array) => void
  readonly clear: () => void
  readonly size: () => number
}

/** Each grows by itself, so that no growth of a large set ever stops the event loop for long. */
const SHELVES = 256
const HASH_WORDS = 8
const SLOTS_AT_FIRST = 16

const EMPTY = 0
const USED = 1
/** A search goes on behind it. */
const REMOVED = 2

/** Open addressing: a hash is in its slot, or in one of those behind it before an empty one. */
type Shelf = {
  readonly words: Uint32Array
  readonly states: Uint8Array
  /** Slots that are not empty. */
  taken: number
}

/**
 * Shelf and slot follow from the last 5 bytes of the hash in display order, which a target leaves
 * free. To crowd some slots a miner would have to throw nearly all of its shares away.
 */
export function createHashSet(): HashSet {
  const shelves: Shelf[] = []
  const wanted = new Uint32Array(HASH_WORDS)
  let size = 0
  clear()

  function clear(): void {
    for (let i = 0; i < SHELVES; i++) shelves[i] = emptyShelf(SLOTS_AT_FIRST)
    size = 0
  }

  /** Puts the hash's words into `wanted`, the last bytes first, and finds its shelf. */
  function open(hash: Uint8Array): Shelf {
    for (let i = 0; i < HASH_WORDS; i++) wanted[i] = wordAt(hash, 4 * (HASH_WORDS - 1 - i))
    const shelf = shelves[shelfIndex(hash)]
    assert(shelf !== undefined, 'there is a shelf for each byte')
    return shelf
  }

  return {
    add(hash) {
      const shelf = open(hash)
      const slot = find(shelf, wanted)
      if (shelf.states[slot] === USED) return false
      put(shelf, slot, wanted)
      size += 1
      if (4 * shelf.taken > 3 * shelf.states.length) shelves[shelfIndex(hash)] = rebuilt(shelf)
      return true
    },
    has(hash) {
      const shelf = open(hash)
      return shelf.states[find(shelf, wanted)] === USED
    },
    remove(hash) {
      const shelf = open(hash)
      const slot = find(shelf, wanted)
      if (shelf.states[slot] !== USED) return
      shelf.states[slot] = REMOVED
      size -= 1
    },
    clear,
    size: () => size,
  }
}

function shelfIndex(hash: Uint8Array): number {
  return hash[27] ?? 0
}

function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16)
  return high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
}

function emptyShelf(slots: number): Shelf {
  const words = new Uint32Array(slots * HASH_WORDS)
  return { words, states: new Uint8Array(slots), taken: 0 }
}

/** The slot that has the hash, or the empty one where it belongs. */
function find({ words, states }: Shelf, wanted: Uint32Array): number {
  const mask = states.length - 1
  let slot = (wanted[0] ?? 0) & mask
  while (states[slot] !== EMPTY && !(states[slot] === USED && holds(words, slot, wanted)))
    slot = (slot + 1) & mask
  return slot
}

function holds(words: Uint32Array, slot: number, wanted: Uint32Array): boolean {
  for (let i = 0; i < HASH_WORDS; i++) if (words[slot * HASH_WORDS + i] !== wanted[i]) return false
  return true
}

function put(shelf: Shelf, slot: number, hash: Uint32Array): void {
  shelf.words.set(hash, slot * HASH_WORDS)
  shelf.states[slot] = USED
  shelf.taken += 1
}

/** Without what was removed, and larger if that leaves it half full. */
function rebuilt({ words, states }: Shelf): Shelf {
  const used = states.reduce((count, state) => count + (state === USED ? 1 : 0), 0)
  const next = emptyShelf(2 * used > states.length ? 2 * states.length : states.length)
  for (let slot = 0; slot < states.length; slot++) {
    if (states[slot] !== USED) continue
    const hash = words.subarray(slot * HASH_WORDS, (slot + 1) * HASH_WORDS)
    put(next, find(next, hash), hash)
  }
  return next
}
