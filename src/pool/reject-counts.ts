import type { RejectRow } from './group-store.ts'

/** Counters between two flushes; a reject for one more is not counted. */
const KEYS_MAX = 10_000

/** Refused shares by session, worker and reason, until they are written. */
export type RejectCounts = {
  readonly add: (reject: RejectRow) => void
  /** All that was counted; it begins again from nothing. */
  readonly takeAll: () => readonly RejectRow[]
  readonly isEmpty: () => boolean
}

export function createRejectCounts(): RejectCounts {
  let counts = new Map<string, RejectRow>()
  return {
    add(reject) {
      const key = `${reject.sessionId} ${reject.workerId} ${reject.reason}`
      const known = counts.get(key)
      if (known) counts.set(key, { ...known, count: known.count + reject.count })
      else if (counts.size < KEYS_MAX) counts.set(key, reject)
    },
    takeAll() {
      const rows = [...counts.values()]
      counts = new Map()
      return rows
    },
    isEmpty: () => counts.size === 0,
  }
}
