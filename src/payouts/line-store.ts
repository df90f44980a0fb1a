import { type Kysely, sql, type Transaction } from 'kysely'
import { assert } from '../lib/assert.ts'
import { wholeNumbers } from '../lib/db/arrays.ts'
import type { Database } from '../lib/db/schema.ts'
import { accountId, type BatchId, type PayoutId, type UnixMs } from '../lib/ids.ts'
import { sats } from '../lib/money.ts'
import { type LineEnd, lineEntry } from './line.ts'
import type { PayoutFacts } from './payout.ts'
import { lockBatch, post } from './payout-store.ts'
import type { Lease, RailBooks } from './rail.ts'

/** A line that comes to its end now. */
export type EndingLine = {
  /** Its place in the manifest, from 0. */
  readonly payee: number
  readonly payouts: readonly PayoutId[]
  readonly end: LineEnd
  /** For the miner, where it was not paid; empty where it was. */
  readonly reason: string
}

/**
 * Ends lines of a leased batch and books them, in the caller's transaction; the batch itself is
 * moved when its last line has ended. One that has ended already is left as it is.
 *
 * @returns false where another worker has the batch by now; nothing was written then
 * @throws NotPosted where the ledger does not take an entry
 */
export async function endLines(
  tx: Transaction<Database>,
  { batch, fence }: Lease,
  lines: readonly EndingLine[],
  { books, at }: { readonly books: RailBooks; readonly at: UnixMs },
): Promise<boolean> {
  if ((await lockBatch(tx, batch))?.fence !== fence) return false
  const open = await openFacts(tx, batch)
  const ending = lines.filter(({ payouts }) => payouts.some(id => open.has(id)))
  const entries = ending.map(({ payee, payouts, end }) => {
    const facts = payouts.map(id => open.get(id))
    const whole = facts.filter(each => each !== undefined)
    assert(whole.length === payouts.length, 'the payouts of a line end together')
    return lineEntry({ batch, payee, books, payouts: whole }, end, at)
  })
  await post(tx, ...entries)
  const ended = ending.flatMap(({ payouts, end, reason }) =>
    payouts.map(id => ({ id, state: end.kind, failure: end.kind === 'released' ? reason : null })),
  )
  await sql`
    update payouts
       set state = ended.state, ended_ms = ${at}, failure = ended.failure
      from unnest(${wholeNumbers(ended, ({ id }) => id)}::bigint[],
                  ${ended.map(({ state }) => state)}::text[],
                  ${ended.map(({ failure }) => failure)}::text[]) as ended (id, state, failure)
     where payouts.batch_id = ${batch} and payouts.id = ended.id`.execute(tx)
  return true
}

async function openFacts(
  tx: Transaction<Database>,
  batch: BatchId,
): Promise<ReadonlyMap<bigint, PayoutFacts>> {
  const rows = await tx
    .selectFrom('payouts')
    .select(['id', 'account_id', 'amount_sats', 'fee_sats'])
    .where('batch_id', '=', batch)
    .where('state', 'not in', ['settled', 'released'])
    .execute()
  const facts = rows.map((row): [bigint, PayoutFacts] => [
    row.id,
    {
      account: accountId(row.account_id),
      amount: sats(row.amount_sats),
      charge: sats(row.fee_sats),
    },
  ])
  return new Map(facts)
}

/** The payouts of a batch that have not ended. */
export async function openPayouts(
  db: Kysely<Database>,
  batch: BatchId,
): Promise<ReadonlySet<bigint>> {
  const rows = await db
    .selectFrom('payouts')
    .select('id')
    .where('batch_id', '=', batch)
    .where('state', 'not in', ['settled', 'released'])
    .execute()
  return new Set(rows.map(({ id }) => id))
}
