import { type Kysely, sql, type Transaction } from 'kysely'
import { canonicalJson } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import { equalBytes, utf8 } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import { type Digest, digest, unixMs } from '../lib/ids.ts'
import { type AuditEvent, EVENTS_START, eventBytes, eventHash } from './audit-event.ts'

/** Events read at a time; the rest follows in the next turn. */
const EVENTS_PER_TURN = 500
/** A check names this many findings and counts no further: the first ones tell enough. */
const FINDINGS_MAX = 100
const PLAIN_ACTOR = /^(pool|host|operator:[a-z][a-z0-9-]{0,39}|payee:\S{1,320})$/

/** An event with its place in the chain. */
export type ChainedEvent = AuditEvent & {
  readonly position: bigint
  readonly previous: Digest
  readonly hash: Digest
}

/**
 * Writes an event in the transaction of the action itself: both happen or neither. One writer at a
 * time: the lock is held until that transaction ends, so call this last in it.
 */
export async function recordEvent(tx: Transaction<Database>, event: AuditEvent): Promise<void> {
  assert(PLAIN_ACTOR.test(event.actor), 'an actor is the pool, the host, an operator or a payee')
  const detail = canonicalJson(event.detail)
  assert(!/\\u0000/.test(detail + JSON.stringify(event.subject)), 'an event has no NUL in it')
  await sql`select pg_advisory_xact_lock(hashtext('audit_events'))`.execute(tx)
  const head = await eventsHead(tx)
  const position = (head?.position ?? 0n) + 1n
  const bytes = eventBytes(position, event)
  await tx
    .insertInto('audit_events')
    .values({
      position,
      at_ms: BigInt(event.at),
      actor: event.actor,
      action: event.action,
      subject: event.subject,
      detail,
      bytes,
      hash: eventHash(head?.hash ?? EVENTS_START, bytes),
    })
    .execute()
}

/** Where the chain ends. Whoever keeps it can tell later that nothing before it was cut off. */
export async function eventsHead(
  db: Kysely<Database>,
): Promise<{ readonly position: bigint; readonly hash: Digest } | null> {
  const row = await db
    .selectFrom('audit_events')
    .select(['position', 'hash'])
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { position: row.position, hash: digest(row.hash) } : null
}

/** Events after a position, oldest first, at most `limit` of them. */
export async function eventsAfter(
  db: Kysely<Database>,
  after: bigint,
  limit: number,
): Promise<readonly ChainedEvent[]> {
  const before = await db
    .selectFrom('audit_events')
    .select('hash')
    .where('position', '=', after)
    .executeTakeFirst()
  const rows = await readRows(db, after, limit)
  let previous = before ? digest(before.hash) : EVENTS_START
  return rows.map(row => {
    const event = { ...eventOf(row), position: row.position, previous, hash: digest(row.hash) }
    previous = event.hash
    return event
  })
}

/**
 * Walks the whole chain: no place is missing, each row's words are those of its bytes, and each
 * hash follows from the one before. A log cut off at its end shows only by its head.
 *
 * @returns complaints, at most some; none where all is well
 */
export async function verifyEvents(db: Kysely<Database>): Promise<readonly string[]> {
  const complaints: string[] = []
  let last = { position: 0n, hash: EVENTS_START }
  for (;;) {
    const rows = await readRows(db, last.position, EVENTS_PER_TURN)
    for (const row of rows) {
      const { position } = row
      if (position !== last.position + 1n)
        complaints.push(`events: place ${last.position + 1n} is missing`)
      if (!equalBytes(new Uint8Array(row.bytes), utf8(wordsOf(row))))
        complaints.push(`events: what place ${position} says was changed`)
      if (eventHash(last.hash, new Uint8Array(row.bytes)) !== row.hash)
        complaints.push(`events: the hash of place ${position} does not follow`)
      // What is stored is carried on, so that one fault is found at its place and not ever after.
      last = { position, hash: digest(row.hash) }
      if (complaints.length >= FINDINGS_MAX) return complaints.slice(0, FINDINGS_MAX)
    }
    if (rows.length < EVENTS_PER_TURN) return complaints
  }
}

type EventRow = Awaited<ReturnType<typeof readRows>>[number]

function readRows(db: Kysely<Database>, after: bigint, limit: number) {
  return db
    .selectFrom('audit_events')
    .selectAll()
    .where('position', '>', after)
    .orderBy('position')
    .limit(limit)
    .execute()
}

function eventOf(row: EventRow): AuditEvent {
  const { actor, action, subject } = row
  // The column holds what recordEvent wrote; a check compares it with the bytes.
  const detail = row.detail as AuditEvent['detail']
  return { at: unixMs(Number(row.at_ms)), actor, action, subject, detail }
}

/** The canonical text as the columns have it. A number that tampering left is no bug of ours. */
function wordsOf(row: EventRow): string {
  try {
    return new TextDecoder().decode(eventBytes(row.position, eventOf(row)))
  } catch {
    return ''
  }
}
