import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'

/** So many failures within the window lock whoever failed. */
export const AUTH_FAILURES_MAX = 10
/** Failures that began longer ago are forgotten: 15 minutes. */
export const AUTH_WINDOW_MS = 15 * 60_000
/** How long a lock lasts. */
export const AUTH_LOCK_MS = 15 * 60_000
/** Rows whose time is over, removed with each failure: more than one failure can add. */
const SWEPT_PER_FAILURE = 10

/**
 * Whether an address or an operator is locked out now.
 *
 * @param subjects `address:` or `operator:` and a name, see `addressSubject`
 * @returns when the latest of their locks ends; null where none holds
 */
export async function lockedUntil(
  db: Kysely<Database>,
  subjects: readonly string[],
  now: UnixMs,
): Promise<UnixMs | null> {
  const row = await db
    .selectFrom('auth_failures')
    .select(({ fn }) => fn.max('locked_until_ms').as('until'))
    .where('subject', 'in', subjects)
    .where('locked_until_ms', '>', BigInt(now))
    .executeTakeFirst()
  return row?.until ? unixMs(Number(row.until)) : null
}

/**
 * Counts a failed authentication; the last of too many locks. Whatever happens at one moment is
 * counted one after another by the row itself.
 *
 * @returns when the lock ends that now holds; null where none does
 */
export async function countFailure(
  db: Kysely<Database>,
  subject: string,
  now: UnixMs,
): Promise<UnixMs | null> {
  const windowStart = BigInt(Math.max(0, now - AUTH_WINDOW_MS))
  const isInWindow = sql`kept.since_ms >= ${windowStart}`
  const lockEnd = BigInt(now + AUTH_LOCK_MS)
  const { rows } = await sql<{ locked_until_ms: bigint | null }>`
    insert into auth_failures as kept (subject, failures, since_ms, locked_until_ms)
    values (${subject}, 1, ${BigInt(now)}, null)
    on conflict (subject) do update set
      failures = case when ${isInWindow} then kept.failures + 1 else 1 end,
      since_ms = case when ${isInWindow} then kept.since_ms else excluded.since_ms end,
      locked_until_ms = case
        when ${isInWindow} and kept.failures + 1 >= ${AUTH_FAILURES_MAX}
          then greatest(kept.locked_until_ms, ${lockEnd}::bigint)
        else kept.locked_until_ms end
    returning locked_until_ms`.execute(db)
  await sql`
    delete from auth_failures where subject in (
      select subject from auth_failures
       where since_ms < ${windowStart}
         and (locked_until_ms is null or locked_until_ms <= ${BigInt(now)})
       limit ${SWEPT_PER_FAILURE} for update skip locked)`.execute(db)
  const until = rows[0]?.locked_until_ms ?? null
  return until === null || until <= BigInt(now) ? null : unixMs(Number(until))
}

/**
 * Under which name an address is counted: an IPv6 host has 2^64 of its own, so its network's first
 * half counts, and IPv4 written as IPv6 is IPv4.
 */
export function addressSubject(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!plain.includes(':')) return `address:${plain.slice(0, 64)}`
  const [head = '', tail = ''] = plain.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const missing = 8 - groups(head).length - groups(tail).length
  const zeros = plain.includes('::') ? Array.from({ length: Math.max(0, missing) }, () => '0') : []
  const all = [...groups(head), ...zeros, ...groups(tail)]
  return `address:${all.slice(0, 4).join(':').slice(0, 60)}::/64`
}
