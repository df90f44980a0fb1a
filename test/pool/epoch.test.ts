import fc from 'fast-check'
import { expect, test } from 'vitest'
import { epochId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import {
  closingTime,
  type EpochSigns,
  type OpenEpoch,
  reasonToClose,
} from '../../src/pool/epoch.ts'

const terms = { blockTarget: 1000n, subsidy: sats(50n) }
const epoch: OpenEpoch = { ...terms, id: epochId(1n), openedAt: unixMs(10_000) }
const quiet: EpochSigns = { now: unixMs(10_500), lengthMs: 1000, blocks: 0, terms }

const CASES: readonly (readonly [string, Partial<EpochSigns>, ReturnType<typeof reasonToClose>])[] =
  [
    ['nothing happened', {}, null],
    ['its time is almost up', { now: unixMs(10_999) }, null],
    ['its time is up', { now: unixMs(11_000) }, 'time'],
    ['the clock went back', { now: unixMs(1) }, null],
    ['a block of ours belongs to it', { blocks: 1 }, 'block'],
    ['the target fell', { terms: { ...terms, blockTarget: 999n } }, 'target'],
    ['the target rose', { terms: { ...terms, blockTarget: 1001n } }, 'target'],
    ['the subsidy halved', { terms: { ...terms, subsidy: sats(25n) } }, 'subsidy'],
    ['the node does not say', { terms: null }, null],
    ['its time is up and the node does not say', { now: unixMs(20_000), terms: null }, 'time'],
    [
      'everything happened at once',
      { now: unixMs(20_000), blocks: 2, terms: { blockTarget: 1n, subsidy: sats(1n) } },
      'block',
    ],
    ['target and subsidy changed', { terms: { blockTarget: 1n, subsidy: sats(1n) } }, 'target'],
  ]
for (const [what, change, reason] of CASES)
  test(`an epoch ${reason === null ? 'stays open' : `closes by ${reason}`} when ${what}`, () =>
    expect(reasonToClose(epoch, { ...quiet, ...change })).toBe(reason))

test('an epoch never closes before it opened', () =>
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (openedAt, now) => {
      const closed = closingTime({ ...epoch, openedAt: unixMs(openedAt) }, unixMs(now))
      expect(closed).toBe(Math.max(openedAt, now))
    }),
  ))
