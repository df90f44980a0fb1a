import { takeMask } from './cgminer.ts'
import type { Firmware } from './firmware.ts'
import { FirmwareFailure, type Message } from './rig.ts'
import {
  demand,
  demandJob,
  demandTrue,
  nextMustAnswer,
  readSubscription,
  submitShare,
} from './steps.ts'

/** The market wants so much room for those who share what it rents out. */
const EXTRANONCE2_BYTES_MIN = 7

export const BOSMINER: Firmware = {
  name: 'bosminer',
  quirks: () => ({ hear: keepPipeline() }),
  steps: [
    {
      title: 'configures with a minimum of bits that is malformed',
      source: 'braiins/braiins #47',
      act: async rig => {
        await rig.connect()
        const wishes = {
          'version-rolling.mask': '1fffe000',
          'version-rolling.min-bit-count': '0x10',
        }
        rig.send(0, 'mining.configure', [['version-rolling'], wishes])
        const answer = await rig.answerTo(0)
        demand(Object(answer.result)['version-rolling'] === true, 'no version rolling')
        takeMask(rig, answer, Object.keys(Object(answer.result)))
      },
    },
    {
      title: 'subscribes and authorizes without asking for other extranonces',
      source: 'braiins/braiins #26',
      act: async rig => {
        rig.send(1, 'mining.subscribe', [
          'bosminer-plus-tuner/0.9.0',
          null,
          rig.target.host,
          '3333',
        ])
        readSubscription(rig, await rig.answerTo(1))
        rig.send(2, 'mining.authorize', [rig.target.user, rig.target.password])
        demandTrue(await rig.answerTo(2), 'the worker')
      },
    },
    {
      title: 'waits for a job that it has not had, since a repeat resets its pipeline',
      source: 'warioishere/blitzpool-server-rust e14f9fa',
      act: demandJob,
    },
    {
      title: 'submits a share with rolled version bits',
      source: 'braiins/braiins open/hardware-stratum',
      act: rig => submitShare(rig, { id: 3, rollsVersion: true }),
    },
  ],
}

function keepPipeline(): (message: Message) => void {
  let last = ''
  return ({ method, params }) => {
    if (method !== 'mining.notify') return
    const text = JSON.stringify(params)
    if (text === last) throw new FirmwareFailure('the same job twice: its pipeline is reset')
    last = text
  }
}

/** It buys from a pool only what passes this, without any worker. */
export const MARKET_PROBER: Firmware = {
  name: 'Braiins market prober',
  quirks: () => ({}),
  steps: [
    {
      title: 'subscribes with empty parameters',
      source: 'warioishere/blitzpool d32509b',
      act: async rig => {
        await rig.connect()
        rig.send(1, 'mining.subscribe', [])
        readSubscription(rig, await nextMustAnswer(rig, 1))
      },
    },
    {
      title: `wants an extranonce2 of at least ${EXTRANONCE2_BYTES_MIN} bytes`,
      source: 'warioishere/blitzpool d32509b',
      act: async rig => {
        const { extranonce2Bytes } = rig.state
        const isEnough = extranonce2Bytes >= EXTRANONCE2_BYTES_MIN
        demand(isEnough, `extranonce2 has ${extranonce2Bytes} bytes`)
      },
    },
    {
      title: 'wants difficulty and job directly, before it authorizes anybody',
      source: 'warioishere/blitzpool 0a14f8e, 123d375',
      act: async rig => {
        await demandJob(rig)
        demand(rig.state.isDifficultySaid, 'a job without a difficulty')
      },
    },
  ],
}
