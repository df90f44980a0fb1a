import { describe, inject } from 'vitest'
import { BUILD_MS_MAX } from './lnd-of-the-run.ts'

/** A build, and three nodes after that, so that what is missing is said before the time is up. */
export const LND_WAIT_MS = BUILD_MS_MAX + 5 * 60_000

/** Skipped where there is no lnd, unless nothing may be: then its set-up fails and says why. */
export const describeOnLnd = describe.skipIf(
  inject('lndMissing') !== null && process.env['SIDEPOOL_TEST_SKIPS_NOTHING'] === undefined,
)
