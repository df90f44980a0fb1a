import { type Kysely, sql } from 'kysely'
import { assert } from '../../../lib/assert.ts'
import type { Database, Wallet } from '../../../lib/db/schema.ts'
import { type BatchId, batchId, journalKey, type UnixMs } from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import { coinManifestOf } from '../../payout-store.ts'
import { noteCoins } from './coin-store.ts'
import { type Effect, effectOf, leftToUs } from './coins.ts'

/** Settled batches folded in one run; the next run goes on from there. */
const FOLDS_A_RUN_MAX = 100

/** A batch whose signed bytes may spend coins that are still open in the books. */
export type OpenBatch = {
  readonly batch: BatchId
  readonly wallet: Wallet
  /** The batch whose coin a child spends; null for any other. */
  readonly parent: BatchId | null
  readonly isTransfer: boolean
  readonly isSettled: boolean
  /** The version that paid; null unless it is settled. */
  readonly paidVersion: number | null
  readonly total: Sats
  /** Of the version that paid once it is settled, of the newest signed one before. */
  readonly fee: Sats
}

/**
 * Batches whose money is on its way by the ledger, or whose coins are not folded yet: what the
 * version that paid has spent and left.
 */
export async function openBatches(db: Kysely<Database>): Promise<OpenBatch[]> {
  const { rows } = await sql<{
    id: bigint
    wallet: Wallet
    purpose: string
    state: string
    total: bigint
    paid_version: number | null
    parent_id: bigint | null
    fee: bigint | null
  }>`
    select id, wallet, purpose, state, total_sats as total, paid_version, parent_id,
           (select max(fee_sats) from batch_versions version
             where version.batch_id = batches.id and raw is not null
               and (paid_version is null or version.version = paid_version)) as fee
      from batches
     where rail = 'l1' and state in ('prepared', 'sent', 'uncertain', 'settled')
       and not exists (select from float_spends
                        where batch_id = batches.id and version = paid_version)
     order by id`.execute(db)
  return rows.map(({ id, wallet, purpose, state, total, fee, ...row }) => {
    const { paid_version: paidVersion, parent_id: parent } = row
    assert(fee !== null, 'what is on its way was signed')
    assert((state === 'settled') === (paidVersion !== null), 'one version pays a settled batch')
    return {
      ...{ batch: batchId(id), wallet, paidVersion },
      parent: parent === null ? null : batchId(parent),
      isTransfer: purpose === 'transfer',
      isSettled: state === 'settled',
      total: sats(total),
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
  const open = await openBatches(db)
  const unfolded = new Set(open.map(({ batch }) => batch))
  const settled = open.filter(({ isSettled }) => isSettled)
  for (const each of settled.slice(0, FOLDS_A_RUN_MAX)) {
    const { batch, wallet, parent, isTransfer, paidVersion } = each
    // What a child spends is noted with its parent; before that, none of it is in the books.
    if (parent !== null && unfolded.has(parent)) continue
    unfolded.delete(batch)
    assert(paidVersion !== null, 'a settled batch has the version that paid')
    const paid = await effectOfVersion(db, batch, paidVersion)
    const manifest = await coinManifestOf(db, batch)
    const scripts = {
      wallet,
      changeScript: addressOf(manifest.change),
      transferScript: isTransfer ? addressOf(manifest.payees[0]?.destination ?? '') : null,
    }
    const key = journalKey(`batch:${batch}:settled`)
    const left = leftToUs(paid, scripts).map(coin => ({ ...coin, journalKey: key }))
    await db.transaction().execute(async tx => {
      await noteCoins(tx, left, at)
      await tx
        .insertInto('float_spends')
        .values(
          paid.spends.map(coin => ({
            ...coin,
            batch_id: batch,
            version: paidVersion,
            noted_ms: BigInt(at),
          })),
        )
        .onConflict(conflict => conflict.doNothing())
        .execute()
    })
  }
}

async function effectOfVersion(
  db: Kysely<Database>,
  batch: BatchId,
  version: number,
): Promise<Effect> {
  const row = await db
    .selectFrom('batch_versions')
    .select('raw')
    .where('batch_id', '=', batch)
    .where('version', '=', version)
    .executeTakeFirst()
  assert(row?.raw !== undefined && row.raw !== null, 'the version that paid was signed')
  return effectOf(new Uint8Array(row.raw))
}

/**
 * Signed versions that may yet confirm, with what they do: of a settled batch too, as long as it is
 * watched, since a reorganisation may still choose another one.
 */
export async function openEffects(
  db: Kysely<Database>,
): Promise<readonly (Effect & { readonly batch: BatchId })[]> {
  const batches = (await openBatches(db)).map(({ batch }) => batch)
  const { rows } = await sql<{ batch_id: bigint; raw: Uint8Array }>`
    select batch_id, raw from batch_versions
     where raw is not null
       and batch_id in (select unnest(${batches}::bigint[])
                        union
                        select id from batches
                         where rail = 'l1' and state = 'settled'
                           and watched_until_height is not null)`.execute(db)
  return rows.map(({ batch_id, raw }) => ({
    ...effectOf(new Uint8Array(raw)),
    batch: batchId(batch_id),
  }))
}
