import type { Kysely } from 'kysely'
import { balancesOf, chartAccount } from '../ledger/index.ts'
import type { Database } from '../lib/db/schema.ts'
import type { UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { payableOn } from './demand-store.ts'
import { totalUnderWay } from './own-manifest-store.ts'
import { totalWithdrawing } from './withdrawal-store.ts'

type Need = {
  readonly float: Sats
  readonly coming: Sats
  readonly leaving: Sats
  readonly due: Sats
}

/** What Thunder's float has and should have. */
export function thunderNeed(db: Kysely<Database>, now: UnixMs): Promise<Need> {
  const assets = { float: 'thunderFloat', transit: 'thunderTransit' } as const
  const of = { ...assets, rail: 'thunder', purpose: 'deposit', leaving: totalWithdrawing } as const
  return needOf(db, of, now)
}

/** What our side of the channels has and should have; no bridge leads back from there. */
export function lightningNeed(db: Kysely<Database>, now: UnixMs): Promise<Need> {
  const assets = { float: 'lightningFloat', transit: 'lightningTransit' } as const
  const leaving = async () => sats(0n)
  return needOf(db, { rail: 'lightning', purpose: 'channel', ...assets, leaving }, now)
}

/**
 * By the ledger and the batches that are on their way, whatever nodes say at present. All of one
 * moment: a move that settles between two looks would stand in neither, and be made again.
 */
async function needOf(
  db: Kysely<Database>,
  of: {
    readonly rail: 'thunder' | 'lightning'
    readonly float: Parameters<typeof chartAccount>[0]
    readonly transit: Parameters<typeof chartAccount>[0]
    readonly purpose: 'deposit' | 'channel'
    readonly leaving: (db: Kysely<Database>) => Promise<Sats>
  },
  now: UnixMs,
): Promise<Need> {
  const [float, transit] = [chartAccount(of.float), chartAccount(of.transit)]
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async tx => {
      const balances = await balancesOf(tx, [float, transit])
      const held = (account: typeof float) => (balances.get(account) ?? 0n) / 1000n
      return {
        float: sats(held(float)),
        coming: sats(held(transit) + (await totalUnderWay(tx, of.purpose))),
        leaving: await of.leaving(tx),
        due: await payableOn(tx, { rail: of.rail, kind: of.rail }, now),
      }
    })
}
