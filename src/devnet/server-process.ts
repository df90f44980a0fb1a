import { spawn } from 'node:child_process'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { endProcess } from '../lib/other-process.ts'
import { pollUntil } from '../lib/poll.ts'
import type { Program } from './apt-unpack.ts'

const READY = { everyMs: 25, timeoutMs: 60_000 }

/** A server of another project that we run in a folder of its own. */
export type ServerProcess = {
  readonly pid: () => number
  /** Ends it in order (SIGTERM). No error when it has ended already. */
  readonly stop: () => Promise<void>
  /** Ends it as a crash would (SIGKILL). */
  readonly kill: () => Promise<void>
  /** Starts it again after `stop` or `kill`, with the same ports, and waits until it answers. */
  readonly restart: () => Promise<void>
}

/** How to start a server. */
export type ServerCommand = {
  readonly name: string
  /** Exists, and stands in the arguments, so that the process can be told from any other. */
  readonly dir: string
  readonly program: Program
  readonly args: readonly string[]
  /** Whether it answers questions now. */
  readonly answers: () => Promise<boolean>
}

/**
 * Starts a server and waits until it answers. One that a killed starter left behind in the same
 * folder is ended first: it keeps its data, and nobody knows its password any more.
 *
 * @throws Error with the end of its output when it exits or does not answer within a minute
 */
export async function runServer(command: ServerCommand): Promise<ServerProcess> {
  const pidFile = join(command.dir, `${command.name}.pid`)
  const left = Number(await readFile(pidFile, 'utf8').catch(() => '0'))
  if (Number.isSafeInteger(left) && left > 0) await endProcess(left, command.dir, 'SIGTERM')
  let pid = await launch(command, pidFile)
  return {
    pid: () => pid,
    stop: () => endProcess(pid, command.dir, 'SIGTERM'),
    kill: () => endProcess(pid, command.dir, 'SIGKILL'),
    restart: async () => {
      await endProcess(pid, command.dir, 'SIGTERM')
      pid = await launch(command, pidFile)
    },
  }
}

async function launch({ name, dir, program, args, answers }: ServerCommand, pidFile: string) {
  const outputPath = join(dir, `${name}.log`)
  const output = await open(outputPath, 'w', 0o600)
  // In a session of its own, so that Ctrl-C reaches us alone and we end it in order.
  const child = spawn(program.file, [...program.args, ...args], {
    cwd: dir,
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
  })
  child.unref()
  await output.close()
  let ended = false
  child.once('exit', () => {
    ended = true
  })
  child.once('error', () => {
    ended = true
  })
  if (child.pid !== undefined) await writeFile(pidFile, String(child.pid))
  const outcome = await pollUntil<'ended' | 'answers'>(
    async () => (ended ? 'ended' : (await answers()) ? 'answers' : null),
    READY,
  )
  if (outcome === 'answers' && child.pid !== undefined) return child.pid
  child.kill('SIGKILL')
  const text = await readFile(outputPath, 'utf8')
  const what = outcome === null ? `does not answer after ${READY.timeoutMs} ms` : 'did not start'
  throw new Error(`${name} ${what}. The end of its output:\n${text.slice(-2000)}`)
}
