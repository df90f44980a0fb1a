import { type Kysely, type Selectable, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import { targetHex } from '../lib/bitcoin/target.ts'
import { fromHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import { type EpochId, epochId, type UnixMs, unixMs } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import {
  type CloseReason,
  closingTime,
  type EpochSigns,
  type NetworkTerms,
  type OpenEpoch,
  reasonToClose,
} from './epoch.ts'

/** What a look at the open epoch led to. */
export type CloseOutcome =
  | { readonly kind: 'closed'; readonly epoch: EpochId; readonly reason: CloseReason }
  | { readonly kind: 'stays open' }
  /** No epoch was ever opened. */
  | { readonly kind: 'none' }

/** The epoch that takes shares; null before the first one is opened. */
export async function readOpenEpoch(db: Kysely<Database>): Promise<OpenEpoch | null> {
  const row = await db
    .selectFrom('epochs')
    .selectAll()
    .where('closed_ms', 'is', null)
    .executeTakeFirst()
  return row ? asOpenEpoch(row) : null
}

function asOpenEpoch(row: Selectable<Database['epochs']>): OpenEpoch {
  return {
    id: epochId(row.id),
    openedAt: unixMs(Number(row.opened_ms)),
    blockTarget: BigInt(`0x${row.block_target.toString('hex')}`),
    subsidy: sats(row.subsidy_sats),
  }
}

/** Opens epoch 1 where there is none at all; else, and when called again, changes nothing. */
export async function openFirstEpoch(
  db: Kysely<Database>,
  terms: NetworkTerms,
  now: UnixMs,
): Promise<void> {
  await sql`
    insert into epochs (id, opened_ms, block_target, subsidy_sats)
    select 1, ${now}::bigint, ${targetBytes(terms)}::bytea, ${terms.subsidy}::bigint
     where not exists (select from epochs)
    on conflict do nothing`.execute(db)
}

/**
 * Closes the open epoch if there is a reason to, and opens the next one in the same transaction.
 * The row is taken FOR UPDATE, so it waits for every commit that holds it FOR SHARE; after that no
 * share can join, and whoever counts the epoch counts all of it. Harmless when repeated.
 */
export async function closeEpochIfDue(
  db: Kysely<Database>,
  signs: Omit<EpochSigns, 'blocks'>,
): Promise<CloseOutcome> {
  const open = await readOpenEpoch(db)
  if (open === null) return { kind: 'none' }
  // Looked at without the lock first, since the lock makes miners wait for their replies.
  const blocks = await countBlocks(db, open.id)
  if (reasonToClose(open, { ...signs, blocks }) === null) return { kind: 'stays open' }
  return db.transaction().execute(transaction => closeLocked(transaction, open, signs))
}

async function closeLocked(
  transaction: Kysely<Database>,
  open: OpenEpoch,
  signs: Omit<EpochSigns, 'blocks'>,
): Promise<CloseOutcome> {
  const row = await transaction
    .selectFrom('epochs')
    .select('id')
    .where('id', '=', open.id)
    .where('closed_ms', 'is', null)
    .forUpdate()
    .executeTakeFirst()
  // Another process was faster.
  if (!row) return { kind: 'stays open' }
  // A block may have joined while we waited for the lock, and is then the reason.
  const blocks = await countBlocks(transaction, open.id)
  const reason = reasonToClose(open, { ...signs, blocks })
  assert(reason !== null, 'a reason to close does not go away')
  const closedAt = closingTime(open, signs.now)
  await transaction
    .updateTable('epochs')
    .set({ closed_ms: BigInt(closedAt), close_reason: reason })
    .where('id', '=', open.id)
    .execute()
  const next = signs.terms ?? open
  await transaction
    .insertInto('epochs')
    .values({
      id: open.id + 1n,
      opened_ms: BigInt(closedAt),
      block_target: targetBytes(next),
      subsidy_sats: next.subsidy,
    })
    .execute()
  return { kind: 'closed', epoch: open.id, reason }
}

async function countBlocks(db: Kysely<Database>, epoch: EpochId): Promise<number> {
  const { count } = await db
    .selectFrom('blocks')
    .select(eb => eb.fn.countAll<bigint>().as('count'))
    .where('epoch_id', '=', epoch)
    .executeTakeFirstOrThrow()
  return Number(count)
}

function targetBytes({ blockTarget }: NetworkTerms): Uint8Array {
  return fromHex(targetHex(blockTarget))
}
