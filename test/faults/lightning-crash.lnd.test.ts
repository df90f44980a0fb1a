import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeOnLnd, LND_WAIT_MS } from '../support/lnd.ts'
import { lndOfTheRun } from '../support/lnd-of-the-run.ts'
import { chance } from './campaign.ts'
import { LIGHTNING_BOUNDARIES } from './lightning-boundaries.ts'
import { complaintsOnLightning, strikeAsLndSends, strikeLightning } from './lightning-rounds.ts'
import { type LightningMiner, type LightningStage, openLightningStage } from './lightning-stage.ts'

const next = chance(20_261_130)
/** A payment that lnd loses takes minutes of its own. */
const ROUND_MS_MAX = 1_200_000

describeOnLnd('payouts over real lnd nodes, with one of three killed', () => {
  let stage: LightningStage
  beforeAll(async () => {
    stage = await openLightningStage(await lndOfTheRun())
  }, LND_WAIT_MS)
  afterAll(() => stage?.remove(), ROUND_MS_MAX)

  const paid: LightningMiner[] = []
  const named = LIGHTNING_BOUNDARIES.map(boundary => [boundary.name, boundary] as const)

  test.each(named)(
    'a kill at "%s" leaves one payment after all',
    async (_name, boundary) => {
      const { miner, complaints } = await strikeLightning(stage, boundary, 'kill', next)
      paid.push(miner)
      expect(complaints).toEqual([])
    },
    ROUND_MS_MAX,
  )

  /** Where an answer is lost, or a commit whose outcome nobody heard, the process lives on. */
  test.each(
    named.filter(
      ([name, { victim }]) =>
        victim === 'payouts' && /(call|store|book|end|ask).*(answered|committed)$/.test(name),
    ),
  )(
    'a payouts process cut off at "%s" leaves one payment after all',
    async (_name, boundary) => {
      const { miner, complaints } = await strikeLightning(stage, boundary, 'cut', next)
      paid.push(miner)
      expect(complaints).toEqual([])
    },
    ROUND_MS_MAX,
  )

  test(
    'what lnd lost as it sent it is paid once, after its time and a start of lnd',
    async () => {
      const { miner, complaints } = await strikeAsLndSends(stage, next)
      paid.push(miner)
      expect(complaints).toEqual([])
    },
    ROUND_MS_MAX,
  )

  test(
    'and in the end everybody has been paid once',
    async () => {
      expect(await complaintsOnLightning(stage, paid)).toEqual([])
    },
    ROUND_MS_MAX,
  )
})
