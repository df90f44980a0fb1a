import type { UnixMs } from './ids.ts'
import { unixMs } from './ids.ts'

/** Reads the time. Code takes one as a parameter, so that a test decides what time it is. */
export type Clock = { readonly now: () => UnixMs }

/** The machine's own clock. Only entry points make one; all else is handed it. */
export const systemClock: Clock = { now: () => unixMs(Date.now()) }

/**
 * The machine's time when it was made, carried on by a count that nobody sets: turning the
 * machine's clock moves it neither way, and only the network's slow corrections reach it. It stands
 * still while the machine sleeps.
 *
 * Source: clock_gettime(2), CLOCK_MONOTONIC.
 */
export function steadyClock(): Clock {
  const start = Date.now() - performance.now()
  return { now: () => unixMs(Math.floor(start + performance.now())) }
}
