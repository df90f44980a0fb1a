import { type Kysely, sql } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import { type BatchId, type Preimage, paymentHash, type UnixMs, unixMs } from '../../../lib/ids.ts'
import { type Millisats, millisats } from '../../../lib/money.ts'
import type { Attempt, Sights } from './attempt.ts'

const REASON_CHARACTERS_MAX = 500

/** The newest attempt of each line of a batch, by the line's place in the manifest. */
export async function newestAttempts(
  db: Kysely<Database>,
  batch: BatchId,
): Promise<ReadonlyMap<number, Attempt>> {
  const rows = await db
    .selectFrom('ln_attempts')
    .selectAll()
    .distinctOn('payee')
    .where('batch_id', '=', batch)
    .orderBy('payee')
    .orderBy('n', 'desc')
    .execute()
  return new Map(
    rows.map(row => [
      row.payee,
      {
        n: row.n,
        paymentHash: paymentHash(row.payment_hash),
        ...{ invoice: row.invoice, nodeKey: row.node_key, state: row.state, calls: row.calls },
        expiresAt: unixMs(Number(row.expires_ms)),
        goneSince: instantOf(row.gone_ms),
        onWaySince: instantOf(row.on_way_ms),
        heldAt: instantOf(row.held_ms),
        reason: row.reason,
      },
    ]),
  )
}

function instantOf(ms: bigint | null): UnixMs | null {
  return ms === null ? null : unixMs(Number(ms))
}

/** An attempt that is begun now. */
export type NewAttempt = Pick<
  Attempt,
  'n' | 'paymentHash' | 'invoice' | 'nodeKey' | 'expiresAt'
> & { readonly payee: number; readonly amount: Millisats }

/**
 * Writes invoices down before anything is called. One whose hash is known, or whose line has another
 * attempt that lives, is not written: the database sees to that, whoever else works on the batch.
 */
export async function addAttempts(
  db: Kysely<Database>,
  batch: BatchId,
  attempts: readonly NewAttempt[],
  at: UnixMs,
): Promise<void> {
  if (attempts.length === 0) return
  await db
    .insertInto('ln_attempts')
    .values(
      attempts.map(each => ({
        ...{ batch_id: batch, payee: each.payee, n: each.n, payment_hash: each.paymentHash },
        ...{ invoice: each.invoice, node_key: each.nodeKey, amount_msat: each.amount },
        ...{ expires_ms: BigInt(each.expiresAt), state: 'prepared' as const, calls: 0 },
        ...{ gone_ms: null, preimage: null, fee_msat: null, created_ms: BigInt(at) },
        ...{ on_way_ms: null, held_ms: null, ended_ms: null },
      })),
    )
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/** A call that is about to be made. */
export type Call = { readonly payee: number; readonly n: number; readonly call: number }

/**
 * Writes down that calls may be made, before they are.
 *
 * @returns those that may: no other worker has gone on with them
 */
export async function noteCalling<T extends Call>(
  db: Kysely<Database>,
  batch: BatchId,
  calls: readonly T[],
): Promise<readonly T[]> {
  const { rows } = await sql<{ payee: number; n: number }>`
    update ln_attempts attempt set state = 'called' from ${rowsOf(calls)}
     where attempt.batch_id = ${batch} and attempt.payee = asked.payee and attempt.n = asked.n
       and attempt.state in ('prepared', 'called') and attempt.calls in (asked.call - 1, asked.call)
    returning attempt.payee, attempt.n`.execute(db)
  const noted = new Set(rows.map(({ payee, n }) => `${payee} ${n}`))
  return calls.filter(({ payee, n }) => noted.has(`${payee} ${n}`))
}

/** Writes down which calls the signer has confirmed. */
export async function noteCalled(
  db: Kysely<Database>,
  batch: BatchId,
  calls: readonly Call[],
): Promise<void> {
  if (calls.length === 0) return
  await sql`
    update ln_attempts attempt set calls = greatest(calls, asked.call) from ${rowsOf(calls)}
     where attempt.batch_id = ${batch} and attempt.payee = asked.payee and attempt.n = asked.n
       and attempt.state = 'called'`.execute(db)
}

function rowsOf(calls: readonly Call[]) {
  return sql`unnest(${calls.map(({ payee }) => payee)}::integer[],
                    ${calls.map(({ n }) => n)}::integer[],
                    ${calls.map(({ call }) => call)}::integer[]) as asked (payee, n, call)`
}

/** What look-ups have found. */
export async function noteSights(
  db: Kysely<Database>,
  batch: BatchId,
  { payee, n }: { readonly payee: number; readonly n: number },
  { goneSince, onWaySince, heldAt }: Sights,
): Promise<void> {
  const ms = (instant: UnixMs | null) => (instant === null ? null : BigInt(instant))
  await db
    .updateTable('ln_attempts')
    .set({ gone_ms: ms(goneSince), on_way_ms: ms(onWaySince), held_ms: ms(heldAt) })
    .where('batch_id', '=', batch)
    .where('payee', '=', payee)
    .where('n', '=', n)
    .where('state', '=', 'called')
    .execute()
}

/** How an attempt ended, by evidence. */
export type AttemptEnd =
  | { readonly kind: 'dead'; readonly reason: string }
  | { readonly kind: 'settled'; readonly preimage: Preimage; readonly fee: Millisats }

/** An attempt that ends now. */
export type EndingAttempt = {
  readonly payee: number
  readonly n: number
  readonly end: AttemptEnd
}

/** Writes how attempts ended; one that has ended stays as it is. */
export async function endAttempts(
  db: Kysely<Database>,
  batch: BatchId,
  attempts: readonly EndingAttempt[],
  at: UnixMs,
): Promise<void> {
  if (attempts.length === 0) return
  const rows = attempts.map(({ payee, n, end }) => {
    const isPaid = end.kind === 'settled'
    const reason = isPaid ? '' : end.reason.slice(0, REASON_CHARACTERS_MAX)
    const proof = { preimage: isPaid ? end.preimage : null, fee: isPaid ? end.fee : null }
    return { payee, n, state: end.kind, reason, ...proof }
  })
  await sql`
    update ln_attempts attempt
       set state = ended.state, ended_ms = ${at}, reason = ended.reason,
           preimage = ended.preimage, fee_msat = ended.fee
      from unnest(${rows.map(({ payee }) => payee)}::integer[],
                  ${rows.map(({ n }) => n)}::integer[],
                  ${rows.map(({ state }) => state)}::text[],
                  ${rows.map(({ reason }) => reason)}::text[],
                  ${rows.map(({ preimage }) => preimage)}::text[],
                  ${rows.map(({ fee }) => fee?.toString() ?? null)}::bigint[])
             as ended (payee, n, state, reason, preimage, fee)
     where attempt.batch_id = ${batch} and attempt.payee = ended.payee and attempt.n = ended.n
       and attempt.state in ('prepared', 'called')`.execute(db)
}

/** The fees of all payments of a batch that were made. */
export async function feesPaid(db: Kysely<Database>, batch: BatchId): Promise<Millisats> {
  const row = await db
    .selectFrom('ln_attempts')
    .select(eb => eb.fn.sum<bigint | null>('fee_msat').as('fees'))
    .where('batch_id', '=', batch)
    .executeTakeFirst()
  return millisats(row?.fees ?? 0n)
}
