import type { Firmware, Step } from './firmware.ts'
import { FirmwareFailure, type Message, type Rig, StepSkipped } from './rig.ts'
import {
  coinbaseBytes,
  demand,
  demandJob,
  demandTrue,
  nextMustAnswer,
  readSubscription,
  submitShare,
} from './steps.ts'

/** What it knows of a configure result; others it reports as errors. */
const CONFIGURE_KEYS = ['version-rolling', 'version-rolling.mask']
/** Submits cut a longer one. Source: stratum-mining/stratum PR #501. */
const EXTRANONCE2_BYTES_MAX = 8

/** What one of cgminer's many children does of its own. */
export type CgminerOptions = {
  readonly name: string
  readonly agent: string
  /** Further steps, once there is a job. */
  readonly own: readonly Step[]
  /** What becomes of a name on the way to its memory. */
  readonly cutUser?: (user: string) => string
}

/** cgminer and what grew out of it: configure, subscribe, authorize, each waited for. */
export function cgminerLike({
  name,
  agent,
  own,
  cutUser = user => user,
}: CgminerOptions): Firmware {
  const user = (rig: Rig) => cutUser(rig.target.user)
  return {
    name,
    quirks: () => ({ hear: demandOneDifficultyEach() }),
    steps: [
      configureStep,
      {
        title: 'subscribes, and takes the next line for the answer',
        source: 'ckolivas/cgminer util.c, initiate_stratum',
        act: rig => subscribeAs(rig, [agent]),
      },
      {
        title: 'authorizes, and handles methods until the answer',
        source: 'ckolivas/cgminer util.c, auth_stratum',
        act: async rig => {
          rig.send(3, 'mining.authorize', [user(rig), rig.target.password])
          demandTrue(await rig.answerTo(3), 'the worker')
        },
      },
      {
        title: 'waits for a job',
        source: 'ckolivas/cgminer util.c, parse_notify',
        act: demandJob,
      },
      ...own,
      {
        title: 'submits a share with rolled version bits',
        source: 'ckolivas/cgminer cgminer.c, stratum_sthread',
        act: rig =>
          submitShare(rig, { id: 10, user: user(rig), rollsVersion: rig.state.versionMask !== 0 }),
      },
      {
        title: 'resumes its session after a break, and sends the share that was on its way',
        source: 'ckolivas/cgminer cgminer.c, stratum_resumed and stratum_sthread',
        act: rig => resumeWithShare(rig, agent, user(rig)),
      },
    ],
  }
}

const configureStep: Step = {
  title: 'configures version rolling by mask ffffffff, and waits for that line',
  source: 'ckolivas/cgminer util.c, stratum_configure',
  act: async rig => {
    await rig.connect()
    rig.send(1, 'mining.configure', [['version-rolling'], { 'version-rolling.mask': 'ffffffff' }])
    takeMask(rig, await nextMustAnswer(rig, 1), CONFIGURE_KEYS)
  },
}

/** @param known keys that the client knows */
export function takeMask(rig: Rig, { result }: Message, known: readonly string[]): void {
  const given = Object.entries(typeof result === 'object' && result !== null ? result : {})
  for (const [key] of given) demand(known.includes(key), `JSON-RPC unexpected key ${key}`)
  const mask = given.find(([key]) => key === 'version-rolling.mask')?.[1]
  rig.state.versionMask = typeof mask === 'string' ? Number.parseInt(mask, 16) : 0
}

async function subscribeAs(rig: Rig, params: readonly unknown[]): Promise<void> {
  rig.send(2, 'mining.subscribe', params)
  readSubscription(rig, await nextMustAnswer(rig, 2))
  const { extranonce2Bytes } = rig.state
  const isUsable = extranonce2Bytes >= 2 && extranonce2Bytes <= EXTRANONCE2_BYTES_MAX
  demand(isUsable, `it submits no extranonce2 of ${extranonce2Bytes} bytes`)
}

/** It remembers one difficulty a job: of two that are said before one job it may take either. */
function demandOneDifficultyEach(): (message: Message) => void {
  let waiting: string | null = null
  return ({ method, line }) => {
    if (method === 'mining.notify') waiting = null
    if (method !== 'mining.set_difficulty') return
    if (waiting !== null && waiting !== line)
      throw new FirmwareFailure('two difficulties before one job')
    waiting = line
  }
}

async function resumeWithShare(rig: Rig, agent: string, user: string): Promise<void> {
  const { sessionId, extranonce1, versionMask } = rig.state
  if (sessionId === null) throw new StepSkipped('the pool names no session')
  const found = await rig.findShare(versionMask)
  await rig.connect()
  rig.state.versionMask = versionMask
  rig.send(1, 'mining.configure', [['version-rolling'], { 'version-rolling.mask': 'ffffffff' }])
  await nextMustAnswer(rig, 1)
  await subscribeAs(rig, [agent, sessionId])
  rig.send(3, 'mining.authorize', [user, rig.target.password])
  demandTrue(await rig.answerTo(3), 'the worker')
  if (rig.state.extranonce1 !== extranonce1)
    throw new FirmwareFailure('another extranonce1 for the same session: its late shares are lost')
  if (found === null) throw new StepSkipped('no share was found to send again')
  rig.send(11, 'mining.submit', [user, ...found.params])
  demandTrue(await rig.answerTo(11), 'a share from before the break')
}

/** The whole coinbase must fit into what the firmware has for it. */
export function coinbaseStep(bytesMax: number, source: string): Step {
  return {
    title: `has ${bytesMax} bytes for the coinbase`,
    source,
    act: async rig => {
      await demandJob(rig)
      const bytes = coinbaseBytes(rig)
      demand(bytes <= bytesMax, `the coinbase has ${bytes} bytes`)
    },
  }
}

export const CGMINER = cgminerLike({
  name: 'cgminer',
  agent: 'cgminer/4.12.0',
  own: [
    {
      title: 'wishes a difficulty, and heeds no answer',
      source: 'ckolivas/cgminer util.c, suggest_difficulty',
      act: async rig => {
        rig.send(4, 'mining.suggest_difficulty', [rig.state.difficulty])
        await rig.answerTo(4)
      },
    },
  ],
})

export const ANTMINER = cgminerLike({
  name: 'Antminer, stock',
  agent: 'bmminer/2.0.0/Antminer S19/2023',
  own: [coinbaseStep(750, 'OCEAN-xyz/datum_gateway src/datum_stratum.h')],
})

export const WHATSMINER = cgminerLike({
  name: 'Whatsminer',
  agent: 'btminer/3.4.0',
  cutUser: user => user.slice(0, 127),
  own: [
    coinbaseStep(6500, 'OCEAN-xyz/datum_gateway src/datum_stratum.h'),
    {
      title: 'has room for 8 bytes of extranonce2, and no more',
      source: 'stratum-mining/stratum #1861',
      act: async rig => demand(rig.state.extranonce2Bytes <= 8, 'extranonce2 is too long'),
    },
  ],
})

/** Whatever the name was, the device sends 63 characters of it, in both places. */
export const AVALON = cgminerLike({
  name: 'Avalon',
  agent: 'cgminer/4.11.1',
  cutUser: user => `${user}${user.includes('.') ? '' : '.'}${'a'.repeat(63)}`.slice(0, 63),
  own: [],
})
