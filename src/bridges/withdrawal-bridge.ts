import type { Kysely, Transaction } from 'kysely'
import { assert, unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { BatchId, JournalKey, Txid, UnixMs } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import {
  type BundleCoin,
  type Departure,
  lookAt,
  type MainSight,
  nextStep,
  type SideSight,
  type Withdrawal,
  withdrawalOf,
} from './withdrawal.ts'
import { addWithdrawal, storeWithdrawal, withdrawalsAmong } from './withdrawal-store.ts'

/** A coin that a bundle's transaction made for an address of ours. */
export type BundlePayout = BundleCoin & {
  readonly address: string
  /** Of its block on the best chain. */
  readonly confirmations: number
}

/** What following withdrawals asks of nodes. Their trouble is thrown, and the next run asks again. */
export type WithdrawalView = {
  /** Where Thunder has each output; one that it does not show is left out. */
  readonly outputs: (departures: readonly Departure[]) => Promise<ReadonlyMap<BatchId, SideSight>>
  /**
   * What bundles have paid to these addresses and nobody has spent, by our own node's wallet alone:
   * only transactions that are a bundle's by their form, which a miner cannot make without the votes
   * but in a block that enforcers refuse.
   */
  readonly payouts: (addresses: readonly string[]) => Promise<readonly BundlePayout[]>
  /**
   * How deep a transaction of our wallet is on the best chain; 0 where no block of it has it, null
   * where the wallet does not know it.
   */
  readonly depthOf: (id: Txid) => Promise<number | null>
}

export type WithdrawalParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly view: WithdrawalView
  /** Confirmations from which on a coin of the main chain counts as ours. */
  readonly finality: number
  /** Withdrawals that Thunder has for good and that are not final here. */
  readonly departed: () => Promise<readonly Departure[]>
  /** Notes a coin as ours to spend in the hot wallet, under the entry that booked it. */
  readonly noteCoin: (
    tx: Transaction<Database>,
    coin: BundleCoin & { readonly address: string; readonly journalKey: JournalKey },
    at: UnixMs,
  ) => Promise<void>
}

/**
 * Looks where each withdrawal is, and books what a bundle (BIP 300, M6) has paid. Harmless when
 * repeated: what was booked is booked once, whoever runs it how often.
 */
export async function followWithdrawals(parts: WithdrawalParts): Promise<void> {
  const { db, clock, view } = parts
  const departures = await parts.departed()
  if (departures.length === 0) return
  for (const departure of departures) await addWithdrawal(db, withdrawalOf(departure), clock.now())
  const followed = await withdrawalsAmong(
    db,
    departures.map(({ batch }) => batch),
  )
  const open = [...followed.values()].filter(({ state }) => state !== 'final')
  const outputs = await view.outputs(departures)
  const payouts = await view.payouts(open.map(({ mainAddress }) => mainAddress))
  for (const withdrawal of open) {
    const main = await mainSight(parts, withdrawal, payouts)
    await advance(parts, withdrawal, {
      main,
      side: outputs.get(withdrawal.batch) ?? { kind: 'unknown' },
    })
  }
}

/** What was booked is asked for by its name, since it may be spent; anything else by its address. */
async function mainSight(
  { view, log }: WithdrawalParts,
  { batch, state, coin, mainAddress, amount }: Withdrawal,
  payouts: readonly BundlePayout[],
): Promise<MainSight> {
  if (state === 'arrived' && coin !== null) {
    const confirmations = await view.depthOf(coin.txid)
    if (confirmations === null) return { kind: 'unknown' }
    if (confirmations > 0) return { kind: 'paid', coin, confirmations }
  }
  const there = payouts.filter(({ address }) => address === mainAddress)
  const [oldest] = there.toSorted((a, b) => b.confirmations - a.confirmations)
  if (oldest === undefined) return { kind: 'not paid' }
  const { confirmations, txid, vout, value } = oldest
  if (value >= amount) return { kind: 'paid', coin: { txid, vout, value }, confirmations }
  log.error({ batch: String(batch), txid, value: String(value) }, 'a bundle has paid too little')
  return { kind: 'unknown' }
}

async function advance(
  { db, clock, log, finality, noteCoin }: WithdrawalParts,
  withdrawal: Withdrawal,
  sights: Parameters<typeof lookAt>[1],
): Promise<void> {
  const at = clock.now()
  const change = lookAt(withdrawal, sights, { finality, at })
  if (change === null) return
  const { entry, withdrawal: after } = change
  const stored = await storeWithdrawal(db, withdrawal, change, {
    at,
    noteCoin: async tx => {
      assert(entry !== null && after.coin !== null, 'what arrives is booked with its coin')
      const { mainAddress: address, coin } = after
      await noteCoin(tx, { ...coin, address, journalKey: entry.key }, at)
    },
  })
  const of = { batch: String(withdrawal.batch), amountSats: String(withdrawal.amount) }
  switch (stored.kind) {
    case 'stored':
      return log.info({ ...of, state: after.state, next: nextStep(after) }, 'withdrawal moved')
    case 'overdrawn':
      return log.error(of, 'a withdrawal was undone, and what it brought is spent')
    case 'passed over':
      return
    default:
      return unreachable(stored)
  }
}
