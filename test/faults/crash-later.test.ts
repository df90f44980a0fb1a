import { afterAll, beforeAll } from 'vitest'
import { testStrikes } from './crash-rounds.ts'
import { L1_BOUNDARIES } from './l1-boundaries.ts'
import { openStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.remove())

const named = (names: RegExp) => L1_BOUNDARIES.filter(({ name }) => names.test(name))

testStrikes(
  () => stage,
  'kill',
  L1_BOUNDARIES.filter(({ phase }) => phase !== 'pay'),
  name => `a process killed at "${name}" leaves one payment`,
)

/** The job that died with its process is still marked as running, the second time again. */
testStrikes(
  () => stage,
  'kill, queue kept',
  named(/^(sign|send), answered$/),
  name => `a job that died at "${name}", still in its queue, is taken up again`,
)

/** In the middle of a transaction, and between its commit and the answer. */
testStrikes(
  () => stage,
  'kill database',
  named(/^(store.*committing|settle.*committed)$/),
  name => `a payment whose database is killed at "${name}" is made once`,
)
