import type { Kysely } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import { journalKey } from '../../../lib/ids.ts'
import { type LossOutcome, postLoss } from '../../loss-store.ts'
import { isSame, type Outpoint, outpointText } from '../../outpoint.ts'
import { versionsAmong } from '../../version-store.ts'
import type { CapitalParts } from './capital-store.ts'
import { floatAccount, openCoins } from './coin-store.ts'
import type { NotedCoin } from './coins.ts'

/**
 * Books a coin that is lost for good as an expense, after people have looked: something that is no
 * version of a batch has spent it, as deep as anything final. The coin stays noted and counts no
 * more. A coin that is there, or that a batch holds, is not written off.
 */
export async function writeOff(
  parts: CapitalParts,
  { outpoint, reason }: { readonly outpoint: Outpoint; readonly reason: string },
): Promise<LossOutcome> {
  const coin = (await openCoins(parts.db)).find(each => isSame(each, outpoint))
  if (!coin) return refused('the books have no such coin, or it is spent')
  const complaint = await notLost(parts, coin)
  if (complaint !== null) return refused(complaint)
  const at = parts.clock.now()
  return parts.db.transaction().execute(async (tx): Promise<LossOutcome> => {
    const holder = await holderOf(tx, coin)
    if (holder !== null) return refused(`batch ${holder} holds it`)
    const { txid, vout, wallet } = coin
    const key = journalKey(`loss:${outpointText(coin)}`)
    const place = `of the ${wallet} wallet`
    const outcome = await postLoss(tx, {
      ...{ key, coin, reason, at, place },
      account: floatAccount(wallet),
    })
    await tx
      .insertInto('float_losses')
      .values({ txid, vout, journal_key: key, reason, noted_ms: BigInt(at) })
      .execute()
    return outcome
  })
}

async function notLost(
  { db, wallets, finality }: CapitalParts,
  coin: NotedCoin,
): Promise<string | null> {
  const client = wallets.find(({ wallet }) => wallet === coin.wallet)?.client
  if (!client) return `there is no ${coin.wallet} wallet`
  if (await client.isUnspent(coin)) return 'the chain has it unspent'
  const by = await client.spenderOf(coin)
  if (by === null) return 'the wallet does not know what spent it'
  if ((await versionsAmong(db, [by])).size > 0) return `${by} is a transaction of a batch`
  const depth = await client.depthOf(by)
  return depth < finality ? `${by} has spent it, not yet for good` : null
}

async function holderOf(db: Kysely<Database>, { txid, vout }: Outpoint): Promise<bigint | null> {
  const row = await db
    .selectFrom('reserved_outputs')
    .select('batch_id')
    .where('txid', '=', txid)
    .where('vout', '=', vout)
    .where('released_ms', 'is', null)
    .executeTakeFirst()
  return row?.batch_id ?? null
}

function refused(reason: string): LossOutcome {
  return { kind: 'refused', reason }
}
