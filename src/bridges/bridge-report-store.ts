import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, type Txid, txid, type UnixMs, unixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'

/** Moves that are shown, the newest first. */
const SHOWN_MAX = 50

/** A move of our float to another rail, as it was last seen. */
export type BridgeReport = {
  readonly bridge: 'thunder' | 'lightning'
  readonly batch: BatchId
  readonly amount: Sats
  /** On the main chain and not credited, or no channel yet; or credited, or a channel. */
  readonly state: 'transit' | 'credited'
  /** Of the main chain: what was deposited; what came to lnd's wallet, and then the channel. */
  readonly coin: { readonly txid: Txid; readonly vout: number }
  readonly changedAt: UnixMs
}

/** The newest moves that the main chain has for good. */
export async function listMoves(db: Kysely<Database>): Promise<BridgeReport[]> {
  const all = [...(await listDeposits(db)), ...(await listChannels(db))]
  return all.toSorted((a, b) => (a.batch > b.batch ? -1 : 1)).slice(0, SHOWN_MAX)
}

async function listDeposits(db: Kysely<Database>): Promise<BridgeReport[]> {
  const rows = await db
    .selectFrom('bridge_moves')
    .selectAll()
    .orderBy('batch_id', 'desc')
    .limit(SHOWN_MAX)
    .execute()
  return rows.map(row => ({
    bridge: 'thunder',
    batch: batchId(row.batch_id),
    amount: sats(row.amount_sats),
    state: row.state,
    coin: { txid: txid(row.txid), vout: row.vout },
    changedAt: unixMs(Number(row.changed_ms)),
  }))
}

async function listChannels(db: Kysely<Database>): Promise<BridgeReport[]> {
  const { rows } = await sql<{
    id: bigint
    total: bigint
    state: 'transit' | 'credited'
    txid: string
    vout: number
    changed: bigint
  }>`
    select batches.id, total_sats as total,
           case when opened_ms is null then 'transit' else 'credited' end as state,
           coalesce(opening.txid, version.txid) as txid, coalesce(opening.vout, 0) as vout,
           coalesce(opened_ms, ended_ms) as changed
      from batches
      join batch_versions version on version.batch_id = batches.id and version = paid_version
      left join channel_openings opening on opening.batch_id = batches.id
     where purpose = 'channel' and state = 'settled'
     order by batches.id desc
     limit ${SHOWN_MAX}`.execute(db)
  return rows.map(row => ({
    bridge: 'lightning',
    batch: batchId(row.id),
    amount: sats(row.total),
    state: row.state,
    coin: { txid: txid(row.txid), vout: row.vout },
    changedAt: unixMs(Number(row.changed)),
  }))
}
