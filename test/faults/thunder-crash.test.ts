import { afterAll, beforeAll, expect, test } from 'vitest'
import { chance } from './campaign.ts'
import { THUNDER_BOUNDARIES } from './thunder-boundaries.ts'
import { complaintsOnThunder, strikeThunder } from './thunder-rounds.ts'
import { openThunderStage, type ThunderMiner, type ThunderStage } from './thunder-stage.ts'

const next = chance(20_261_201)
const ROUND_MS_MAX = 210_000

let stage: ThunderStage
beforeAll(async () => {
  stage = await openThunderStage()
}, ROUND_MS_MAX)
afterAll(() => stage?.remove())

const paid: ThunderMiner[] = []

test.each(THUNDER_BOUNDARIES.map(boundary => [boundary.name, boundary] as const))(
  'a payouts process killed at "%s" pays once after all',
  async (_name, boundary) => {
    const { miner, complaints } = await strikeThunder(stage, boundary, 'kill', next)
    paid.push(miner)
    expect(complaints).toEqual([])
  },
  ROUND_MS_MAX,
)

/** Where an answer is lost, or a commit whose outcome nobody heard, the process lives on. */
test.each(
  THUNDER_BOUNDARIES.filter(({ name }) =>
    /(store|send|settle).*(answered|committed)$/.test(name),
  ).map(boundary => [boundary.name, boundary] as const),
)(
  'a payouts process cut off at "%s" pays once after all',
  async (_name, boundary) => {
    const { miner, complaints } = await strikeThunder(stage, boundary, 'cut', next)
    paid.push(miner)
    expect(complaints).toEqual([])
  },
  ROUND_MS_MAX,
)

test('and in the end everybody has been paid once', async () => {
  expect(await complaintsOnThunder(stage, paid)).toEqual([])
})
