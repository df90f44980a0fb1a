import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { UnixMs } from '../lib/ids.ts'
import { type ArrivedFunds, type OpenedChannel, openedEntry } from './channel.ts'
import { type StoreOutcome, storeWithEntry } from './posting-store.ts'

/** Stores what a batch became, with its entry, in one commit; a repeat changes nothing. */
export async function storeOpened(
  db: Kysely<Database>,
  funds: ArrivedFunds,
  channel: OpenedChannel,
  at: UnixMs,
): Promise<StoreOutcome> {
  return storeWithEntry(db, {
    entry: openedEntry(funds, channel, at),
    noteCoin: null,
    update: async tx => {
      const { numInsertedOrUpdatedRows } = await tx
        .insertInto('channel_openings')
        .values({
          batch_id: funds.batch,
          amount_sats: funds.amount,
          ...{ txid: channel.coin.txid, vout: channel.coin.vout, peer: channel.peer },
          capacity_sats: channel.capacity,
          left_sats: channel.left,
          fee_sats: channel.fee,
          opened_ms: BigInt(at),
        })
        .onConflict(conflict => conflict.column('batch_id').doNothing())
        .executeTakeFirst()
      return (numInsertedOrUpdatedRows ?? 0n) > 0n
    },
  })
}
