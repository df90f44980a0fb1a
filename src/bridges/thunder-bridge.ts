import type { Kysely, Transaction } from 'kysely'
import { assert, unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { BatchId, JournalKey, Txid, UnixMs } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Sats } from '../lib/money.ts'
import type { ThunderAddress } from '../lib/thunder/address.ts'
import type { Clock } from '../lib/time.ts'
import type { Bridge } from './bridge.ts'
import { addMove, movesAmong, movesInTransit, newestMove, storeChange } from './bridge-store.ts'
import { type Arrival, look, type Move, moveOf, type Sight } from './move.ts'

/** A coin that Thunder has credited. */
export type CreditedCoin = { readonly coin: Arrival['coin']; readonly value: Sats }

/** The newest side block, and how deep the main block with its M7 is. */
export type SideTip = { readonly hash: string; readonly confirmations: number }

/** What the bridge asks of nodes. Their trouble is thrown, and the next run asks again. */
export type ThunderView = {
  /** Where Thunder's tip stands; null while it has none, or not on the main chain of now. */
  readonly tip: () => Promise<SideTip | null>
  /** What deposits have credited to these addresses, spent or not. */
  readonly credited: (addresses: readonly ThunderAddress[]) => Promise<readonly CreditedCoin[]>
  /** How deep a transaction of ours is on the main chain; 0 where no block has it. */
  readonly depthOf: (id: Txid) => Promise<number>
}

export type ThunderBridgeParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly view: ThunderView
  readonly need: Bridge['need']
  /** Plans a deposit. */
  readonly fill: Bridge['fill']
  /** Deposits that the main chain has for good, those behind a batch and those asked for. */
  readonly settled: (which: {
    readonly after: BatchId | null
    readonly also: readonly BatchId[]
  }) => Promise<readonly Arrival[]>
  /** Notes a coin as ours to spend on Thunder, under the entry that booked it. */
  readonly noteCoin: (
    tx: Transaction<Database>,
    coin: Arrival & { readonly journalKey: JournalKey },
    at: UnixMs,
  ) => Promise<void>
}

/** The way to Thunder by deposits (BIP 300, M5). */
export function thunderBridge(parts: ThunderBridgeParts): Bridge {
  const { need, fill } = parts
  return { name: 'thunder', need, fill, follow: () => follow(parts) }
}

async function follow(parts: ThunderBridgeParts): Promise<void> {
  const { db, settled, clock } = parts
  const waiting = (await movesInTransit(db)).map(({ batch }) => batch)
  const arrivals = await settled({ after: await newestMove(db), also: waiting })
  if (arrivals.length === 0) return
  for (const arrival of arrivals) await addMove(db, moveOf(arrival), clock.now())
  const moves = await movesAmong(
    db,
    arrivals.map(({ batch }) => batch),
  )
  const sights = await seen(parts.view, arrivals)
  for (const arrival of arrivals) {
    const move = moves.get(arrival.batch)
    assert(move !== undefined, 'what has arrived is followed')
    await advance(parts, { move, arrival, sight: sights.get(arrival.batch) ?? { kind: 'unknown' } })
  }
}

async function advance(
  { db, clock, log, noteCoin }: ThunderBridgeParts,
  {
    move,
    arrival,
    sight,
  }: { readonly move: Move; readonly arrival: Arrival; readonly sight: Sight },
): Promise<void> {
  const at = clock.now()
  const of = { batch: String(move.batch), amountSats: String(move.amount) }
  if (sight.kind === 'there' && sight.value !== move.amount)
    log.error({ ...of, value: String(sight.value) }, 'Thunder has credited another amount')
  const change = look(move, arrival, sight, at)
  if (change === null) return
  const stored = await storeChange(db, move, change, {
    at,
    noteCoin: async tx => {
      if (change.entry !== null)
        await noteCoin(tx, { ...arrival, journalKey: change.entry.key }, at)
    },
  })
  switch (stored.kind) {
    case 'stored':
      return log.info({ ...of, state: change.move.state }, 'deposit moved')
    case 'overdrawn':
      return log.error(of, 'a deposit was undone, and what it brought is spent')
    case 'passed over':
      return
    default:
      return unreachable(stored)
  }
}

/**
 * What Thunder says of each deposit. It says something only while its tip stands on the main chain
 * of now: after a reorganisation it stays where it was until another side block comes. And that a
 * coin is missing means something only once that tip is past the block of the deposit.
 */
async function seen(
  view: ThunderView,
  arrivals: readonly Arrival[],
): Promise<ReadonlyMap<BatchId, Sight>> {
  const tip = await view.tip()
  if (tip === null) return new Map()
  const credited = await view.credited([...new Set(arrivals.map(({ address }) => address))])
  // What came between the questions is asked for again in the next run.
  if ((await view.tip())?.hash !== tip.hash) return new Map()
  const values = new Map(credited.map(({ coin, value }) => [`${coin.txid}:${coin.vout}`, value]))
  const sights = new Map<BatchId, Sight>()
  for (const { batch, coin } of arrivals) {
    const value = values.get(`${coin.txid}:${coin.vout}`)
    if (value !== undefined) sights.set(batch, { kind: 'there', value })
    else {
      const ownDepth = await view.depthOf(coin.txid)
      if (ownDepth === 0 || tip.confirmations < ownDepth) sights.set(batch, { kind: 'not there' })
    }
  }
  return sights
}
