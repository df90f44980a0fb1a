import type { Kysely } from 'kysely'
import { balancesOf } from '../../../ledger/index.ts'
import type { Database } from '../../../lib/db/schema.ts'
import { txid } from '../../../lib/ids.ts'
import type { Log } from '../../../lib/log.ts'
import { millisats } from '../../../lib/money.ts'
import type { ThunderClient } from '../../../lib/nodes/thunder-client.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import { addressPayload } from '../../../lib/thunder/address.ts'
import type { Coin as ThunderUtxo } from '../../../lib/thunder/json.ts'
import { outputTotal } from '../../../lib/thunder/transaction.ts'
import type { Clock } from '../../../lib/time.ts'
import { lastCheck, writeCheck } from '../../float-check-store.ts'
import { orWaits } from '../../node-trouble-client.ts'
import { outpointText } from '../../outpoint.ts'
import type { Coin } from '../../rail.ts'
import { type Reconciled, type Reconciler, reconcilerOf } from '../../reconciler.ts'
import { versionsAmong } from '../../version-store.ts'
import {
  foldThunder,
  heldAmong,
  lostThunderCoins,
  type NotedThunderCoin,
  notedThunderCoins,
  openThunderBatches,
  openThunderCoins,
} from './coin-store.ts'
import { judgeThunder, type MissingCoin, thunderOnTheWay } from './reconcile.ts'
import { THUNDER_BOOKS } from './thunder-books.ts'
import { outpointOf } from './transaction.ts'

const FLOAT = { rail: 'thunder', wallet: 'hot' } as const

export type ThunderReconcileParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly network: string
  readonly client: ThunderClient
  readonly addresses: readonly ThunderAddress[]
  /** Why the chains decide nothing now, or null. */
  readonly complaint: () => Promise<string | null>
}

/**
 * Compares our coins on Thunder with the books: notes the change of settled batches, shows what
 * somebody sent us, and freezes the rail where coins went elsewhere or the sums differ.
 */
export function thunderReconciler(parts: ThunderReconcileParts): Reconciler {
  return reconcilerOf('reconcile-thunder', parts.log, () => orWaits(() => reconcile(parts)))
}

async function reconcile(parts: ThunderReconcileParts): Promise<Reconciled> {
  const { db, clock, client, addresses, network } = parts
  const reason = await parts.complaint()
  if (reason !== null) return { kind: 'waits', reason }
  await foldThunder(db, clock.now())
  // What is open is read before the node is asked, and versions after it: so a coin that is not
  // listed was there, and whatever of ours has spent it is known by now.
  const known = await openThunderCoins(db)
  const listed = await client.getUtxos(addresses)
  const unspent = new Set(listed.map(nameOf))
  const missing = await fatesOf(
    client,
    known.filter(coin => !unspent.has(nameOf(coin))),
  )
  const spenders = missing.flatMap(({ fate }) => (fate.kind === 'spent' ? [fate.by] : []))
  const versions = await versionsAmong(db, spenders)
  const books = await readBooks(db)
  const verdict = judgeThunder({ ...books, missing, versions })
  if (verdict.kind === 'waits') return verdict
  const since = await lastCheck(db, FLOAT)
  const finding = verdict.kind === 'finding' ? verdict.finding : null
  const chain = known.filter(coin => unspent.has(nameOf(coin))).map(coinOf)
  const held = await heldAmong(db, chain)
  const check = {
    block: null,
    ledger: books.ledger,
    ...{ chain, free: chain.filter(coin => !held.has(outpointText(coin))) },
    onTheWay: thunderOnTheWay(books),
    foreign: await foreignAmong(db, listed),
    ...{ finding, isKnown: finding !== null && finding === since.finding },
  }
  await writeCheck(db, FLOAT, check, { network, at: clock.now() })
  return { kind: 'compared', findings: finding === null ? [] : [finding] }
}

/** What became of coins that Thunder does not list, by what their addresses have spent. */
async function fatesOf(
  client: ThunderClient,
  coins: readonly NotedThunderCoin[],
): Promise<readonly MissingCoin[]> {
  if (coins.length === 0) return []
  const spent = await client.getStxos([...new Set(coins.map(({ address }) => address))])
  const inPoints = new Map(spent.map(each => [nameOf(each), each.inPoint]))
  return coins.map((coin): MissingCoin => {
    const inPoint = inPoints.get(nameOf(coin))
    if (inPoint === undefined) return { coin, fate: { kind: 'not there' } }
    if (inPoint.kind === 'withdrawal') return { coin, fate: { kind: 'withdrawn' } }
    return { coin, fate: { kind: 'spent', by: inPoint.txid } }
  })
}

/**
 * What is neither in the books nor of a batch of ours: change of what is not settled yet, and a deposit
 * that is not booked yet, whose coin has the id of its transaction on the main chain.
 */
async function foreignAmong(
  db: Kysely<Database>,
  listed: readonly ThunderUtxo[],
): Promise<readonly Coin[]> {
  const coins = listed.map(({ outPoint, output }) =>
    coinOf({ outPoint, address: output.address, value: outputTotal(output) }),
  )
  const noted = await notedThunderCoins(db, coins)
  const lost = await lostThunderCoins(db)
  const isBooked = (name: string) => noted.has(name) && !lost.has(name)
  const strange = coins.filter(coin => !isBooked(outpointText(coin)))
  const ours = await versionsAmong(
    db,
    strange.map(coin => coin.txid),
  )
  return strange.filter(coin => !ours.has(txid(coin.txid)))
}

/** The books as of one moment. */
async function readBooks(db: Kysely<Database>) {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async tx => {
      const account = THUNDER_BOOKS.float
      return {
        ledger: (await balancesOf(tx, [account])).get(account) ?? millisats(0n),
        open: await openThunderCoins(tx),
        batches: await openThunderBatches(tx),
      }
    })
}

function nameOf({ outPoint }: Pick<NotedThunderCoin, 'outPoint'>): string {
  return outpointText(outpointOf({ outPoint }))
}

function coinOf(coin: Pick<NotedThunderCoin, 'outPoint' | 'address' | 'value'>): Coin {
  return { ...outpointOf(coin), value: coin.value, script: addressPayload(coin.address) }
}
