import type { UnixMs } from './ids.ts'
import { unixMs } from './ids.ts'

/** Reads the time. Code takes one as a parameter, so that a test decides what time it is. */
export type Clock = { readonly now: () => UnixMs }

/** The machine's own clock. Only entry points make one; all else is handed it. */
export const systemClock: Clock = { now: () => unixMs(Date.now()) }
