import type { Kysely } from 'kysely'
import { balancesOf, chartAccount } from '../ledger/index.ts'
import type { Database } from '../lib/db/schema.ts'
import { type Sats, sats } from '../lib/money.ts'
import { payableOn } from './demand-store.ts'
import { totalUnderWay } from './own-manifest-store.ts'
import { totalWithdrawing } from './withdrawal-store.ts'

/**
 * What Thunder's float has and should have, by the ledger and the batches that are on their way,
 * whatever nodes say at present. All of one moment: a deposit that settles between two looks would
 * stand in neither, and be made again.
 */
export async function thunderNeed(db: Kysely<Database>): Promise<{
  readonly float: Sats
  readonly coming: Sats
  readonly leaving: Sats
  readonly due: Sats
}> {
  const [float, transit] = [chartAccount('thunderFloat'), chartAccount('thunderTransit')]
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async tx => {
      const balances = await balancesOf(tx, [float, transit])
      const held = (account: typeof float) => (balances.get(account) ?? 0n) / 1000n
      return {
        float: sats(held(float)),
        coming: sats(held(transit) + (await totalUnderWay(tx, 'deposit'))),
        leaving: await totalWithdrawing(tx),
        due: await payableOn(tx, { rail: 'thunder', kind: 'thunder' }),
      }
    })
}
