import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Devnet, NODE_PASSWORD_VARIABLE } from '../../src/devnet/index.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const READY_MS_MAX = 120_000

/** A role of the real program in a process of its own, which a test may kill and start again. */
export type PoolProcess = {
  /** Resolves when it says so in its log; rejects with the log when it ends first. */
  readonly start: (readyWhenLogSays?: string) => Promise<void>
  /** SIGKILL: it does nothing more. */
  readonly kill: () => void
  /** Resolves when it has ended, however. */
  readonly ended: () => Promise<void>
  readonly stop: () => Promise<void>
  readonly log: () => string
}

/**
 * @param config what a configuration file would hold
 * @param databaseUrl where the process is told its database is, past the configuration
 */
export function poolProcess(options: {
  readonly role: string
  readonly config: object
  readonly devnet: Devnet
  readonly databaseUrl: string
  readonly environment?: Readonly<Record<string, string>>
}): PoolProcess {
  const dir = mkdtempSync(join(tmpdir(), 'sidepool-test-pool-'))
  const [configFile, logFile] = [join(dir, 'config.json'), join(dir, 'log')]
  writeFileSync(configFile, JSON.stringify(options.config))
  writeFileSync(logFile, '')
  let child: ChildProcess | null = null
  let end: Promise<void> = Promise.resolve()

  async function start(readyWhenLogSays?: string): Promise<void> {
    const args = [MAIN, 'start', '--roles', options.role, '--config', configFile]
    const started = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        SIDEPOOL_DATABASE_URL: options.databaseUrl,
        [NODE_PASSWORD_VARIABLE]: options.devnet.node.rpc.password,
        ...options.environment,
      },
    })
    child = started
    end = new Promise(resolve => started.once('exit', () => resolve()))
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>()
    // Of this start alone: the file grows with each of a campaign's thousand.
    let said = ''
    const hear = (chunk: Buffer) => {
      appendFileSync(logFile, chunk)
      said += chunk.toString('utf8')
      if (readyWhenLogSays !== undefined && said.includes(readyWhenLogSays)) resolve()
    }
    started.stdout.on('data', hear)
    started.stderr.on('data', hear)
    if (readyWhenLogSays === undefined) return
    const late = setTimeout(() => reject(new Error(`not ready:\n${said}`)), READY_MS_MAX)
    started.once('exit', () => reject(new Error(`ended before it was ready:\n${said}`)))
    await ready.finally(() => clearTimeout(late))
  }

  return {
    start,
    kill: () => child?.kill('SIGKILL'),
    ended: () => end,
    stop: () => {
      child?.kill('SIGTERM')
      return end
    },
    log: () => readFileSync(logFile, 'utf8'),
  }
}
