import { type Kysely, sql, type Transaction } from 'kysely'
import type { SpendPolicy, Spent } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import type { BatchId, UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'

const DAY_MS = 86_400_000

/**
 * What counts towards the limits of a day: every batch that was not released and has not settled
 * more than 24 hours ago. So a batch counts from its reservation until a day after it was paid for
 * good, however long its signers took, and what was within the limits when it was planned is so
 * when it is signed and whenever it is replaced.
 *
 * Whoever plans or approves by these figures holds `lockSpending` until its commit.
 *
 * @param except the batch in question, or null
 */
export async function spentInLastDay(
  db: Kysely<Database>,
  at: UnixMs,
  except: BatchId | null,
): Promise<Spent> {
  const sums = await daySums(db, at, except)
  return { ...sums, byDestination: await dayByDestination(db, at, except) }
}

/**
 * As `spentInLastDay`, but destinations are added up only where a ceiling asks for them: a day may
 * have a hundred thousand.
 */
export async function spentByRules(
  db: Kysely<Database>,
  { limits }: Pick<SpendPolicy, 'limits'>,
  at: UnixMs,
  except: BatchId | null,
): Promise<Spent> {
  if (limits.perDestinationPerDay !== null) return spentInLastDay(db, at, except)
  return { ...(await daySums(db, at, except)), byDestination: new Map() }
}

async function daySums(
  db: Kysely<Database>,
  at: UnixMs,
  except: BatchId | null,
): Promise<Pick<Spent, 'day' | 'autoDay'>> {
  const { rows } = await sql<{ day: bigint; auto: bigint }>`
    select coalesce(sum(total_sats + fee_max_sats), 0)::bigint as day,
           coalesce(sum(total_sats + fee_max_sats) filter (where auto_approved), 0)::bigint as auto
      from (${countedBatches(at, except)}) as counted`.execute(db)
  return { day: sats(rows[0]?.day ?? 0n), autoDay: sats(rows[0]?.auto ?? 0n) }
}

async function dayByDestination(
  db: Kysely<Database>,
  at: UnixMs,
  except: BatchId | null,
): Promise<ReadonlyMap<string, Sats>> {
  // What stays with us has no payouts: whom it pays stands in its manifest alone.
  const { rows } = await sql<{ destination: string; amount: bigint }>`
    with counted as (${countedBatches(at, except)})
    select destination, sum(amount)::bigint as amount
      from (select coalesce(payouts.destination, payees.destination) as destination,
                   amount_sats as amount
              from counted
              join payouts on batch_id = counted.id
              join accounts on accounts.id = account_id
              join payees on payees.id = payee_id
            union all
            select payee ->> 'destination', (payee ->> 'amountSats')::bigint
              from counted,
                   jsonb_array_elements(convert_from(manifest, 'UTF8')::jsonb -> 'payees') as payee
             where purpose in ('transfer', 'deposit', 'withdrawal', 'channel')) as parts
     group by destination`.execute(db)
  return new Map(rows.map(({ destination, amount }) => [destination, sats(amount)]))
}

/**
 * Held to the end of a transaction that takes a part of the day's limits: whoever comes second
 * waits, and then sees what the first one took. Taken after a rail's own lock, never before it.
 */
export async function lockSpending(tx: Transaction<Database>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('spending'), 0)`.execute(tx)
}

function countedBatches(at: UnixMs, except: BatchId | null) {
  const since = BigInt(at - DAY_MS)
  return sql`
    select id, purpose, manifest, total_sats, fee_max_sats, auto_approved
      from batches
     where id is distinct from ${except}::bigint
       and (state not in ('settled', 'released') or (state = 'settled' and ended_ms > ${since}))`
}
