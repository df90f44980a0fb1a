import type { Firmware } from './firmware.ts'
import { FirmwareFailure } from './rig.ts'
import {
  demand,
  demandJob,
  demandTrue,
  nextMustAnswer,
  readSubscription,
  submitShare,
} from './steps.ts'

const AGENT = 'cpuminer/2.5.1'
const EXTRANONCE2_BYTES_MAX = 100

/** pooler's cpuminer: no configure, no version rolling, and the strictest reader of all. */
export const MINERD: Firmware = {
  name: 'minerd',
  quirks: () => ({}),
  steps: [
    {
      title: 'subscribes with id 1, and takes the next line for the answer',
      source: 'pooler/cpuminer util.c, stratum_subscribe',
      act: async rig => {
        await rig.connect()
        rig.send(1, 'mining.subscribe', [AGENT])
        readSubscription(rig, await nextMustAnswer(rig, 1))
        const { extranonce2Bytes } = rig.state
        const isUsable = extranonce2Bytes >= 1 && extranonce2Bytes <= EXTRANONCE2_BYTES_MAX
        demand(isUsable, 'invalid extranonce2 size')
      },
    },
    {
      title: 'authorizes with id 2, and reads methods until the answer',
      source: 'pooler/cpuminer util.c, stratum_authorize',
      act: async rig => {
        rig.send(2, 'mining.authorize', [rig.target.user, rig.target.password])
        demandTrue(await rig.answerTo(2), 'the worker')
      },
    },
    {
      title: 'waits for a job, at difficulty 1 where none was said',
      source: 'pooler/cpuminer util.c, stratum_notify',
      act: demandJob,
    },
    {
      title: 'submits with id 4, always, and takes a result with an id for the share’s',
      source: 'pooler/cpuminer cpu-miner.c, submit_upstream_work',
      act: rig => submitShare(rig, { id: 4 }),
    },
    {
      title: 'comes back with its session’s name as the second parameter',
      source: 'pooler/cpuminer util.c, stratum_subscribe',
      act: async rig => {
        const { sessionId } = rig.state
        await rig.connect()
        rig.send(1, 'mining.subscribe', [AGENT, sessionId])
        readSubscription(rig, await nextMustAnswer(rig, 1))
      },
    },
    {
      title: 'tries again with empty parameters where the pool refused those',
      source: 'pooler/cpuminer util.c, stratum_subscribe',
      act: async rig => {
        await rig.connect()
        rig.send(1, 'mining.subscribe', [])
        const answer = await nextMustAnswer(rig, 1)
        if (answer.result === null) throw new FirmwareFailure('a subscribe without a name fails')
        readSubscription(rig, answer)
      },
    },
  ],
}
