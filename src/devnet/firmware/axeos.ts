import { takeMask } from './cgminer.ts'
import type { Firmware, Step } from './firmware.ts'
import { FirmwareFailure, type Message, type Rig } from './rig.ts'
import { demand, demandJob, demandTrue, readSubscription, submitShare } from './steps.ts'

const BRANCHES_MAX = 32
const EXTRANONCE2_BYTES_MAX = 32
/** It remembers so many job ids, and drops a job whose id it has. */
const JOB_IDS_KEPT = 16

const PROTOCOL = 'bitaxeorg/ESP-Miner components/stratum/stratum_api.c'

/** The three requests go out in one write; answers may come in any order. */
function openStep(agent: string): Step {
  return {
    title: 'configures, subscribes and authorizes in one breath, ids 1 to 3',
    source: PROTOCOL,
    act: async rig => {
      await rig.connect()
      const rolling = { 'version-rolling.mask': 'ffffffff' }
      rig.send(1, 'mining.configure', [['version-rolling'], rolling])
      rig.send(2, 'mining.subscribe', [agent])
      rig.send(3, 'mining.authorize', [rig.target.user, rig.target.password])
      const open = new Set<unknown>([1, 2, 3])
      while (open.size > 0) {
        const message = await rig.next()
        if (message.method !== undefined) continue
        if (message.id === 1) takeMask(rig, message, Object.keys(Object(message.result)))
        if (message.id === 2) readSubscription(rig, message)
        if (message.id === 3) demandTrue(message, 'the worker')
        open.delete(message.id)
      }
      const { extranonce2Bytes } = rig.state
      demand(extranonce2Bytes <= EXTRANONCE2_BYTES_MAX, 'extranonce2 is too long')
    },
  }
}

const jobStep: Step = {
  title: 'waits for a job of at most 32 branches',
  source: PROTOCOL,
  act: async rig => {
    await demandJob(rig)
    const branches = rig.state.job?.work.branches.length ?? 0
    demand(branches <= BRANCHES_MAX, `a job of ${branches} branches`)
  },
}

const suggestStep: Step = {
  title: 'wishes a difficulty of 1000 once it is authorized',
  source: 'bitaxeorg/ESP-Miner main/tasks/stratum_task.c',
  act: async rig => {
    rig.send(4, 'mining.suggest_difficulty', [1000])
    const answer = await rig.answerTo(4)
    demand(answer.result !== undefined, 'an answer without a result')
  },
}

const submitStep: Step = {
  title: 'submits six parameters, the version bits last',
  source: PROTOCOL,
  act: rig => submitShare(rig, { id: 5, rollsVersion: true }),
}

export const AXEOS: Firmware = {
  name: 'AxeOS',
  quirks: () => ({ hear: demandNewJobs() }),
  steps: [
    openStep('bitaxe/BM1370/v2.9.0'),
    jobStep,
    suggestStep,
    {
      title: 'subscribes to extranonces where its owner wants that',
      source: PROTOCOL,
      act: async rig => {
        rig.send(6, 'mining.extranonce.subscribe', [])
        await rig.answerTo(6)
      },
    },
    submitStep,
  ],
}

export const AXEOS_OLD: Firmware = {
  name: 'AxeOS, old',
  quirks: () => ({
    hear: (message, rig) => {
      crashOnEarlyMask(message, rig)
      crashWithoutError(message)
      loseLateDifficulty(message, rig)
    },
  }),
  steps: [openStep('bitaxe/BM1366/v2.0.5'), jobStep, suggestStep, submitStep],
}

/** Source: bitaxeorg/ESP-Miner #1587, #1731: a repeat makes it mine the same work once more. */
function demandNewJobs(): (message: Message) => void {
  const kept: unknown[] = []
  return ({ method, params }) => {
    if (method !== 'mining.notify' || !Array.isArray(params)) return
    const [jobId, ...content] = params
    const text = JSON.stringify(content.slice(0, 7))
    if (kept.includes(jobId) || kept.includes(text))
      throw new FirmwareFailure('the same job twice: its shares are duplicates')
    kept.push(jobId, text)
    kept.splice(0, kept.length - 2 * JOB_IDS_KEPT)
  }
}

/** Source: bitaxeorg/ESP-Miner #80. */
function crashOnEarlyMask({ method }: Message, rig: Rig): void {
  if (method === 'mining.set_version_mask' && !rig.state.isSubscribed)
    throw new FirmwareFailure('it crashes on a version mask before its subscribe result')
}

/** Source: bitaxeorg/ESP-Miner #916, #917. */
function crashWithoutError({ method, error }: Message): void {
  if (method === undefined && error === undefined)
    throw new FirmwareFailure('it crashes on a response without `error`')
}

/** Source: bitaxeorg/ESP-Miner #190. */
function loseLateDifficulty({ method }: Message, rig: Rig): void {
  if (method === 'mining.notify' && !rig.state.isDifficultySaid)
    throw new FirmwareFailure('a first job before its difficulty: it mines at another one')
}
