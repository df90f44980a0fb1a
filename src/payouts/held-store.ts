import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import type { Trouble } from './waiting.ts'

/** One may be the way's fault, or a node's that was restarted. */
const HELD_MIN = 2
const HELD_DAYS = 30
const DAY_MS = 86_400_000

const REASON = `payments to it were held for ten minutes or longer, ${HELD_MIN} of them within ${HELD_DAYS} days`

/**
 * The destinations over Lightning that have held payments more than once lately, which shut up the
 * channels that everybody is paid by.
 */
export async function heldDestinations(
  db: Kysely<Database>,
  now: UnixMs,
): Promise<ReadonlyMap<string, Trouble>> {
  const { rows } = await sql<{ destination: string; at: bigint }>`
    select line.destination, max(coalesce(attempt.ended_ms, ${now})) as at
      from ln_attempts attempt
     cross join lateral (
       select coalesce(payouts.destination, payees.destination) as destination
         from payouts
         join accounts on accounts.id = payouts.account_id
         join payees on payees.id = accounts.payee_id
        where payouts.batch_id = attempt.batch_id and payouts.line = attempt.payee
        limit 1) line
     where attempt.held_ms > ${now - HELD_DAYS * DAY_MS}
     group by line.destination
    having count(*) >= ${HELD_MIN}`.execute(db)
  return new Map(
    rows.map(({ destination, at }) => [destination, { reason: REASON, at: unixMs(Number(at)) }]),
  )
}
