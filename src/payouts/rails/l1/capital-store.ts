import type { Kysely } from 'kysely'
import { toHex } from '../../../lib/bytes.ts'
import type { Database, Wallet } from '../../../lib/db/schema.ts'
import { journalKey } from '../../../lib/ids.ts'
import type { Clock } from '../../../lib/time.ts'
import {
  type CapitalOutcome,
  type CoinBook,
  capitalBooked,
  postCapital,
} from '../../capital-store.ts'
import { type Outpoint, outpointText } from '../../outpoint.ts'
import { versionsAmong } from '../../version-store.ts'
import { awaitedScripts } from '../../withdrawal-store.ts'
import { coinbaseBlocks } from './coin-client.ts'
import { bookedBlocks, floatAccount, noteCoins, notedAmong } from './coin-store.ts'
import type { Unspent, WalletClient } from './wallet-client.ts'

export type CapitalParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly wallets: readonly { readonly wallet: Wallet; readonly client: WalletClient }[]
  /** Confirmations that a coin must have. */
  readonly finality: number
}

const BOOK: CoinBook = {
  notedAmong: (db, coins) => notedAmong(db, coins.map(outpointText)),
  isAnyUnder: async (tx, key) => {
    const query = tx.selectFrom('float_coins').select('txid').where('journal_key', '=', key)
    return (await query.executeTakeFirst()) !== undefined
  },
}

/**
 * Books coins that the owner put into a wallet of the pool. What each is worth is read from the
 * node. It moves no coin.
 *
 * @param id the name of this capital, so that a repeat books once
 */
export async function bookCapital(
  parts: CapitalParts,
  { id, outpoints }: { readonly id: string; readonly outpoints: readonly Outpoint[] },
): Promise<CapitalOutcome> {
  const { db, clock, wallets, finality } = parts
  const key = journalKey(`capital:${id}`)
  const asked = { key, coins: outpoints, place: 'in a wallet of the main chain' }
  const booked = await capitalBooked(db, asked, BOOK)
  if (booked !== null) return booked
  const found = await findCoins(wallets, outpoints, finality)
  if (found.kind === 'refused') return found
  const { wallet, client, coins } = found
  const refusal = await notCapital(db, client, coins)
  if (refusal !== null) return refused(refusal)
  const at = clock.now()
  const capital = { wallet, origin: 'capital' as const, journalKey: key }
  const noted = coins.map(coin => ({ ...coin, ...capital }))
  return postCapital(
    db,
    { key, coins, at, account: floatAccount(wallet), place: `in the ${wallet} wallet` },
    { ...BOOK, note: tx => noteCoins(tx, noted, at) },
  )
}

type Found =
  | {
      readonly kind: 'found'
      readonly wallet: Wallet
      readonly client: WalletClient
      readonly coins: readonly Unspent[]
    }
  | { readonly kind: 'refused'; readonly reason: string }

/** All the coins in one of the wallets, deep enough. */
async function findCoins(
  wallets: CapitalParts['wallets'],
  outpoints: readonly Outpoint[],
  finality: number,
): Promise<Found> {
  const wanted = new Set(outpoints.map(outpointText))
  for (const { wallet, client } of wallets) {
    const listed = await client.unspent(1)
    const coins = listed.filter(coin => wanted.has(outpointText(coin)))
    if (coins.length === 0) continue
    if (coins.length < wanted.size) return refused('not all of the coins are in one wallet')
    if (coins.some(({ isSpendable }) => !isSpendable))
      return refused('only native segwit coins of the wallet can be spent')
    if (coins.some(({ confirmations }) => confirmations < finality))
      return refused(`a coin has less than ${finality} confirmations`)
    return { kind: 'found', wallet, client, coins }
  }
  return refused('no wallet of the pool has such an unspent coin')
}

function refused(reason: string) {
  return { kind: 'refused' as const, reason }
}

/** What the pool earned, or left over of its own, was booked already and is nobody's capital. */
async function notCapital(
  db: Kysely<Database>,
  client: WalletClient,
  coins: readonly Unspent[],
): Promise<string | null> {
  const ours = await versionsAmong(
    db,
    coins.map(({ txid }) => txid),
  )
  if (ours.size > 0) return `${[...ours][0]} is a transaction of a batch`
  const awaited = await awaitedScripts(db)
  if (coins.some(({ script }) => awaited.has(toHex(script))))
    return 'a withdrawal of the pool is awaited at its address'
  const blocks = await coinbaseBlocks(client, coins)
  const booked = await bookedBlocks(db, [...blocks.values()])
  return booked.size > 0 ? `block ${[...booked.keys()][0]} is one that the pool found` : null
}
