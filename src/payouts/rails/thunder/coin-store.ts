import type { Transaction } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import type { JournalKey, UnixMs } from '../../../lib/ids.ts'
import type { ThunderCoin } from './transaction.ts'

/** A coin on Thunder that is ours to spend, with the entry of the ledger that booked it. */
export type NotedThunderCoin = ThunderCoin & {
  readonly origin: Database['thunder_coins']['origin']
  readonly journalKey: JournalKey
}

/** Notes coins, each once for ever: a repeat changes nothing. */
export async function noteThunderCoins(
  tx: Transaction<Database>,
  coins: readonly NotedThunderCoin[],
  at: UnixMs,
): Promise<void> {
  if (coins.length === 0) return
  await tx
    .insertInto('thunder_coins')
    .values(
      coins.map(({ outPoint, address, value, origin, journalKey }) => ({
        txid: outPoint.hash,
        ...{ vout: outPoint.vout, kind: outPoint.kind, address, origin },
        value_sats: value,
        journal_key: journalKey,
        noted_ms: BigInt(at),
      })),
    )
    .onConflict(conflict => conflict.doNothing())
    .execute()
}
