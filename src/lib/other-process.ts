import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { pollUntil } from './poll.ts'

const run = promisify(execFile)

const STOP = { everyMs: 10, timeoutMs: 60_000 }

/**
 * Whether that process is alive and is the one meant. Its number alone proves nothing, since the
 * system gives it out again.
 *
 * @param commandPart is in the command line of the process meant and of no other, such as its
 *   data folder. A process that ended but was not awaited yet has no command line.
 */
export async function isAlive(pid: number, commandPart: string): Promise<boolean> {
  const command =
    process.platform === 'linux'
      ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      : await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).then(
          ({ stdout }) => stdout,
          () => '',
        )
  return command.includes(commandPart)
}

/**
 * Sends a signal, if the process is the one meant, and waits for its end, whoever started it.
 *
 * @throws Error when it is still there after a minute
 */
export async function endProcess(
  pid: number,
  commandPart: string,
  signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  if (!(await isAlive(pid, commandPart))) return
  process.kill(pid, signal)
  const gone = await pollUntil(async () => ((await isAlive(pid, commandPart)) ? null : true), STOP)
  if (!gone) throw new Error(`process ${pid} did not end within ${STOP.timeoutMs} ms of ${signal}`)
}
