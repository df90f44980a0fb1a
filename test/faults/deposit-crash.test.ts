import { afterAll, beforeAll, expect, test } from 'vitest'
import { chance } from './campaign.ts'
import { DEPOSIT_BOUNDARIES } from './deposit-boundaries.ts'
import { strikeDeposit } from './deposit-rounds.ts'
import { type DepositStage, openDepositStage } from './deposit-stage.ts'

const next = chance(20_261_130)
const ROUND_MS_MAX = 210_000
let stage: DepositStage
beforeAll(async () => {
  stage = await openDepositStage()
}, ROUND_MS_MAX)
afterAll(() => stage?.remove())

test.each(DEPOSIT_BOUNDARIES.map(boundary => [boundary.name, boundary] as const))(
  'a payouts process killed at "%s" brings the money to Thunder once',
  async (_name, boundary) => {
    expect(await strikeDeposit(stage, boundary, 'kill', next)).toEqual([])
  },
  ROUND_MS_MAX,
)
