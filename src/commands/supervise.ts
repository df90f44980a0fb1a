import { type ChildProcess, spawn } from 'node:child_process'
import type { Log } from '../lib/log.ts'

/** A child that dies is started again, each time a little later, up to this. */
const RESTART_MS_MAX = 10_000
const RESTART_MS_FIRST = 200
/** A child that has run this long is well again, so its next restart is quick. */
const WELL_AFTER_MS = 60_000
/** A child that does not end by itself within this is killed; what it owes is in the database. */
const STOP_MS = 10_000

export type Supervised = {
  /** Whether the child runs now, for the health page. */
  readonly alive: () => boolean
  readonly stop: () => Promise<void>
}

/**
 * Keeps one child process of our own running. The child holds an IPC channel and ends itself when
 * that closes, so a supervisor that was killed leaves none behind.
 *
 * @param environment holds secrets, which therefore never stand in a command line
 */
export function supervise(options: {
  readonly name: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly log: Log
}): Supervised {
  const { name, args, environment, log } = options
  let child: ChildProcess | null = null
  let stopping = false
  let delayMs = RESTART_MS_FIRST
  let restart: NodeJS.Timeout | undefined

  function run(): void {
    const env = { ...process.env, ...environment }
    const started = spawn(process.execPath, [...args], {
      env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child = started
    const well = setTimeout(() => {
      delayMs = RESTART_MS_FIRST
    }, WELL_AFTER_MS)
    const again = (facts: object) => {
      clearTimeout(well)
      child = null
      if (stopping) return
      log.error({ name, ...facts, delayMs }, 'a process ended and is started again')
      restart = setTimeout(run, delayMs)
      delayMs = Math.min(2 * delayMs, RESTART_MS_MAX)
    }
    started.once('exit', (code, signal) => again({ code, signal }))
    // Without a listener this event would end the supervisor, and with it every other role.
    started.on('error', error => {
      // A process that never began has no exit, and is tried again like one that ended.
      if (started.pid === undefined) again({ error: String(error) })
    })
  }

  run()
  return {
    alive: () => child !== null,
    stop: async () => {
      stopping = true
      clearTimeout(restart)
      const last = child
      // Without a number it never began, and no exit will come.
      if (last?.pid === undefined) return
      const ended = new Promise(resolve => last.once('exit', resolve))
      last.kill('SIGTERM')
      const killer = setTimeout(() => last.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(killer)
    },
  }
}

/**
 * Resolves when this process should end: asked by a signal, or its supervisor is gone.
 * A second signal ends it at once, as people expect.
 */
export function untilAskedToStop(): Promise<void> {
  return new Promise(resolve => {
    const ask = () => {
      process.once('SIGINT', () => process.exit(130))
      // The open channel to a supervisor would keep this process alive when all else is done.
      if (process.connected) process.disconnect()
      resolve()
    }
    process.once('SIGINT', ask)
    process.once('SIGTERM', ask)
    process.once('disconnect', ask)
  })
}
