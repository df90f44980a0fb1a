import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Program } from './apt-unpack.ts'

const run = promisify(execFile)

/** The one version that everything here was seen to work with. */
export const LND_VERSION = '0.20.1-beta'

/** Where the tests put the one that they build. */
export const BUILT_LND = join(import.meta.dirname, '../../.cache/lnd/lnd')

/**
 * Finds lnd: the one that the environment variable LND names, else the one on PATH, else the one
 * that the tests have built. One of another version is as good as none: what it does with a payment
 * that was interrupted was not looked at.
 *
 * @returns null where there is none
 * @throws Error where LND names something else
 */
export async function findLnd(): Promise<Program | null> {
  const named = process.env['LND']
  if (named) {
    if (await isRightVersion(named)) return { file: named, args: [] }
    throw new Error(`LND is ${named}, which is not lnd ${LND_VERSION} or does not run`)
  }
  for (const file of ['lnd', BUILT_LND]) if (await isRightVersion(file)) return { file, args: [] }
  return null
}

/** False also where it is not there or does not run. */
async function isRightVersion(file: string): Promise<boolean> {
  const reply = await run(file, ['--version']).catch(() => null)
  return reply?.stdout.split(' ')[2] === LND_VERSION
}
