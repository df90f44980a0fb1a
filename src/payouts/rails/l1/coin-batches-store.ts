import { type Kysely, sql } from 'kysely'
import { chartAccount } from '../../../ledger/index.ts'
import { assert } from '../../../lib/assert.ts'
import type { Database, Wallet } from '../../../lib/db/schema.ts'
import {
  type BatchId,
  batchId,
  journalKey,
  type Txid,
  txid,
  type UnixMs,
} from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import { manifestOf } from '../../payout-store.ts'
import { noteCoins } from './coin-store.ts'
import { type Effect, effectOf, leftToUs } from './coins.ts'

/** Settled batches folded in one run; the next run goes on from there. */
const FOLDS_A_RUN_MAX = 100

/** A batch whose signed bytes may spend coins that are still open in the books. */
export type OpenBatch = {
  readonly batch: BatchId
  readonly wallet: Wallet
  readonly isTransfer: boolean
  readonly isSettled: boolean
  readonly total: Sats
  /** Of the version that paid once it is settled, of the newest signed one before. */
  readonly fee: Sats
}

/** Batches whose money is on its way by the ledger, or whose coins are not folded yet. */
export async function openBatches(db: Kysely<Database>): Promise<OpenBatch[]> {
  const { rows } = await sql<{
    id: bigint
    wallet: Wallet
    purpose: string
    state: string
    total: bigint
    sent: bigint | null
    paid: bigint | null
  }>`
    select id, wallet, purpose, state, total_sats as total,
           (select max(fee_sats) from batch_versions
             where batch_id = batches.id and raw is not null) as sent,
           (select sum(amount_msat)::bigint / 1000
              from legs join journal on journal.id = legs.journal_id
              join ledger_accounts accounts on accounts.id = legs.account_id
             where journal.key = 'batch:' || batches.id || ':settled'
               and accounts.name = ${chartAccount('feeL1')}) as paid
      from batches
     where rail = 'l1' and state in ('prepared', 'sent', 'uncertain', 'settled')
       and not exists (select from float_spends where batch_id = batches.id)
     order by id`.execute(db)
  return rows.map(row => {
    const isSettled = row.state === 'settled'
    const fee = isSettled ? (row.paid ?? 0n) : row.sent
    assert(fee !== null, 'what is on its way was signed')
    return {
      batch: batchId(row.id),
      wallet: row.wallet,
      isTransfer: row.purpose === 'transfer',
      isSettled,
      total: sats(row.total),
      fee: sats(fee),
    }
  })
}

/**
 * Writes what settled batches spent for good, and notes the coins that they left us. Harmless when
 * repeated, and only our own tables are asked, so nothing that a wallet says can add a coin.
 */
export async function foldSettled(
  db: Kysely<Database>,
  { addressOf, at }: { readonly addressOf: (text: string) => Uint8Array; readonly at: UnixMs },
): Promise<void> {
  const settled = (await openBatches(db)).filter(({ isSettled }) => isSettled)
  for (const { batch, wallet, isTransfer, fee } of settled.slice(0, FOLDS_A_RUN_MAX)) {
    const paid = await versionWithFee(db, batch, fee)
    const manifest = await manifestOf(db, batch)
    const scripts = {
      wallet,
      changeScript: addressOf(manifest.change),
      transferScript: isTransfer ? addressOf(manifest.payees[0]?.destination ?? '') : null,
    }
    const key = journalKey(`batch:${batch}:settled`)
    const left = leftToUs(paid.effect, scripts).map(coin => ({ ...coin, journalKey: key }))
    await db.transaction().execute(async tx => {
      await noteCoins(tx, left, at)
      await tx
        .insertInto('float_spends')
        .values(
          paid.effect.spends.map(coin => ({
            ...coin,
            batch_id: batch,
            version: paid.version,
            noted_ms: BigInt(at),
          })),
        )
        .onConflict(conflict => conflict.doNothing())
        .execute()
    })
  }
}

/** The version that paid is the one whose fee was booked: each later one costs more. */
async function versionWithFee(
  db: Kysely<Database>,
  batch: BatchId,
  fee: Sats,
): Promise<{ readonly version: number; readonly effect: Effect }> {
  const row = await db
    .selectFrom('batch_versions')
    .select(['version', 'raw'])
    .where('batch_id', '=', batch)
    .where('fee_sats', '=', fee)
    .where('raw', 'is not', null)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  assert(row?.raw !== undefined && row.raw !== null, 'a settled batch has the version that paid')
  return { version: row.version, effect: effectOf(new Uint8Array(row.raw)) }
}

/** Signed versions that may yet confirm, with what they do. */
export async function openEffects(
  db: Kysely<Database>,
): Promise<readonly (Effect & { readonly batch: BatchId })[]> {
  const batches = (await openBatches(db)).map(({ batch }) => batch)
  if (batches.length === 0) return []
  const rows = await db
    .selectFrom('batch_versions')
    .select(['batch_id', 'raw'])
    .where('batch_id', 'in', batches)
    .where('raw', 'is not', null)
    .execute()
  return rows.flatMap(({ batch_id, raw }) =>
    raw === null ? [] : [{ ...effectOf(new Uint8Array(raw)), batch: batchId(batch_id) }],
  )
}

/** Those of the transactions that are versions of a batch of ours, signed or about to be. */
export async function versionsAmong(
  db: Kysely<Database>,
  ids: readonly Txid[],
): Promise<ReadonlySet<Txid>> {
  if (ids.length === 0) return new Set()
  const rows = await db
    .selectFrom('batch_versions')
    .select('txid')
    .where('txid', 'in', [...ids])
    .execute()
  return new Set(rows.map(row => txid(row.txid)))
}
