import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Database, Wallet } from '../lib/db/schema.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import { type Millisats, millisats, type Sats, sats } from '../lib/money.ts'

const foreignCoins = z.array(
  z.object({ txid: z.string(), vout: z.number(), valueSats: z.string() }),
)

/** A wallet of ours as the last comparison with the books has seen it. */
export type FloatReport = {
  readonly rail: string
  readonly wallet: Wallet
  /** What the ledger holds. */
  readonly ledger: Millisats
  /** Coins of ours that the chain and the mempool leave unspent, and those that batches hold. */
  readonly chain: Sats
  readonly reserved: Sats
  /** In satoshis: `ledger = open coins + on the way`; below zero while batches are on their way. */
  readonly onTheWay: bigint
  /** What strangers pushed into it, never spent and never counted; the list may be cut. */
  readonly foreign: Sats
  readonly foreignCoins: z.infer<typeof foreignCoins>
  readonly checkedAt: UnixMs
  /** What differs; null where books and wallet agree. */
  readonly finding: string | null
}

/** Every wallet that was compared at least once; of the main chain's the hot one last. */
export async function listFloats(db: Kysely<Database>): Promise<FloatReport[]> {
  const rows = await db
    .selectFrom('float_checks')
    .selectAll()
    .orderBy('rail')
    .orderBy('wallet')
    .execute()
  return rows.map(row => ({
    rail: row.rail,
    wallet: row.wallet,
    ledger: millisats(row.ledger_msat),
    chain: sats(row.chain_sats),
    reserved: sats(row.reserved_sats),
    onTheWay: row.on_way_sats,
    foreign: sats(row.foreign_sats),
    foreignCoins: foreignCoins.parse(row.foreign_coins),
    checkedAt: unixMs(Number(row.at_ms)),
    finding: row.finding,
  }))
}
