import type { Kysely } from 'kysely'
import type { Manifest } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import { accountId, type BatchId } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import type { BatchFacts } from './payout.ts'
import type { RailBooks } from './rail.ts'

/**
 * The facts that a batch's entries are made of. They come from rows that only ever are what they
 * were written as, and `factsComplaint` compares them with what was approved before money leaves.
 */
export async function factsOf(
  db: Kysely<Database>,
  batch: BatchId,
  books: RailBooks,
): Promise<BatchFacts> {
  const row = await db
    .selectFrom('batches')
    .select(['purpose', 'wallet', 'total_sats', 'main_fee_sats'])
    .where('id', '=', batch)
    .executeTakeFirstOrThrow()
  const payouts = await db
    .selectFrom('payouts')
    .select(['account_id', 'amount_sats', 'fee_sats'])
    .where('batch_id', '=', batch)
    .orderBy('account_id')
    .execute()
  const booked = await db
    .selectFrom('batch_versions')
    .select(eb => eb.fn.max('fee_sats').as('fee'))
    .where('batch_id', '=', batch)
    .where('raw', 'is not', null)
    .executeTakeFirst()
  const fee: bigint | null = booked?.fee ?? null
  const transit = books.transit[row.purpose] ?? null
  return {
    ...{ batch, books, wallet: row.wallet },
    payouts: payouts.map(payout => ({
      account: accountId(payout.account_id),
      amount: sats(payout.amount_sats),
      charge: sats(payout.fee_sats),
    })),
    transferred: sats(row.purpose === 'transfer' ? row.total_sats : 0n),
    bridged: sats(transit === null ? 0n : row.total_sats + row.main_fee_sats),
    transit,
    feeBooked: fee === null ? null : sats(fee),
  }
}

/**
 * Whether the rows that will be booked are what was approved: each payee's amount is the sum of its
 * payouts', and no payout is missing or besides.
 *
 * @returns what differs, or null
 */
export async function factsComplaint(
  db: Kysely<Database>,
  manifest: Manifest,
): Promise<string | null> {
  const rows = await db
    .selectFrom('payouts')
    .select(['id', 'amount_sats'])
    .where('batch_id', '=', manifest.batch)
    .execute()
  const amounts = new Map(rows.map(row => [row.id, row.amount_sats]))
  const named = manifest.payees.flatMap(({ payouts }) => payouts)
  const isWrong = ({ amount, payouts }: Manifest['payees'][number]) =>
    payouts.length > 0 && payouts.reduce((sum, id) => sum + (amounts.get(id) ?? 0n), 0n) !== amount
  if (named.length !== rows.length || manifest.payees.some(isWrong))
    return 'its payouts are not those that were approved'
  return null
}
