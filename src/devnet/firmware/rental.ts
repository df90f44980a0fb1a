import { takeMask } from './cgminer.ts'
import type { Firmware } from './firmware.ts'
import { FirmwareFailure, type Message, type Rig } from './rig.ts'
import {
  coinbaseBytes,
  demand,
  demandJob,
  demandTrue,
  readSubscription,
  submitShare,
} from './steps.ts'

/** NiceHash's least share difficulty for SHA-256. */
const NICEHASH_DIFFICULTY_MIN = 500_000
const NICEHASH_COINBASE_BYTES_MAX = 500
/** It takes bytes of the extranonce2 for itself; what is left must serve a farm. */
const NICEHASH_EXTRANONCE2_BYTES_MIN = 5
/** MiningRigRentals takes a difficulty for its wish where it is within so much of it. */
const RENTAL_TOLERANCE = 0.5

export const NICEHASH: Firmware = {
  name: 'NiceHash',
  quirks: () => ({ hear: demandNullErrors }),
  steps: [
    {
      title: 'configures, subscribes and authorizes, and wants `error: null` where all is well',
      source: 'nicehash.com, stratum protocol page; oliverw/miningcore #436',
      act: async rig => {
        await rig.connect()
        rig.send(1, 'mining.configure', [
          ['version-rolling'],
          { 'version-rolling.mask': 'ffffffff' },
        ])
        const configured = await rig.answerTo(1)
        takeMask(rig, configured, Object.keys(Object(configured.result)))
        rig.send(2, 'mining.subscribe', ['NiceHash/1.0.0'])
        readSubscription(rig, await rig.answerTo(2))
        rig.send(3, 'mining.authorize', [rig.target.user, rig.target.password])
        demandTrue(await rig.answerTo(3), 'the worker')
      },
    },
    {
      title: 'subscribes to extranonces',
      source: 'nicehash.com, mining.extranonce.subscribe',
      act: async rig => {
        rig.send(4, 'mining.extranonce.subscribe', [])
        await rig.answerTo(4)
      },
    },
    {
      title: 'wants room in extranonce2 for itself',
      source: 'btccom/btcpool docs/NiceHash-Configurations.md',
      act: async rig => {
        const { extranonce2Bytes } = rig.state
        const isEnough = extranonce2Bytes >= NICEHASH_EXTRANONCE2_BYTES_MIN
        demand(isEnough, `extranonce2 has ${extranonce2Bytes} bytes`)
      },
    },
    {
      title: `wants a difficulty of at least ${NICEHASH_DIFFICULTY_MIN}`,
      source: 'OCEAN-xyz/datum_gateway src/datum_stratum.c',
      act: async rig => {
        await demandJob(rig)
        const difficulty = rig.state.job?.difficulty ?? 0
        demand(difficulty >= NICEHASH_DIFFICULTY_MIN, `the difficulty is ${difficulty}`)
      },
    },
    {
      title: `has ${NICEHASH_COINBASE_BYTES_MAX} bytes for the coinbase`,
      source: 'OCEAN-xyz/datum_gateway src/datum_stratum.h',
      act: async rig => {
        const bytes = coinbaseBytes(rig)
        demand(bytes <= NICEHASH_COINBASE_BYTES_MAX, `the coinbase has ${bytes} bytes`)
      },
    },
    {
      title: 'submits a share',
      source: 'nicehash.com, stratum protocol page',
      act: rig => submitShare(rig, { id: 5, rollsVersion: true }),
    },
  ],
}

function demandNullErrors({ method, error, result, line }: Message): void {
  if (method === undefined && error === undefined)
    throw new FirmwareFailure(`an answer without "error": ${line}`)
  if (method === undefined && result !== null && error !== null)
    throw new FirmwareFailure(`an answer with result and error: ${line}`)
}

/** A market has host, port, name and password to give, and nothing else. */
export const MINING_RIG_RENTALS: Firmware = {
  name: 'MiningRigRentals',
  quirks: () => ({}),
  steps: [
    {
      title: 'asks for a difficulty by `d=` in the password',
      source: 'OCEAN-xyz/datum_gateway PR #234',
      act: async rig => {
        // What the port begins with is seen first, since some have no work before a worker.
        await rentAs(rig, rig.target.password)
        await demandJob(rig)
        const wish = wishOf(rig.state.job?.difficulty ?? 1)
        await rentAs(rig, `d=${decimalText(wish)}`)
        const isMet = () => {
          const difficulty = rig.state.job?.difficulty ?? 0
          return Math.abs(difficulty - wish) <= wish * RENTAL_TOLERANCE
        }
        await rig.until(isMet, `a difficulty within half of ${wish}`)
      },
    },
    {
      title: 'submits a share at that difficulty',
      source: 'SChernykh/p2pool #322',
      act: rig => submitShare(rig, { id: 3 }),
    },
  ],
}

async function rentAs(rig: Rig, password: string): Promise<void> {
  await rig.connect()
  rig.send(1, 'mining.subscribe', ['cgminer/4.12.0'])
  readSubscription(rig, await rig.answerTo(1))
  rig.send(2, 'mining.authorize', [rig.target.user, password])
  demandTrue(await rig.answerTo(2), 'the worker')
}

/** A number that is no power of two: a pool that rounds must round well. */
function wishOf(difficulty: number): number {
  return difficulty * 2.2
}

function decimalText(value: number): string {
  return value.toFixed(20).replace(/\.?0+$/, '')
}
