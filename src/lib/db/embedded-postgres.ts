import { link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from '../bytes.ts'
import { freePort, isPortFree } from '../free-port.ts'
import type { Log } from '../log.ts'
import { endProcess, isAlive } from '../other-process.ts'
import { pollUntil } from '../poll.ts'
import type { Random } from '../random.ts'
import { findPostgres, type PostgresBinaries } from './postgres-binaries.ts'

const OWNER = 'postgres'
/** An old server's children may hold the shared memory for a moment, or a port be lost. */
const STARTS_MAX = 20
const RETRY_MS = 500
const READY = { everyMs: 25, timeoutMs: 60_000 }
/** A session more is refused. Enough for every role's pool, or for a run of tests. */
const CONNECTIONS_MAX = 200

/** A real PostgreSQL of our own, which outlives this process until `stop`. */
export type EmbeddedPostgres = {
  /** URL of the superuser. Holds the password: never log it. */
  readonly ownerUrl: (database: string) => string
  readonly port: number
  /** The postmaster's process. */
  readonly pid: number
  /** Whether somebody else had started it, and may still be using it. */
  readonly wasRunning: boolean
  /** Ends sessions, writes all to disk and exits, whoever started the server. */
  readonly stop: () => Promise<void>
  /** Ends it as a crash would (SIGKILL), for tests; the next start recovers. */
  readonly kill: () => Promise<void>
}

type Running = { readonly pid: number; readonly port: number }

/**
 * Starts PostgreSQL from the binaries that npm brought, or finds it running: a server whose
 * starter was killed is used again. Listens on the loopback address only, on a free port.
 *
 * @param dir ours alone: the cluster in `data`, `owner.password` (mode 0600), `postgres.log`
 * @throws Error with the end of the server's log when it does not come up
 */
export async function startEmbeddedPostgres(options: {
  readonly dir: string
  readonly log: Log
  readonly random: Random
}): Promise<EmbeddedPostgres> {
  const dir = resolve(options.dir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const binaries = await findPostgres(dir)
  await binaries.lend(dir)
  const password = await keepPassword(dir, binaries, options.random)
  const data = join(dir, 'data')
  const ownerUrlOn = (port: number) => (database: string) =>
    `postgres://${OWNER}:${password}@127.0.0.1:${port}/${database}`

  await createCluster(dir, data, binaries)
  const running = await findOrStart(dir, data, binaries, options.log)
  return {
    ownerUrl: ownerUrlOn(running.port),
    port: running.port,
    pid: running.pid,
    wasRunning: running.wasRunning,
    // PostgreSQL's fast shutdown: sessions end, all is written, no recovery is needed.
    stop: () => endProcess(running.pid, data, 'SIGINT'),
    kill: () => endProcess(running.pid, data, 'SIGKILL'),
  }
}

/** The first of several starters decides the password; the file appears whole or not at all. */
async function keepPassword(dir: string, binaries: PostgresBinaries, random: Random) {
  const path = join(dir, 'owner.password')
  const draft = join(dir, `owner.password.${process.pid}`)
  await writeFile(draft, toHex(random.bytes(24)), { mode: 0o600 })
  await binaries.lend(draft)
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft)
  return readFile(path, 'utf8')
}

/** Made beside and moved into place, so that a starter that was killed leaves no half of one. */
async function createCluster(dir: string, data: string, binaries: PostgresBinaries) {
  if ((await readFile(join(data, 'PG_VERSION'), 'utf8').catch(absent)) !== null) return
  const draft = join(dir, `data.${process.pid}`)
  await rm(draft, { recursive: true, force: true })
  await binaries.run('initdb', [
    `--pgdata=${draft}`,
    `--username=${OWNER}`,
    `--pwfile=${join(dir, 'owner.password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
  ])
  await rename(draft, data).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    await rm(draft, { recursive: true })
  })
}

async function findOrStart(dir: string, data: string, binaries: PostgresBinaries, log: Log) {
  for (let start = 1; start <= STARTS_MAX; start++) {
    const running = await findRunning(data)
    if (running) return { ...running, wasRunning: true }
    const started = await tryStart(dir, data, binaries, await portFor(dir, start))
    if (started) {
      log.info({ pid: started.pid, port: started.port }, 'PostgreSQL started')
      return { ...started, wasRunning: false }
    }
    await sleep(RETRY_MS)
  }
  const text = await readFile(join(dir, 'postgres.log'), 'utf8')
  throw new Error(`PostgreSQL did not start. The end of its log:\n${text.slice(-2000)}`)
}

/** Waits for a server that is just starting or stopping; null when none is left. */
async function findRunning(data: string): Promise<Running | null> {
  const found = await pollUntil(async () => {
    const file = await readPidFile(data)
    if (!file) return 'none'
    if (!(await isAlive(file.pid, data))) return file
    return file.ready ? { ...file, alive: true } : null
  }, READY)
  if (found === null) throw new Error('a running PostgreSQL is neither ready nor gone')
  if (found === 'none') return null
  if ('alive' in found) return found
  // A crashed server left its file. PostgreSQL sees that itself, but not where the number has
  // gone to another program since: then it would refuse to start for as long as that one runs.
  const still = await readPidFile(data)
  if (still?.pid === found.pid) await rm(join(data, 'postmaster.pid'), { force: true })
  return null
}

/** The port of last time, so that whoever was connected finds it again; another where it is taken. */
async function portFor(dir: string, start: number): Promise<number> {
  const file = join(dir, 'port')
  const kept = Number(await readFile(file, 'utf8').catch(absent))
  if (start === 1 && kept > 0 && (await isPortFree(kept))) return kept
  const port = await freePort()
  await writeFile(file, String(port), { mode: 0o600 })
  return port
}

/** @returns null when it exited, for example since its port was taken in the meantime */
async function tryStart(dir: string, data: string, binaries: PostgresBinaries, port: number) {
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'jit=off',
    'timezone=UTC',
    'log_timezone=UTC',
    `max_connections=${CONNECTIONS_MAX}`,
  ]
  const logFile = await open(join(dir, 'postgres.log'), 'w', 0o600)
  const args = ['-D', data, ...settings.flatMap(setting => ['-c', setting])]
  const child = binaries.start(args, logFile.fd)
  await logFile.close()
  let exited = false
  void child.exited.then(() => {
    exited = true
  })
  const outcome = await pollUntil<Running | 'exited'>(async () => {
    const file = await readPidFile(data)
    // The file of a server that crashed says ready too, so the number must be our child's.
    if (file?.pid === child.pid && file.ready) return { pid: file.pid, port }
    return exited ? 'exited' : null
  }, READY)
  if (outcome === null) throw new Error(`PostgreSQL is not ready after ${READY.timeoutMs} ms`)
  return outcome === 'exited' ? null : outcome
}

/** Line 1 is the process, line 4 the port, line 8 the state. Source: PostgreSQL, pidfile.h. */
async function readPidFile(data: string) {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(absent)
  if (text === null) return null
  const lines = text.split('\n')
  const pid = Number(lines[0])
  if (!Number.isSafeInteger(pid) || pid <= 0) return null
  return { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' }
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
