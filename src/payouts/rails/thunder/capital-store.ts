import type { Kysely } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import { journalKey } from '../../../lib/ids.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import { outputTotal } from '../../../lib/thunder/transaction.ts'
import type { Clock } from '../../../lib/time.ts'
import {
  type CapitalOutcome,
  type CoinBook,
  capitalBooked,
  postCapital,
} from '../../capital-store.ts'
import { type Outpoint, outpointText } from '../../outpoint.ts'
import { versionsAmong } from '../../version-store.ts'
import { chainsOf } from './chains-client.ts'
import { notedThunderCoins, noteThunderCoins } from './coin-store.ts'
import { THUNDER_BOOKS } from './thunder-books.ts'
import type { ThunderWatch } from './thunder-parts.ts'
import { outpointOf, type ThunderCoin } from './transaction.ts'
import { isYoung, youngBlocks } from './young-client.ts'

export type ThunderCapitalParts = ThunderWatch & {
  readonly db: Kysely<Database>
  readonly clock: Clock
  /** Ours. */
  readonly addresses: readonly ThunderAddress[]
  /** Confirmations of the main block from which on what it brought is final. */
  readonly finality: number
}

const PLACE = 'on Thunder'

const BOOK: CoinBook = {
  notedAmong: async (db, coins) => {
    const noted = [...(await notedThunderCoins(db, coins)).values()]
    return noted.map(coin => ({ ...coin, ...outpointOf(coin) }))
  },
  isAnyUnder: async (tx, key) => {
    const query = tx.selectFrom('thunder_coins').select('txid').where('journal_key', '=', key)
    return (await query.executeTakeFirst()) !== undefined
  },
}

/**
 * Books coins that the owner sent to our addresses on Thunder, or deposited to them, past the pool.
 * What each is worth is read from the node. It moves no coin. Node trouble is thrown.
 *
 * @param id the name of this capital, on whatever rail, so that a repeat books once
 */
export async function bookThunderCapital(
  parts: ThunderCapitalParts,
  { id, outpoints }: { readonly id: string; readonly outpoints: readonly Outpoint[] },
): Promise<CapitalOutcome> {
  const { db, clock } = parts
  const key = journalKey(`capital:${id}`)
  const booked = await capitalBooked(db, { key, coins: outpoints, place: PLACE }, BOOK)
  if (booked !== null) return booked
  const found = await findCoins(parts, outpoints)
  if ('reason' in found) return { kind: 'refused', reason: found.reason }
  const at = clock.now()
  const coins = found.map(coin => ({ ...coin, ...outpointOf(coin) }))
  const noted = found.map(coin => ({ ...coin, origin: 'capital' as const, journalKey: key }))
  return postCapital(
    db,
    { key, coins, at, account: THUNDER_BOOKS.float, place: PLACE },
    { ...BOOK, note: tx => noteThunderCoins(tx, noted, at) },
  )
}

/** All the coins, where they are ours, final, and nothing that the pool itself made. */
async function findCoins(
  parts: ThunderCapitalParts,
  outpoints: readonly Outpoint[],
): Promise<readonly ThunderCoin[] | { readonly reason: string }> {
  const { db, client, node, addresses, finality } = parts
  const ours = await versionsAmong(
    db,
    outpoints.map(({ txid }) => txid),
  )
  if (ours.size > 0) return { reason: `${[...ours][0]} is a transaction of a batch` }
  const chains = chainsOf(parts)
  const young = await youngBlocks(chains, finality)
  if ('reason' in young) return young
  const wanted = new Set(outpoints.map(outpointText))
  const coins: ThunderCoin[] = []
  for (const { outPoint, output } of await client.getUtxos(addresses)) {
    if (!wanted.has(outpointText(outpointOf({ outPoint })))) continue
    if (output.content.kind !== 'value') return { reason: 'a withdrawal is spent by nobody' }
    if (await isYoung({ chains, node }, outPoint, { young, finality }))
      return { reason: `a coin has less than ${finality} confirmations of the main chain` }
    coins.push({ outPoint, address: output.address, value: outputTotal(output) })
  }
  if (coins.length === wanted.size) return coins
  return { reason: 'no address of the pool on Thunder has such an unspent coin' }
}
