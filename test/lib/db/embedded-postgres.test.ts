import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../../src/lib/db/embedded-postgres.ts'
import { createLog } from '../../../src/lib/log.ts'
import { systemRandom } from '../../../src/lib/random.ts'

const log = createLog('test', 'silent')
let dir: string
let started: EmbeddedPostgres[] = []

const start = async (folder = dir) => {
  const server = await startEmbeddedPostgres({ dir: folder, log, random: systemRandom })
  started.push(server)
  return server
}

async function query(server: EmbeddedPostgres, text: string) {
  const client = new Client({ connectionString: server.ownerUrl('postgres') })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sidepool-launcher-'))
})

afterAll(async () => {
  for (const server of started) await server.stop()
  started = []
  await rm(dir, { recursive: true, force: true })
})

test('a new folder gets a server on the loopback address with a password kept private', async () => {
  const server = await start()
  const settings = await query(
    server,
    `select name, setting from pg_settings where name in
      ('listen_addresses', 'unix_socket_directories', 'fsync', 'jit', 'server_encoding')
      order by name`,
  )
  expect(settings.map(row => `${row.name}=${row.setting}`)).toEqual([
    'fsync=on',
    'jit=off',
    'listen_addresses=127.0.0.1',
    'server_encoding=UTF8',
    'unix_socket_directories=',
  ])
  expect((await stat(join(dir, 'owner.password'))).mode & 0o777).toBe(0o600)
  const wrong = new URL(server.ownerUrl('postgres'))
  wrong.password = 'wrong'
  await expect(new Client({ connectionString: wrong.href }).connect()).rejects.toThrow('password')
})

test('a running server is used again', async () => {
  const first = await start()
  const second = await start()
  expect(second.pid).toBe(first.pid)
  expect(second.port).toBe(first.port)
})

test('starters at the same time end up with one server', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sidepool-launcher-race-'))
  const servers = await Promise.all([startInChild(folder), startInChild(folder)])
  const server = await start(folder)
  expect(servers).toEqual([server.pid, server.pid])
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

test('the server outlives a starter that is killed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sidepool-launcher-orphan-'))
  const pid = await startInChild(folder)
  const server = await start(folder)
  expect(server.pid).toBe(pid)
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

test('after a kill of the server the next start recovers what was committed', async () => {
  const first = await start()
  await query(first, 'create table kept as select 42 as answer')
  await first.kill()
  const second = await start()
  expect(second.pid).not.toBe(first.pid)
  expect(await query(second, 'select answer from kept')).toEqual([{ answer: 42 }])
})

test('a stale file that names a live process of something else does not stop a start', async () => {
  const first = await start()
  const path = join(dir, 'data', 'postmaster.pid')
  const lines = (await readFile(path, 'utf8')).split('\n')
  await first.stop()
  await writeFile(path, [String(process.pid), ...lines.slice(1)].join('\n'))
  const second = await start()
  expect(second.pid).not.toBe(process.pid)
  expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('stopping ends the process, and stopping again is no error', async () => {
  const server = await start()
  await server.stop()
  await server.stop()
  await expect(query(server, 'select 1')).rejects.toThrow('ECONNREFUSED')
})

test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
  'root starts it in a folder that no other user may enter',
  async () => {
    const closed = await mkdtemp(join(tmpdir(), 'sidepool-launcher-closed-'))
    await chmod(closed, 0o700)
    await mkdir(join(closed, 'postgres'))
    const server = await start(join(closed, 'postgres'))
    expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }])
    await server.stop()
    await rm(closed, { recursive: true, force: true })
  },
)

/** Starts a server from a process that is killed as soon as it has printed the server's number. */
async function startInChild(folder: string): Promise<number> {
  const program = `
    import { startEmbeddedPostgres } from './src/lib/db/embedded-postgres.ts'
    import { createLog } from './src/lib/log.ts'
    import { systemRandom } from './src/lib/random.ts'
    const log = createLog('test', 'silent')
    const dir = process.argv[1]
    const server = await startEmbeddedPostgres({ dir, log, random: systemRandom })
    process.stdout.write(String(server.pid))
    setInterval(() => {}, 1000)`
  const args = ['--input-type=module-typescript', '--eval', program, folder]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [pid] = await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  return Number(pid)
}
