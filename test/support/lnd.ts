import { readFile } from 'node:fs/promises'
import { describe, inject } from 'vitest'
import type { Program } from '../../src/devnet/apt-unpack.ts'
import { findLnd } from '../../src/devnet/lnd-binary.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { LND_BUILD_FAILED } from './lnd-build.ts'

/** A build on a slow machine, which may have begun when this test did. */
const BUILD_MS_MAX = 40 * 60_000
/** And three nodes after that, so that what is missing is said before the time is up. */
export const LND_WAIT_MS = BUILD_MS_MAX + 5 * 60_000
const LOOK_EVERY_MS = 500

/** Skipped where there is no lnd, unless nothing may be: then its set-up fails and says why. */
export const describeOnLnd = describe.skipIf(
  inject('lndMissing') !== null && process.env['SIDEPOOL_TEST_SKIPS_NOTHING'] === undefined,
)

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
