import { type Kysely, sql } from 'kysely'
import {
  type CoinManifest,
  encodeManifest,
  manifestHash,
  type Purpose,
} from '../../src/approval/index.ts'
import type { BatchState, Database } from '../../src/lib/db/schema.ts'
import {
  type BatchId,
  batchId,
  type Digest,
  payoutId,
  txid,
  type UnixMs,
  unixMs,
} from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { insertVersion } from '../support/version.ts'

export const NOW_MS = 1_800_000_000_000
export const DAY_MS = 86_400_000

/** What a test says of a batch; all else is made up from its number. */
export type BatchRow = {
  readonly number: number
  readonly state?: BatchState
  readonly purpose?: Purpose
  readonly payees?: readonly (readonly [destination: string, amount: bigint])[]
  readonly feeMax?: bigint
  readonly createdMs?: number
  readonly expiresMs?: number
  readonly endedMs?: number
  readonly builtMs?: number
  readonly isAuto?: boolean
  readonly excluded?: readonly string[]
}

/** The manifest of such a batch. */
export function manifestOfRow(row: BatchRow): CoinManifest {
  const { purpose = 'payout', payees = [['payee-a', 10_000n]] } = row
  const createdMs = row.createdMs ?? NOW_MS
  return {
    version: 2,
    purpose,
    wallet: 'hot',
    batch: batchId(BigInt(row.number)),
    network: 'regtest',
    rail: purpose === 'withdrawal' ? 'thunder' : 'l1',
    payees: payees
      .map(([destination, amount], index) => ({
        destination,
        amount: sats(amount),
        payouts: purpose === 'payout' ? [payoutId(BigInt(row.number * 100 + index))] : [],
      }))
      .toSorted((a, b) => (a.destination < b.destination ? -1 : 1)),
    feeMax: sats(row.feeMax ?? 100n),
    anchor: { txid: txid(row.number.toString(16).padStart(64, '0')), vout: 0 },
    change: 'change',
    createdAt: unixMs(createdMs),
    expiresAt: unixMs(row.expiresMs ?? createdMs + DAY_MS),
    policyVersion: 1,
    createdBy: 'plan:daily',
    excluded: row.excluded ?? [],
  }
}

/**
 * Writes a batch as planning would, with a payee and an account for each of its destinations, but
 * without ledger entries and coins.
 */
export async function addBatchRow(
  db: Kysely<Database>,
  row: BatchRow,
): Promise<{ readonly batch: BatchId; readonly manifest: CoinManifest; readonly hash: Digest }> {
  const manifest = manifestOfRow(row)
  const bytes = encodeManifest(manifest)
  const hash = manifestHash(bytes)
  const state = row.state ?? 'planned'
  const endedMs = state === 'settled' || state === 'released' ? (row.endedMs ?? NOW_MS) : null
  const total = manifest.payees.reduce((sum, { amount }) => sum + amount, 0n)
  await sql`
    insert into batches (id, rail, state, purpose, manifest, manifest_hash, anchor_txid,
                         anchor_vout, total_sats, fee_max_sats, created_ms, expires_ms, ended_ms,
                         auto_approved)
    overriding system value
    values (${manifest.batch}, ${manifest.rail}, ${state}, ${manifest.purpose}, ${bytes}, ${hash},
            ${manifest.anchor.txid}, ${manifest.anchor.vout}, ${total}, ${manifest.feeMax},
            ${manifest.createdAt}, ${manifest.expiresAt}, ${endedMs},
            ${row.isAuto ?? false})`.execute(db)
  for (const { destination, amount, payouts } of manifest.payees)
    for (const id of payouts) {
      const account = await accountOf(db, destination, row.number)
      await sql`
        insert into payouts (id, account_id, batch_id, amount_sats, state, planned_ms,
                             planned_height, ended_ms)
        overriding system value
        values (${id}, ${account}, ${manifest.batch}, ${amount}, ${state},
                ${manifest.createdAt}, 1, ${endedMs})`.execute(db)
    }
  if (row.builtMs !== undefined) await addVersionRow(db, manifest.batch, unixMs(row.builtMs))
  return { batch: manifest.batch, manifest, hash }
}

/** The first transaction of a batch was stored at this time. */
export async function addVersionRow(db: Kysely<Database>, batch: BatchId, at: UnixMs) {
  await insertVersion(db, {
    ...{ batch_id: batch, version: 1, txid: batch.toString(16).padStart(64, 'f') },
    unsigned: new Uint8Array([1]),
    raw: new Uint8Array([1]),
    fee_sats: 1n,
    created_ms: BigInt(at),
  })
}

/** An account of its own for each batch, since an account is in one live batch only. */
async function accountOf(db: Kysely<Database>, destination: string, number: number) {
  const created_ms = BigInt(NOW_MS)
  await db
    .insertInto('payees')
    .values({ kind: 'bitcoin', destination, created_ms })
    .onConflict(on => on.doNothing())
    .execute()
  const { id } = await db
    .insertInto('accounts')
    .columns(['payee_id', 'scheme', 'created_ms'])
    .expression(eb =>
      eb
        .selectFrom('payees')
        .select(({ val }) => ['id', val(`scheme-${number}`).as('scheme'), val(created_ms).as('at')])
        .where('destination', '=', destination),
    )
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** How many wait for an advisory lock of this database. */
export async function lockWaiters(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql`
    select from pg_locks where locktype = 'advisory' and not granted
       and database = (select oid from pg_database where datname = current_database())`.execute(db)
  return rows.length
}
