import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import { BAN_MEMORY_MS, type Ban } from './stratum/guard.ts'

/** Bans that a process learns; beyond, those that end first are left out. */
const BANS_MAX = 100_000

/** Bans in force, and those that a next one would be counted on from. */
export async function readBans(db: Kysely<Database>, now: UnixMs): Promise<readonly Ban[]> {
  const rows = await db
    .selectFrom('stratum_bans')
    .selectAll()
    .where('until_ms', '>', BigInt(now - BAN_MEMORY_MS))
    .orderBy('until_ms', 'desc')
    .limit(BANS_MAX)
    .execute()
  return rows.map(({ subscriber, times, until_ms }) => ({
    ...{ subscriber, times, untilMs: unixMs(Number(until_ms)) },
  }))
}

/** Of two processes that ban the same one, the harder ban holds. Removes what is long over. */
export async function keepBan(db: Kysely<Database>, ban: Ban, now: UnixMs): Promise<void> {
  const row = { subscriber: ban.subscriber, times: ban.times, until_ms: BigInt(ban.untilMs) }
  await db
    .insertInto('stratum_bans')
    .values(row)
    .onConflict(conflict =>
      conflict
        .column('subscriber')
        .doUpdateSet(row)
        .where('stratum_bans.until_ms', '<', row.until_ms),
    )
    .execute()
  await db
    .deleteFrom('stratum_bans')
    .where('until_ms', '<=', BigInt(now - BAN_MEMORY_MS))
    .execute()
}
