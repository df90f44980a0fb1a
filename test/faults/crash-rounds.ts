import { expect, test } from 'vitest'
import type { Blow, Boundary } from './boundary.ts'
import { chance, strikeAt } from './campaign.ts'
import type { Stage } from './stage.ts'

/** Another order of amounts for another seed; `./sidepool bench faults` repeats each many times. */
const next = chance(20_261_121)
/** Longer than the steps that a round waits for, so that it says itself what is late. */
const ROUND_MS_MAX = 600_000

/** A test for each boundary, which strikes there once. */
export function testStrikes(
  stage: () => Stage,
  blow: Blow,
  boundaries: readonly Boundary[],
  title: (name: string) => string,
): void {
  for (const boundary of boundaries)
    test(
      title(boundary.name),
      async () => {
        expect((await strikeAt(stage(), boundary, blow, next)).complaints).toEqual([])
      },
      ROUND_MS_MAX,
    )
}
