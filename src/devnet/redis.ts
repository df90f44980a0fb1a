import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { toHex } from '../lib/bytes.ts'
import { freePort } from '../lib/free-port.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { type Program, unpackFromDebian } from './apt-unpack.ts'
import { runServer, type ServerProcess } from './server-process.ts'

const run = promisify(execFile)
const CACHE = join(import.meta.dirname, '../../.cache/redis')
const STARTS_MAX = 3
const ANSWER_TIMEOUT_MS = 2000

/** A Redis or Valkey of our own. */
export type Redis = ServerProcess & {
  /** Holds the password: never log it. */
  readonly url: string
  readonly port: number
}

/**
 * Finds Redis or Valkey on PATH, else on Debian takes the machine's own release of redis-server
 * into `.cache/redis` of the project.
 *
 * @throws Error that says what to install, where there is none
 */
export async function findRedis({ log }: { readonly log: Log }): Promise<Program> {
  for (const file of ['redis-server', 'valkey-server'])
    if (await run(file, ['--version']).catch(() => null)) return { file, args: [] }
  const wanted = { name: 'redis-server', suite: 'own', cache: CACHE, log } as const
  const unpacked = await unpackFromDebian(wanted)
  if (unpacked === null)
    throw new Error(
      'No Redis was found: install redis-server or valkey-server so that it is on PATH',
    )
  return unpacked.program('usr/bin/redis-server')
}

/**
 * Starts Redis for the queue: loopback only, with a password, never evicting, every write kept in
 * its append-only file.
 */
export async function startRedis(options: {
  readonly dir: string
  readonly log: Log
  readonly random: Random
}): Promise<Redis> {
  const dir = resolve(options.dir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const program = await findRedis(options)
  const password = toHex(options.random.bytes(24))
  const config = join(dir, 'redis.conf')
  for (let start = 1; ; start++) {
    const port = await freePort()
    await writeFile(config, configuration(dir, port, password), { mode: 0o600 })
    try {
      const answers = () => isReady(port, password)
      const process = await runServer({ name: 'redis', dir, program, args: [config], answers })
      options.log.info({ pid: process.pid(), port }, 'redis started')
      return { ...process, port, url: `redis://:${password}@127.0.0.1:${port}` }
    } catch (error) {
      if (start === STARTS_MAX) throw error
    }
  }
}

function configuration(dir: string, port: number, password: string): string {
  return `bind 127.0.0.1
port ${port}
requirepass ${password}
dir "${dir}"
appendonly yes
save ""
maxmemory-policy noeviction
daemonize no
# The title would hide the folder that tells this process from any other.
set-proc-title no
`
}

/** While it reads its file it answers, but with an error. */
async function isReady(port: number, password: string): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  try {
    await once(socket, 'connect', { signal })
    socket.write(`AUTH ${password}\r\nPING\r\n`)
    let text = ''
    while (text.split('\r\n').length < 3)
      text += String((await once(socket, 'data', { signal }))[0])
    return text === '+OK\r\n+PONG\r\n'
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
