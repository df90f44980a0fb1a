import { type Kysely, sql } from 'kysely'
import { balancesOf } from '../ledger/index.ts'
import type { Database } from '../lib/db/schema.ts'
import { paymentHash } from '../lib/ids.ts'
import { parsePreimage } from '../lib/lightning/preimage.ts'
import { batchBefore } from './payout-audit-store.ts'
import { LIGHTNING_BOOKS } from './rails/lightning/lightning-books.ts'

const COMPLAINTS_MAX = 100

/**
 * Whether every payout over Lightning that is settled has one payment of its line with the preimage
 * that proves it, none that was released has one, a line of which the destination is an invoice was
 * tried with that alone, and the ledger holds for what live batches may still pay what they may.
 *
 * @param newest how many of the newest batches are looked at
 */
export async function auditAttempts(
  db: Kysely<Database>,
  newest: number | 'all',
): Promise<readonly string[]> {
  const from = await batchBefore(db, newest)
  const complaints = [
    ...(await findUnproven(db, from)),
    ...(await findWrongPreimages(db, from)),
    ...(await findOtherInvoices(db, from)),
    ...(await findWrongOut(db)),
  ]
  return complaints.slice(0, COMPLAINTS_MAX)
}

/** The payouts of a line share its end, and its end is what its attempts say. */
async function findUnproven(db: Kysely<Database>, from: bigint): Promise<readonly string[]> {
  const { rows } = await sql<{ batch: bigint; payee: number; state: string; paid: bigint }>`
    with lines as (
      select batch_id as batch, line, state, sum(amount_sats) as amount
        from payouts
       where line is not null and batch_id > ${from}
       group by batch_id, line, state)
    select batch, lines.line as payee, lines.state, count(attempt.n) as paid
      from lines
      left join ln_attempts attempt
        on attempt.batch_id = batch and attempt.payee = lines.line
       and attempt.state = 'settled' and attempt.amount_msat = amount * 1000
     group by batch, lines.line, lines.state
    having count(attempt.n) <> case when lines.state = 'settled' then 1 else 0 end
     order by batch, lines.line limit ${COMPLAINTS_MAX}`.execute(db)
  return rows.map(
    ({ batch, payee, state, paid }) =>
      `batch ${batch}: line ${payee} is ${state}, and ${paid} payments of it were made`,
  )
}

async function findWrongPreimages(db: Kysely<Database>, from: bigint): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('ln_attempts')
    .select(['batch_id', 'payee', 'payment_hash', 'preimage'])
    .where('state', '=', 'settled')
    .where('batch_id', '>', from)
    .orderBy('batch_id')
    .execute()
  return rows
    .filter(row => parsePreimage(row.preimage ?? '', paymentHash(row.payment_hash)) === null)
    .map(({ batch_id, payee }) => `batch ${batch_id}: line ${payee} has no preimage of its payment`)
}

/** An address has an `@`, and an invoice never has. */
async function findOtherInvoices(db: Kysely<Database>, from: bigint): Promise<readonly string[]> {
  const { rows } = await sql<{ batch: bigint; payee: number }>`
    select attempt.batch_id as batch, attempt.payee
      from ln_attempts attempt
      join payouts on payouts.batch_id = attempt.batch_id and payouts.line = attempt.payee
     where attempt.batch_id > ${from} and payouts.destination not like '%@%'
       and (attempt.invoice <> payouts.destination or attempt.n > 1)
     order by 1, 2 limit ${COMPLAINTS_MAX}`.execute(db)
  return rows.map(
    ({ batch, payee }) =>
      `batch ${batch}: line ${payee} was tried with another invoice than its own`,
  )
}

/** What left the float for live batches is what their open lines and largest fees may still take. */
async function findWrongOut(db: Kysely<Database>): Promise<readonly string[]> {
  const { rows } = await sql<{ may: bigint }>`
    select coalesce(sum(
             (select coalesce(sum(amount_sats), 0) * 1000 from payouts
               where batch_id = batches.id and payouts.state not in ('settled', 'released'))
             + fee_max_sats * 1000
             - (select coalesce(sum(fee_msat), 0) from ln_attempts where batch_id = batches.id)
           ), 0)::bigint as may
      from batches
     where rail = 'lightning' and state in ('prepared', 'sent', 'uncertain')`.execute(db)
  const may = rows[0]?.may ?? 0n
  const { out } = LIGHTNING_BOOKS
  const held = (await balancesOf(db, [out])).get(out) ?? 0n
  return held === may ? [] : [`${out} holds ${held} msat, and live batches may pay ${may}`]
}
