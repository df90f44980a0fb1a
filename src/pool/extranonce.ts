import { assert } from '../lib/assert.ts'
import { EXTRANONCE1_BYTES } from './coinbase.ts'

/** Sessions that one prefix serves; then the process leases another. */
const COUNTERS = 0x1_0000

/**
 * Hands out extranonce1: two bytes that the database leased to this process, then two that count.
 * So no two live sessions of any process share one, and a coinbase names its session.
 */
export type Extranonces = {
  /** Null when the prefix is used up (or none was leased yet). */
  readonly take: () => Uint8Array | null
  /** Starts again under another prefix. */
  readonly renew: (prefix: number) => void
}

export function createExtranonces(): Extranonces {
  let prefix = 0
  let next = COUNTERS
  return {
    take() {
      if (next === COUNTERS) return null
      const value = prefix * COUNTERS + next++
      const bytes = new Uint8Array(EXTRANONCE1_BYTES)
      new DataView(bytes.buffer).setUint32(0, value)
      return bytes
    },
    renew(leased) {
      assert(Number.isInteger(leased) && leased >= 0 && leased < 0x1_0000, 'a prefix has two bytes')
      prefix = leased
      next = 0
    },
  }
}
