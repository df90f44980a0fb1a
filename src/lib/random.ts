import { randomBytes } from 'node:crypto'

/** A source of unpredictable bytes. Code takes one as a parameter; tests seed it. */
export type Random = { readonly bytes: (count: number) => Uint8Array }

/** The operating system's generator. Only entry points make one; all else is handed it. */
export const systemRandom: Random = { bytes: count => new Uint8Array(randomBytes(count)) }
