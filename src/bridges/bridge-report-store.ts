import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, type Txid, txid, type UnixMs, unixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'

/** Moves that are shown, the newest first. */
const SHOWN_MAX = 50

/** A move of our float to another rail, as it was last seen. */
export type BridgeReport = {
  readonly batch: BatchId
  readonly amount: Sats
  /** On the main chain and not credited, or credited. */
  readonly state: 'transit' | 'credited'
  readonly coin: { readonly txid: Txid; readonly vout: number }
  readonly changedAt: UnixMs
}

/** The newest moves that the main chain has for good. */
export async function listMoves(db: Kysely<Database>): Promise<BridgeReport[]> {
  const rows = await db
    .selectFrom('bridge_moves')
    .selectAll()
    .orderBy('batch_id', 'desc')
    .limit(SHOWN_MAX)
    .execute()
  return rows.map(row => ({
    batch: batchId(row.batch_id),
    amount: sats(row.amount_sats),
    state: row.state,
    coin: { txid: txid(row.txid), vout: row.vout },
    changedAt: unixMs(Number(row.changed_ms)),
  }))
}
