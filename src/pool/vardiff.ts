import type { UnixMs } from '../lib/ids.ts'

/** Difficulties outside of this are no miner's: 2^-32 is two hashes a share, 2^64 beyond mainnet. */
export const DIFFICULTY_LOG2_MIN = -32
export const DIFFICULTY_LOG2_MAX = 64

/** A faster miner shows within this many shares; fewer are chance. */
const RISE_SHARES_MIN = 16
/** A slower miner shows once this many shares were due; fewer are chance. */
const FALL_SHARES_DUE_MIN = 24
/** So many shares due and none found: e^-8 by chance alone, so the difficulty is far too high. */
const SILENCE_SHARES_DUE = 8
/** How much falls at once on silence. */
const SILENCE_FALL = 2
/** A miner that was right for so long is looked at afresh, so that a change shows soon. */
const WINDOW_SHARES_DUE_MAX = 96

/** What a port (or a miner's wish) sets. Difficulties are powers of two, given by their exponent. */
export type VardiffRule = {
  readonly minLog2: number
  readonly maxLog2: number
  readonly startLog2: number
  /** Between two shares of a miner, on average. */
  readonly secondsPerShare: number
}

/** Shares at the difficulty now in force, since it came into force or was last judged right. */
export type Vardiff = { readonly sinceMs: UnixMs; readonly shares: number }

export function startVardiff(now: UnixMs): Vardiff {
  return { sinceMs: now, shares: 0 }
}

export function countShare(vardiff: Vardiff): Vardiff {
  return { ...vardiff, shares: vardiff.shares + 1 }
}

/**
 * Judges a miner's pace. Driven by a timer and not by shares, since a difficulty that is too high
 * brings no share that could lower it. Within a factor of two of the wished pace nothing changes,
 * which is the hysteresis: a step of two never lands outside of that band again.
 *
 * @returns the exponent that fits, within the rule, and the window to go on with: a new one when
 *   the exponent changed or the old one was long enough
 */
export function judgePace(
  vardiff: Vardiff,
  currentLog2: number,
  rule: VardiffRule,
  now: UnixMs,
): { readonly vardiff: Vardiff; readonly log2: number } {
  const due = Math.max(now - vardiff.sinceMs, 1000) / 1000 / rule.secondsPerShare
  const log2 = clampLog2(currentLog2 + changeOf(vardiff.shares, due), rule)
  const judged = log2 !== currentLog2 || due >= WINDOW_SHARES_DUE_MAX
  return { vardiff: judged ? startVardiff(now) : vardiff, log2 }
}

function changeOf(shares: number, due: number): number {
  if (shares === 0) return due >= SILENCE_SHARES_DUE ? -SILENCE_FALL : 0
  const pace = shares / due
  if (pace >= 2 && shares >= RISE_SHARES_MIN) return Math.floor(Math.log2(pace))
  if (pace <= 0.5 && due >= FALL_SHARES_DUE_MIN) return Math.ceil(Math.log2(pace))
  return 0
}

export function clampLog2(log2: number, rule: VardiffRule): number {
  return Math.min(Math.max(log2, rule.minLog2), rule.maxLog2)
}

/** A wish is met by up to so much more; markets take a difficulty for theirs within a half of it. */
const WISH_EXCEEDED_MAX = 1.5

/**
 * A wish for a difficulty, rounded up to a power of two, or down where that would be more than half
 * again as hard.
 *
 * @returns its exponent, within the range above; null for what is no positive number
 */
export function log2Near(difficulty: number): number | null {
  const log2 = log2AtLeast(difficulty)
  if (log2 === null || log2 === DIFFICULTY_LOG2_MIN) return log2
  return 2 ** log2 > difficulty * WISH_EXCEEDED_MAX ? log2 - 1 : log2
}

/**
 * A least difficulty rounded up to a power of two, so that what we enforce is never easier than asked.
 *
 * @param difficulty as miners write it: 1 is a target of 0xffff · 2^208
 * @returns the smallest k with 2^k ≥ difficulty, within the range above; null for what is no
 *   positive number
 */
export function log2AtLeast(difficulty: number): number | null {
  if (!(difficulty > 0)) return null
  let log2 = DIFFICULTY_LOG2_MIN
  while (log2 < DIFFICULTY_LOG2_MAX && 2 ** log2 < difficulty) log2++
  return log2
}
