import { type Kysely, sql } from 'kysely'
import { chartAccount, mergeLegs, postEntries } from '../../../ledger/index.ts'
import { assert } from '../../../lib/assert.ts'
import { toHex } from '../../../lib/bytes.ts'
import type { Database, Wallet } from '../../../lib/db/schema.ts'
import { type JournalKey, journalKey } from '../../../lib/ids.ts'
import { millisats, msatsFromSats, type Sats, sats } from '../../../lib/money.ts'
import type { Clock } from '../../../lib/time.ts'
import { recordEvent } from '../../../treasury/index.ts'
import type { Outpoint } from '../../outpoint.ts'
import { outpointText } from '../../outpoint.ts'
import { versionsAmong } from '../../version-store.ts'
import { awaitedScripts } from '../thunder/withdrawal-store.ts'
import { coinbaseBlocks } from './coin-client.ts'
import { bookedBlocks, floatAccount, noteCoins, notedAmong } from './coin-store.ts'
import type { Unspent, WalletClient } from './wallet-client.ts'

/** Coins booked by one command; more are booked under a further name. */
export const CAPITAL_COINS_MAX = 100

/** What became of capital; only `booked` and `repeated` mean that the books hold it. */
export type CapitalOutcome =
  | { readonly kind: 'booked' | 'repeated'; readonly amount: Sats; readonly wallet: Wallet }
  /** The name stands for other coins. Nothing was written. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'refused'; readonly reason: string }

export type CapitalParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly wallets: readonly { readonly wallet: Wallet; readonly client: WalletClient }[]
  /** Confirmations that a coin must have. */
  readonly finality: number
}

/**
 * Books coins that the owner put into a wallet of the pool: the float grows, and the pool owes it
 * to nobody but its owner. What each is worth is read from the node. It moves no coin.
 *
 * @param id the name of this capital, so that a repeat books once
 */
export async function bookCapital(
  parts: CapitalParts,
  { id, outpoints }: { readonly id: string; readonly outpoints: readonly Outpoint[] },
): Promise<CapitalOutcome> {
  assert(outpoints.length > 0 && outpoints.length <= CAPITAL_COINS_MAX, 'some coins, and not many')
  const { db, wallets, finality } = parts
  const key = journalKey(`capital:${id}`)
  const names = outpoints.map(outpointText)
  const noted = await notedAmong(db, names)
  const other = noted.find(coin => coin.journalKey !== key)
  if (other) return refused(`${outpointText(other)} was booked as ${other.journalKey}`)
  const [first] = noted
  if (first && noted.length === names.length)
    return { kind: 'repeated', amount: sumOf(noted), wallet: first.wallet }
  const found = await findCoins(wallets, outpoints, finality)
  if (found.kind === 'refused') return found
  const refusal = await notCapital(db, found.client, found.coins)
  return refusal === null ? post(parts, key, found) : refused(refusal)
}

async function post(
  { db, clock }: CapitalParts,
  key: JournalKey,
  { wallet, coins }: Extract<Found, { kind: 'found' }>,
): Promise<CapitalOutcome> {
  const at = clock.now()
  const amount = sumOf(coins)
  const legs = mergeLegs([
    { account: floatAccount(wallet), amount: msatsFromSats(amount) },
    { account: chartAccount('treasuryCapital'), amount: millisats(-msatsFromSats(amount)) },
  ])
  return db.transaction().execute(async (tx): Promise<CapitalOutcome> => {
    // One at a time, or two commands could each book a coin that neither had found booked.
    await sql`select pg_advisory_xact_lock(hashtext('capital'))`.execute(tx)
    const [taken] = await notedAmong(tx, coins.map(outpointText))
    if (taken && taken.journalKey !== key)
      return refused(`${outpointText(taken)} was booked as ${taken.journalKey}`)
    const [outcome] = await postEntries(tx, [{ key, event: 'capital put in', legs, at }])
    assert(outcome !== undefined, 'every entry has its outcome')
    const under = await tx
      .selectFrom('float_coins')
      .select('txid')
      .where('journal_key', '=', key)
      .executeTakeFirst()
    // Older books may have the entry without its coins, but never one entry for two sets of them.
    if (outcome.kind === 'conflict' || under !== undefined) return { kind: 'conflict' }
    assert(outcome.kind !== 'overdrawn', 'capital only adds to the float')
    const capital = { wallet, origin: 'capital' as const, journalKey: key }
    await noteCoins(
      tx,
      coins.map(coin => ({ ...coin, ...capital })),
      at,
    )
    const detail = { wallet, amountSats: String(amount), coins: coins.map(outpointText) }
    await recordEvent(tx, { at, actor: 'host', action: 'book capital', subject: key, detail })
    return { kind: 'booked', amount, wallet }
  })
}

function sumOf(coins: readonly { readonly value: Sats }[]): Sats {
  return sats(coins.reduce((sum, { value }) => sum + value, 0n))
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
  if (wanted.size < outpoints.length) return refused('a coin is named twice')
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
