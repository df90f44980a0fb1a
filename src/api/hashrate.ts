import type { RecentWork } from '../pool/index.ts'

/** Hash rates that stand for now come from the epochs closed within this. */
export const HASHRATE_WINDOW_MS = 3_600_000

/** Expected hashes per second, floored. */
export function hashesPerSecond(work: bigint, durationMs: number): bigint {
  return durationMs > 0 ? (work * 1000n) / BigInt(durationMs) : 0n
}

/** Null where nothing was closed of late. */
export function hashrateOf(recent: RecentWork | null) {
  if (recent === null || recent.durationMs <= 0) return null
  return {
    hashesPerSecond: hashesPerSecond(recent.work, recent.durationMs).toString(),
    overMs: recent.durationMs,
  }
}
