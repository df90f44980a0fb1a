import type { Kysely } from 'kysely'
import { binaryCopy, copyIn } from '../lib/db/copy.ts'
import type { Database } from '../lib/db/schema.ts'
import type { ShareRow } from './group-store.ts'

/** Each value follows its length, which is the same in every row. */
const LENGTH_BYTES = 4
/** A row begins with its number of values. */
let rowBytes = 2

function column(bytes: number): { readonly at: number; readonly bytes: number } {
  const at = rowBytes + LENGTH_BYTES
  rowBytes = at + bytes
  return { at, bytes }
}

/** Columns of `shares` in the order in which they are copied, and where their values stand. */
const COLUMNS = {
  height: column(4),
  hash: column(32),
  epoch_id: column(8),
  account_id: column(8),
  worker_id: column(8),
  session_id: column(8),
  job_id: column(8),
  difficulty_log2: column(2),
  header: column(80),
  extranonce2: column(8),
  received_ms: column(8),
} as const

const EMPTY_ROW = Buffer.alloc(rowBytes)
EMPTY_ROW.writeInt16BE(Object.keys(COLUMNS).length)
for (const { at, bytes } of Object.values(COLUMNS)) EMPTY_ROW.writeInt32BE(bytes, at - LENGTH_BYTES)

const OPEN_EPOCH = 'select id from epochs where closed_ms is null for share'
const COPY = `copy shares (${Object.keys(COLUMNS).join(', ')}) from stdin (format binary)`
const INT16_MAX = 0x7fff
const INT32_MAX = 0x7fffffff

export type ShareCopyOutcome =
  | { readonly kind: 'committed' }
  | { readonly kind: 'no open epoch' }
  /** Not as they are: mostly since one of them is there already. Nothing was written. */
  | { readonly kind: 'refused' }

/**
 * Commits shares in the cheapest way there is: COPY in its binary form, under the open epoch, held
 * FOR SHARE. It knows no `on conflict`, so a single one that is there already refuses them all.
 */
export async function copyShares(
  db: Kysely<Database>,
  shares: readonly ShareRow[],
): Promise<ShareCopyOutcome> {
  if (!shares.every(fitsColumns)) return { kind: 'refused' }
  try {
    const rows = (epoch: string | null) => (epoch === null ? null : packed(shares, BigInt(epoch)))
    const { kind } = await copyIn(db, { select: OPEN_EPOCH, copy: COPY, rows })
    return { kind: kind === 'copied' ? 'committed' : 'no open epoch' }
  } catch (error) {
    if (isRefusal(error)) return { kind: 'refused' }
    throw error
  }
}

/** SQLSTATE classes of bad data and of broken constraints. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return typeof error.code === 'string' && /^2[23]/.test(error.code)
}

/** A number that does not fit would be cut to one that does, and be no error any more. */
function fitsColumns({ height, difficultyLog2, hash, header, extranonce2 }: ShareRow): boolean {
  const isWhole = Math.abs(height) <= INT32_MAX && Math.abs(difficultyLog2) <= INT16_MAX
  return (
    isWhole &&
    hash.length === COLUMNS.hash.bytes &&
    header.length === COLUMNS.header.bytes &&
    extranonce2.length === COLUMNS.extranonce2.bytes
  )
}

function packed(shares: readonly ShareRow[], epoch: bigint): Buffer {
  const { bytes, firstRow } = binaryCopy(shares.length * rowBytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let row = firstRow
  for (const share of shares) {
    bytes.set(EMPTY_ROW, row)
    view.setInt32(row + COLUMNS.height.at, share.height)
    bytes.set(share.hash, row + COLUMNS.hash.at)
    view.setBigInt64(row + COLUMNS.epoch_id.at, epoch)
    view.setBigInt64(row + COLUMNS.account_id.at, share.accountId)
    view.setBigInt64(row + COLUMNS.worker_id.at, share.workerId)
    view.setBigInt64(row + COLUMNS.session_id.at, share.sessionId)
    view.setBigInt64(row + COLUMNS.job_id.at, share.jobId)
    view.setInt16(row + COLUMNS.difficulty_log2.at, share.difficultyLog2)
    bytes.set(share.header, row + COLUMNS.header.at)
    bytes.set(share.extranonce2, row + COLUMNS.extranonce2.at)
    view.setBigInt64(row + COLUMNS.received_ms.at, BigInt(share.receivedAt))
    row += rowBytes
  }
  return bytes
}
