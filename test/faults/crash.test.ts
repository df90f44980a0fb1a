import { afterAll, beforeAll } from 'vitest'
import { testStrikes } from './crash-rounds.ts'
import { L1_BOUNDARIES } from './l1-boundaries.ts'
import { openStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.remove())

const paying = L1_BOUNDARIES.filter(({ phase }) => phase === 'pay')
const named = (names: RegExp) => paying.filter(({ name }) => names.test(name))

testStrikes(
  () => stage,
  'kill',
  paying,
  name => `a payouts process killed at "${name}" pays once after all`,
)

/** Where an answer is lost, or a commit whose outcome nobody heard, the process lives on. */
testStrikes(
  () => stage,
  'cut',
  named(/^(plan|store|send|settle)\b.*(answered|committed)$/),
  name => `a payouts process cut off at "${name}" pays once after all`,
)
