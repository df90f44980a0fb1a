import { type Kysely, sql, type Transaction } from 'kysely'
import { type CoinManifest, decodeManifest, type Manifest } from '../approval/index.ts'
import { type Entry, postEntries } from '../ledger/index.ts'
import { assert } from '../lib/assert.ts'
import type { BatchState, Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, type UnixMs, unixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { factsOf } from './facts-store.ts'
import { type BatchEvent, next } from './payout.ts'
import type { Lease, RailBooks } from './rail.ts'

/** Batches read at once; the others come with the next page of the same run. */
const BATCHES_A_PAGE_MAX = 100
/** So many blocks on top of a settled batch's, and no reorganisation is looked for any more. */
export const WATCHED_BLOCKS = 100
const NOTE_CHARACTERS_MAX = 500
/** A worker that has not ended by then counts as dead, and another may take its batch. */
const LEASE_SECONDS = 120

/** A batch that has not ended. */
export type LiveBatch = {
  readonly state: BatchState
  readonly expiresAt: UnixMs
}

/** What became of an event; only `moved` wrote anything. */
export type MoveOutcome =
  | { readonly kind: 'moved'; readonly state: BatchState }
  /** Another worker has the batch by now. */
  | { readonly kind: 'fenced' }
  /** The batch's state does not allow it, most likely because it was done already. */
  | { readonly kind: 'illegal' }

/** The ledger does not take an entry; thrown so that nothing of the commit stays. */
export class NotPosted extends Error {
  override readonly name = 'NotPosted'
}

/**
 * A page of batches that have not ended, the oldest first, without those that only wait for their
 * operators: taking a lease writes, and nothing could be done with it. Those in front may wait long
 * for something else, so a run goes through all pages.
 *
 * @param after the last batch of the page before, or null for the first page
 */
export async function liveBatches(
  db: Kysely<Database>,
  rail: string,
  { after, at }: { readonly after: BatchId | null; readonly at: UnixMs },
): Promise<BatchId[]> {
  const rows = await db
    .selectFrom('batches')
    .select('id')
    .where('rail', '=', rail)
    .where('state', 'not in', ['settled', 'released'])
    .where(eb => eb.or([eb('state', '<>', 'planned'), eb('expires_ms', '<=', BigInt(at))]))
    .where('id', '>', after ?? 0n)
    .orderBy('id')
    .limit(BATCHES_A_PAGE_MAX)
    .execute()
  return rows.map(row => batchId(row.id))
}

/** @returns null for a batch that has ended */
export async function liveBatch(db: Kysely<Database>, batch: BatchId): Promise<LiveBatch | null> {
  const row = await db
    .selectFrom('batches')
    .select(['state', 'expires_ms'])
    .where('id', '=', batch)
    .where('state', 'not in', ['settled', 'released'])
    .executeTakeFirst()
  return row ? { state: row.state, expiresAt: unixMs(Number(row.expires_ms)) } : null
}

/**
 * Takes a batch for one step, by the database's clock alone.
 *
 * @returns null while another worker has it, or when it has ended
 */
export async function takeLease(
  db: Kysely<Database>,
  batch: BatchId,
  owner: string,
): Promise<Lease | null> {
  const row = await db
    .updateTable('batches')
    .set({
      lease_owner: owner,
      lease_until: sql<string>`clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})`,
      fence: sql<bigint>`fence + 1`,
    })
    .where('id', '=', batch)
    .where('state', 'not in', ['settled', 'released'])
    .where(eb =>
      eb.or([eb('lease_until', 'is', null), eb('lease_until', '<', sql<Date>`clock_timestamp()`)]),
    )
    .returning('fence')
    .executeTakeFirst()
  return row ? { batch, fence: row.fence } : null
}

/** Gives a batch back with a word on why it waits; does nothing where the lease was lost. */
export async function endLease(
  db: Kysely<Database>,
  { batch, fence }: Lease,
  note: string | null,
): Promise<void> {
  await db
    .updateTable('batches')
    .set({ lease_owner: null, lease_until: null })
    .$if(note !== null, query => query.set({ note: (note ?? '').slice(0, NOTE_CHARACTERS_MAX) }))
    .where('id', '=', batch)
    .where('fence', '=', fence)
    .execute()
}

/** @throws where a stored manifest is not what it was written as */
export async function manifestOf(db: Kysely<Database>, batch: BatchId): Promise<Manifest> {
  const row = await db
    .selectFrom('batches')
    .select('manifest')
    .where('id', '=', batch)
    .executeTakeFirstOrThrow()
  const manifest = decodeManifest(new Uint8Array(row.manifest))
  assert(
    manifest !== null && manifest.batch === batch,
    'a stored manifest is canonical and its own',
  )
  return manifest
}

/** Of a batch that is one transaction. */
export async function coinManifestOf(db: Kysely<Database>, batch: BatchId): Promise<CoinManifest> {
  const manifest = await manifestOf(db, batch)
  assert(manifest.version === 2, 'a batch of coins has an anchor')
  return manifest
}

/** What a withdrawal gives the main chain's miners; nothing for any other batch. */
export async function mainFeeOfBatch(db: Kysely<Database>, batch: BatchId): Promise<Sats> {
  const row = await db
    .selectFrom('batches')
    .select('main_fee_sats')
    .where('id', '=', batch)
    .executeTakeFirstOrThrow()
  return sats(row.main_fee_sats)
}

/**
 * Moves a leased batch with all its payouts and books it, in the caller's transaction.
 *
 * @throws NotPosted where the ledger does not take the entry
 */
export async function moveBatch(
  tx: Transaction<Database>,
  lease: Lease,
  event: BatchEvent,
  context: { readonly books: RailBooks; readonly at: UnixMs },
): Promise<MoveOutcome> {
  const row = await lockBatch(tx, lease.batch)
  if (row?.fence !== lease.fence) return { kind: 'fenced' }
  return applyEvent(tx, { batch: lease.batch, state: row.state }, event, context)
}

/** Holds a batch's row to the end of the transaction, so that it is moved by one at a time. */
export function lockBatch(tx: Transaction<Database>, batch: BatchId) {
  return tx
    .selectFrom('batches')
    .select(['state', 'fence', 'rail', 'manifest_hash', 'expires_ms'])
    .where('id', '=', batch)
    .forUpdate()
    .executeTakeFirst()
}

/** Moves a batch whose row the caller holds locked, with its payouts, and books it. */
export async function applyEvent(
  tx: Transaction<Database>,
  { batch, state }: { readonly batch: BatchId; readonly state: BatchState },
  event: BatchEvent,
  { books, at }: { readonly books: RailBooks; readonly at: UnixMs },
): Promise<MoveOutcome> {
  const move = next(state, event, await factsOf(tx, batch, books), at)
  if (move.kind === 'illegal') return move
  if (move.entry) await post(tx, move.entry)
  const ended =
    move.state === 'settled' || move.state === 'released' ? { ended_ms: BigInt(at) } : {}
  const change = { state: move.state, ...ended }
  const paid = event.kind === 'settled' ? await paidColumns(tx, event.version) : {}
  await tx
    .updateTable('batches')
    .set({ ...change, ...paid })
    .where('id', '=', batch)
    .execute()
  await tx
    .updateTable('payouts')
    .set(change)
    .where('batch_id', '=', batch)
    .where('state', 'not in', ['settled', 'released'])
    .execute()
  // The coins of a settled batch stay its own: a reorganisation could bring them back.
  if (move.state === 'released') {
    await tx
      .updateTable('reserved_outputs')
      .set({ released_ms: BigInt(at) })
      .where('batch_id', '=', batch)
      .execute()
  }
  return { kind: 'moved', state: move.state }
}

async function paidColumns(tx: Transaction<Database>, version: number) {
  const tip = await tx
    .selectFrom('tips')
    .select(eb => eb.fn.max('height').as('height'))
    .executeTakeFirst()
  const height: number = tip?.height ?? 0
  return { paid_version: version, watched_until_height: height + WATCHED_BLOCKS }
}

/** @throws NotPosted unless the ledger holds the entries afterwards */
export async function post(tx: Transaction<Database>, ...entries: readonly Entry[]): Promise<void> {
  for (const [index, outcome] of (await postEntries(tx, entries)).entries()) {
    if (outcome.kind === 'posted' || outcome.kind === 'repeated') continue
    const isSmall = outcome.kind === 'overdrawn'
    const what = isSmall ? `${outcome.account} is too small` : 'the key is taken'
    throw new NotPosted(`${entries[index]?.key}: ${what}`)
  }
}
