import { readFile } from 'node:fs/promises'
import { inject } from 'vitest'
import type { Program } from '../../src/devnet/apt-unpack.ts'
import { findLnd } from '../../src/devnet/lnd-binary.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { LND_BUILD_FAILED } from './lnd-build.ts'

/** A build on a slow machine, which may have begun when this test did. */
export const BUILD_MS_MAX = 40 * 60_000
const LOOK_EVERY_MS = 500

/** Waits for the build that the run began, where there is one. Allow LND_WAIT_MS for it. */
export async function lndOfTheRun(): Promise<Program> {
  const missing = inject('lndMissing')
  if (missing !== null) throw new Error(missing)
  const found = await pollUntil(
    async () => {
      const failure = await readFile(LND_BUILD_FAILED, 'utf8').catch(() => null)
      if (failure !== null) throw new Error(`lnd could not be built: ${failure}`)
      return findLnd()
    },
    { everyMs: LOOK_EVERY_MS, timeoutMs: BUILD_MS_MAX },
  )
  if (found === null) throw new Error('lnd is still being built')
  return found
}
