/**
 * States what only a bug of ours could break. Bad input is never asserted: it is a return value.
 *
 * @throws Error naming the broken condition; it ends the request, session or job that met it
 */
export function assert(condition: unknown, mustBeTrue: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${mustBeTrue}`)
}

/** Ends a `switch` over a union: a new case is a compile error wherever it must be thought about. */
export function unreachable(value: never): never {
  throw new Error(`unreachable case: ${JSON.stringify(value)}`)
}
