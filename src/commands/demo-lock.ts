import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { endProcess, isAlive } from '../lib/other-process.ts'
import { CommandError } from './command.ts'

/** Files in which the demo's servers left their process numbers. */
const PID_FILES = [
  ...['bitcoind/bitcoind.pid', 'postgres/data/postmaster.pid'],
  ...['lightning/pool/lnd.pid', 'lightning/miner/lnd.pid'],
]

/** The processes of a PostgreSQL that was killed write to its folder until they notice: seconds. */
const WHILE_WRITTEN = { maxRetries: 20, retryDelay: 50 }

/**
 * Makes the demo's folder new and this process its only user. What a demo that was killed left
 * running in it is ended first.
 *
 * @returns a function that gives the folder free again
 * @throws CommandError when a demo is running
 */
export async function takeDemoFolder(dir: string): Promise<() => Promise<void>> {
  const pidFile = join(dir, 'demo.pid')
  const owner = await pidIn(pidFile)
  if (owner !== null && owner !== process.pid && (await isAlive(owner, 'demo')))
    throw new CommandError(`a demo is running already (process ${owner}); Ctrl-C there ends it`)
  for (const file of PID_FILES) {
    const left = await pidIn(join(dir, file))
    if (left !== null) await endProcess(left, dir, 'SIGKILL')
  }
  await rm(dir, { recursive: true, force: true, ...WHILE_WRITTEN })
  await mkdir(dir, { recursive: true, mode: 0o755 })
  await writeFile(pidFile, String(process.pid))
  return () => rm(pidFile, { force: true })
}

async function pidIn(file: string): Promise<number | null> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null
}
