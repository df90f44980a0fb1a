import type { Kysely, Selectable } from 'kysely'
import type { Purpose } from '../approval/index.ts'
import type { BatchState, Database } from '../lib/db/schema.ts'
import {
  type BatchId,
  batchId,
  type Digest,
  digest,
  type Txid,
  txid,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { type ActReport, actReports } from '../treasury/index.ts'

const ROWS_MAX = 100

/** A batch as an operator sees it in a list. */
export type BatchReport = {
  readonly batch: BatchId
  readonly rail: string
  readonly purpose: Purpose
  readonly state: BatchState
  readonly manifestHash: Digest
  readonly total: Sats
  readonly feeMax: Sats
  readonly createdAt: UnixMs
  readonly expiresAt: UnixMs
  readonly endedAt: UnixMs | null
  /** Why it waits or how it ended; empty where there is nothing to say. */
  readonly note: string
}

/** A batch with all that was approved, said and built of it. */
export type BatchDetail = BatchReport & {
  readonly manifest: Uint8Array
  readonly versions: readonly BatchVersion[]
  readonly acts: readonly ActReport[]
}

/** A transaction of a batch. `signed` means that its bytes are stored and may have left. */
export type BatchVersion = {
  readonly version: number
  readonly txid: Txid
  readonly fee: Sats
  readonly signed: boolean
  readonly createdAt: UnixMs
}

/** Newest first. @param before only batches older than this one */
export async function listBatches(
  db: Kysely<Database>,
  { before, limit }: { readonly before: BatchId | null; readonly limit: number },
): Promise<readonly BatchReport[]> {
  const rows = await db
    .selectFrom('batches')
    .select([...LIST_COLUMNS])
    .$if(before !== null, query => query.where('id', '<', before))
    .orderBy('id', 'desc')
    .limit(Math.min(limit, ROWS_MAX))
    .execute()
  return rows.map(batchFromRow)
}

/** @returns null where there is no such batch */
export async function batchOf(db: Kysely<Database>, id: BatchId): Promise<BatchDetail | null> {
  const row = await db
    .selectFrom('batches')
    .select([...LIST_COLUMNS, 'manifest'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row) return null
  const versions = await db
    .selectFrom('batch_versions')
    .select(['version', 'txid', 'fee_sats', 'created_ms'])
    .select(eb => eb('raw', 'is not', null).as('signed'))
    .where('batch_id', '=', id)
    .orderBy('version')
    .limit(ROWS_MAX)
    .execute()
  return {
    ...batchFromRow(row),
    manifest: new Uint8Array(row.manifest),
    versions: versions.map(version => ({
      version: version.version,
      txid: txid(version.txid),
      fee: sats(version.fee_sats),
      signed: Boolean(version.signed),
      createdAt: unixMs(Number(version.created_ms)),
    })),
    acts: await actReports(db, id),
  }
}

const LIST_COLUMNS = [
  'id',
  'rail',
  'purpose',
  'state',
  'manifest_hash',
  'total_sats',
  'fee_max_sats',
  'created_ms',
  'expires_ms',
  'ended_ms',
  'note',
] as const

type BatchRow = Pick<Selectable<Database['batches']>, (typeof LIST_COLUMNS)[number]>

function batchFromRow(row: BatchRow): BatchReport {
  return {
    batch: batchId(row.id),
    rail: row.rail,
    purpose: row.purpose,
    state: row.state,
    manifestHash: digest(row.manifest_hash),
    total: sats(row.total_sats),
    feeMax: sats(row.fee_max_sats),
    createdAt: unixMs(Number(row.created_ms)),
    expiresAt: unixMs(Number(row.expires_ms)),
    endedAt: row.ended_ms === null ? null : unixMs(Number(row.ended_ms)),
    note: row.note,
  }
}
