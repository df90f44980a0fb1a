import { type Kysely, sql } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import { type BatchId, batchId, type Txid, txid } from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'

/** Such a batch has one payee, who comes first. */
const PAYEE_VOUT = 0
/** Read at once; the others come when these have become channels. */
const FUNDS_MAX = 50

/** What a settled batch brought to the wallet of our lnd, and is no channel yet. */
export type ChannelFunds = {
  readonly batch: BatchId
  readonly coin: { readonly txid: Txid; readonly vout: number }
  readonly amount: Sats
  readonly manifest: Uint8Array
}

/** Funds that wait for their channel, the oldest first. */
export async function channelFunds(db: Kysely<Database>): Promise<ChannelFunds[]> {
  const { rows } = await sql<{ id: bigint; txid: string; total: bigint; manifest: Uint8Array }>`
    select batches.id, version.txid, total_sats as total, manifest
      from batches
      join batch_versions version on version.batch_id = batches.id and version = paid_version
     where purpose = 'channel' and state = 'settled'
       and not exists (select from channel_openings opening where opening.batch_id = batches.id)
     order by batches.id
     limit ${FUNDS_MAX}`.execute(db)
  return rows.map(row => ({
    batch: batchId(row.id),
    coin: { txid: txid(row.txid), vout: PAYEE_VOUT },
    amount: sats(row.total),
    manifest: new Uint8Array(row.manifest),
  }))
}
