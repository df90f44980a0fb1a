import { afterAll, beforeAll, expect, test } from 'vitest'
import { chance, strikeAt } from './campaign.ts'
import { L1_BOUNDARIES } from './l1-boundaries.ts'
import { openStage, type Stage } from './stage.ts'

/** Another order of amounts for another seed; `./sidepool bench faults` repeats each many times. */
const next = chance(20_261_121)
/** Longer than the two steps that a round waits for, so that it says itself what is late. */
const ROUND_MS_MAX = 150_000
let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.remove())

for (const boundary of L1_BOUNDARIES) {
  test(
    `a payouts process killed at "${boundary.name}" pays once after all`,
    async () => {
      expect((await strikeAt(stage, boundary, 'kill', next)).complaints).toEqual([])
    },
    ROUND_MS_MAX,
  )
}

/** Where an answer is lost, or a commit whose outcome nobody heard, the process lives on. */
const LOST = L1_BOUNDARIES.filter(({ name }) =>
  /^(plan|store|send|settle)\b.*(answered|committed)$/.test(name),
)
for (const boundary of LOST) {
  test(
    `a payouts process cut off at "${boundary.name}" pays once after all`,
    async () => {
      expect((await strikeAt(stage, boundary, 'cut', next)).complaints).toEqual([])
    },
    ROUND_MS_MAX,
  )
}

/** In the middle of a transaction, and between its commit and the answer. */
const IN_TRANSACTION = L1_BOUNDARIES.filter(({ name }) =>
  /^(store.*committing|settle.*committed)$/.test(name),
)
for (const boundary of IN_TRANSACTION) {
  test(
    `a payment whose database is killed at "${boundary.name}" is made once`,
    async () => {
      expect((await strikeAt(stage, boundary, 'kill database', next)).complaints).toEqual([])
    },
    ROUND_MS_MAX,
  )
}
