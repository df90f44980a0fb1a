import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { startRedis } from '../../src/devnet/redis.ts'
import { createLog } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { queueContract } from '../contracts/queue.ts'

queueContract('Redis', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-redis-'))
  const log = createLog('test', 'silent')
  const server = await startRedis({ dir, log, random: systemRandom })
  const client = new Redis(server.url)
  return {
    store: { kind: 'redis', url: server.url },
    flush: async () => {
      await client.flushall()
    },
    stop: async () => {
      client.disconnect()
      await server.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
})
