import type { Kysely } from 'kysely'
import type { LineManifest, ManifestLine } from '../../../approval/index.ts'
import { assert } from '../../../lib/assert.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { BatchId } from '../../../lib/ids.ts'
import { openPayouts } from '../../line-store.ts'
import { manifestOf } from '../../payout-store.ts'
import type { Attempt } from './attempt.ts'
import { newestAttempts } from './attempt-store.ts'

/** A line of a batch with its newest attempt; null before the first. */
export type OpenLine = {
  /** Its place in the manifest, from 0. */
  readonly payee: number
  readonly line: ManifestLine
  readonly newest: Attempt | null
}

export async function lineManifestOf(db: Kysely<Database>, batch: BatchId): Promise<LineManifest> {
  const manifest = await manifestOf(db, batch)
  assert(manifest.version === 3, 'a batch of payments has lines')
  return manifest
}

/** The lines of a batch that have not ended. */
export async function openLines(
  db: Kysely<Database>,
  manifest: LineManifest,
): Promise<readonly OpenLine[]> {
  const open = await openPayouts(db, manifest.batch)
  const attempts = await newestAttempts(db, manifest.batch)
  return manifest.payees.flatMap((line, payee) =>
    line.payouts.some(id => open.has(id))
      ? [{ payee, line, newest: attempts.get(payee) ?? null }]
      : [],
  )
}
