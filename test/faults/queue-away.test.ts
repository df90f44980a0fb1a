import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startRedis } from '../../src/devnet/index.ts'
import { createLog } from '../../src/lib/log.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { openQueue } from '../../src/lib/queue.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'

const SOON = { everyMs: 20, timeoutMs: 30_000 }

test('a queue whose store is away fails nothing, and goes on when it is back', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-redis-'))
  const log = createLog('test', 'silent')
  const redis = await startRedis({ dir, log, random: systemRandom })
  const store = { kind: 'redis', url: redis.url } as const
  const queue = openQueue({ name: 'away', store, log, clock: systemClock, heartbeatMs: 200 })
  let runs = 0
  const more = (than: number) => pollUntil(() => (runs > than ? true : null), SOON)
  await queue.start([{ name: 'count', everyMs: 100, run: async () => void runs++ }])
  expect(await more(0)).toBe(true)
  await redis.kill()
  await queue.wake('count')
  await redis.restart()
  expect(await more(runs)).toBe(true)
  await queue.close()
  await redis.stop()
  await rm(dir, { recursive: true, force: true })
})
