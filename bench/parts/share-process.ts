import { monitorEventLoopDelay } from 'node:perf_hooks'
import { z } from 'zod'
import { unreachable } from '../../src/lib/assert.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import { createLog } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'
import { createPayees } from '../../src/payouts/index.ts'
import { startMining } from '../../src/pool/index.ts'
import { answerParent, settingsOf, sharedNowMs } from './child.ts'
import { FIRST_HEIGHT, templateAt } from './template.ts'

/** The stratum role with a made-up template in place of a node; everything else is the real one. */
const EASIEST_LOG2 = -32
const SHARE_WAIT_MS_MAX = 30_000

const settings = settingsOf(z.object({ databaseUrl: z.string() }))
const question = z.object({
  kind: z.enum(['port', 'new block', 'collect garbage', 'longest pause']),
})

const db = openDatabase(settings.databaseUrl)
const mining = await startMining({
  ports: [
    {
      ...{
        host: '127.0.0.1',
        port: 0,
        isShared: false,
        coinbasePays: 'pool' as const,
        scheme: 'pplns',
      },
      // Every hash but one in 2^16 meets it, so that the load needs to hash nothing.
      rule: {
        startLog2: EASIEST_LOG2,
        minLog2: EASIEST_LOG2,
        maxLog2: EASIEST_LOG2,
        secondsPerShare: 15,
      },
    },
  ],
  ...{ db, clock: systemClock, random: systemRandom, log: createLog('bench', 'warn') },
  authorize: createPayees({
    ...{ db, clock: systemClock, network: 'regtest' },
    offers: [{ scheme: 'pplns', ports: [], rails: ['l1'], finderFee: null }],
  }).authorize,
  nodes: [],
  tag: '/sidepool/',
  payScript: new Uint8Array(22).fill(1),
  shareWaitMaxMs: SHARE_WAIT_MS_MAX,
})
const pauses = monitorEventLoopDelay({ resolution: 1 })
pauses.enable()
let height = FIRST_HEIGHT
mining.work(templateAt(height, systemClock.now()))

answerParent(question, ({ kind }) => {
  switch (kind) {
    case 'port':
      return { port: mining.ports[0] }
    case 'new block': {
      height += 1
      const at = sharedNowMs()
      mining.work(templateAt(height, systemClock.now()))
      return { at }
    }
    case 'collect garbage': {
      // The second one takes what the first one's finalizers let go of.
      globalThis.gc?.()
      globalThis.gc?.()
      return { heapBytes: process.memoryUsage().heapUsed }
    }
    case 'longest pause': {
      const ms = pauses.max / 1e6
      pauses.reset()
      return { ms }
    }
    default:
      return unreachable(kind)
  }
})
