import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis as Client } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Redis, startRedis } from '../../src/devnet/redis.ts'
import { createLog } from '../../src/lib/log.ts'
import { isAlive } from '../../src/lib/other-process.ts'
import { systemRandom } from '../../src/lib/random.ts'

const log = createLog('test', 'silent')
let dir: string
let redis: Redis

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sidepool-test-redis-'))
  redis = await startRedis({ dir, log, random: systemRandom })
})

afterAll(async () => {
  await redis.stop()
  await rm(dir, { recursive: true, force: true })
})

async function withClient<T>(act: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(redis.url, { lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => {})
  try {
    await client.connect()
    return await act(client)
  } finally {
    client.disconnect()
  }
}

test('it never evicts, keeps every write and asks for the password', async () => {
  const read = (name: string) => withClient(client => client.config('GET', name))
  expect(await read('maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
  expect(await read('appendonly')).toEqual(['appendonly', 'yes'])
  // Spoken by hand, since the client hides what a server says to one who does not log in.
  const stranger = connect(redis.port, '127.0.0.1').setEncoding('utf8')
  stranger.write('GET kept\r\n')
  expect(await once(stranger, 'data')).toEqual([expect.stringContaining('NOAUTH')])
  stranger.destroy()
})

test('what was written is there after a stop and a start', async () => {
  await withClient(client => client.set('kept', '42'))
  await redis.stop()
  await redis.restart()
  expect(await withClient(client => client.get('kept'))).toBe('42')
})

test('a server that a killed starter left behind makes room for the next', async () => {
  const left = redis.pid()
  redis = await startRedis({ dir, log, random: systemRandom })
  expect(await isAlive(left, dir)).toBe(false)
  expect(await withClient(client => client.get('kept'))).toBe('42')
})
