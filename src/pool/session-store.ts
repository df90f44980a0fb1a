import { type Kysely, sql } from 'kysely'
import { z } from 'zod'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  type SessionId,
  sessionId,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { inBatches } from '../lib/in-batches.ts'
import type { Random } from '../lib/random.ts'
import type { Clock } from '../lib/time.ts'
import { type Binding, type BindRequest, createBinder } from './binding-store.ts'
import { createExtranonces, type Extranonces } from './extranonce.ts'
import { type CoinbasePays, type FinderTerms, termsOf } from './finder-coinbase.ts'
import { type DifficultyStep, firstStep } from './stratum/channel.ts'
import type { Lease } from './stratum/session-state.ts'

/** A miner that comes back within this time gets its session again, after a restart of ours too. */
export const RESUME_WITHIN_MS = 600_000
const RESUME_TOKEN_BYTES = 8
/** Sessions opened, or saved, in one statement; what is more goes into the next. */
const SESSIONS_PER_BATCH_MAX = 500
/** Prefixes tried in a row that live sessions still use; only 65,536 in all can be leased. */
const PREFIX_TRIES_MAX = 64

export type OpenRequest = {
  readonly scheme: string
  /** The miner's address and port, as connected. */
  readonly host: string
  readonly port: number
  readonly agent: string
  readonly resumeToken: Uint8Array | null
  readonly startLog2: number
  /** Whose the session is, where that is known already. */
  readonly accountId: AccountId | null
  /** What the port's coinbases pay, and whom, where that is known with the account. */
  readonly coinbasePays: CoinbasePays
  readonly finder: FinderTerms | null
}

/** Sessions on disk. Each function rejects when the database does not answer. */
export type SessionStore = {
  /** Commits a lease, or finds the session of the token. */
  readonly open: (request: OpenRequest) => Promise<Lease>
  /** Sets the session's account, once, and finds or adds the worker. */
  readonly bind: (request: BindRequest) => Promise<Binding>
  readonly saveSteps: (id: SessionId, steps: readonly DifficultyStep[]) => Promise<void>
  /** What a miner calls itself that had said nothing when it subscribed. */
  readonly nameAgent: (id: SessionId, agent: string) => Promise<void>
  /** Says which sessions live, and since when others do not. */
  readonly markSeen: (seen: {
    readonly live: readonly SessionId[]
    readonly closed: ReadonlyMap<SessionId, UnixMs>
  }) => Promise<void>
}

export function createSessionStore(
  db: Kysely<Database>,
  clock: Clock,
  random: Random,
): SessionStore {
  const extranonces = createExtranonces()
  const open = inBatches<OpenRequest, Lease>(
    requests => openAll({ db, random, extranonces, now: clock.now() }, requests),
    SESSIONS_PER_BATCH_MAX,
  )
  const save = inBatches<StepsOfSession, true>(items => saveAll(db, items), SESSIONS_PER_BATCH_MAX)
  return {
    open,
    bind: createBinder(db, clock),
    saveSteps: async (id, steps) => void (await save({ id, steps })),
    nameAgent: async (id, agent) =>
      void (await db.updateTable('sessions').set({ agent }).where('id', '=', id).execute()),
    markSeen: seen => markSeen(db, clock.now(), seen),
  }
}

type Opening = {
  readonly db: Kysely<Database>
  readonly random: Random
  readonly extranonces: Extranonces
  readonly now: UnixMs
}

async function openAll(opening: Opening, requests: readonly OpenRequest[]): Promise<Lease[]> {
  const known = await findResumed(opening, requests)
  const fresh = requests.filter(request => !known.has(resumeKey(request)))
  const added = fresh.length > 0 ? await insertLeases(opening, fresh) : []
  return requests.map(request => {
    const lease = known.get(resumeKey(request)) ?? added.shift()
    assert(lease !== undefined, 'each request gets a lease')
    return lease
  })
}

/**
 * A session belongs to its scheme: on another port its token is not known. Nor is it where the
 * port's coinbases pay somebody else now: its jobs would not be those that it worked on.
 */
function resumeKey({ resumeToken, scheme, coinbasePays }: OpenRequest): string {
  if (resumeToken === null) return ''
  return `${Buffer.from(resumeToken).toString('hex')} ${scheme} ${coinbasePays}`
}

/** The keys by which a stored session may be asked for; before its first authorize it has two. */
function keysOf(row: LeaseRow & { readonly scheme: string }): string[] {
  const key = `${row.resume_token.toString('hex')} ${row.scheme}`
  const pays = row.finder_script === null ? (['pool'] as const) : (['finder'] as const)
  return (row.account_id === null ? (['pool', 'finder'] as const) : pays).map(
    each => `${key} ${each}`,
  )
}

async function findResumed(
  { db, now }: Opening,
  requests: readonly OpenRequest[],
): Promise<Map<string, Lease>> {
  const tokens = requests.flatMap(({ resumeToken }) =>
    resumeToken ? [Buffer.from(resumeToken)] : [],
  )
  if (tokens.length === 0) return new Map()
  const rows = await db
    .updateTable('sessions')
    .set({ closed_ms: null, last_seen_ms: BigInt(now) })
    .where('resume_token', 'in', tokens)
    .where('scheme', 'in', [...new Set(requests.map(({ scheme }) => scheme))])
    .where('last_seen_ms', '>', BigInt(now - RESUME_WITHIN_MS))
    .returning(['id', 'resume_token', 'extranonce1', 'account_id', 'difficulties', 'scheme'])
    .returning(['finder_script', 'finder_fee_basis_points'])
    .execute()
  return new Map(rows.flatMap(row => keysOf(row).map(key => [key, asLease(row)] as const)))
}

async function insertLeases(opening: Opening, requests: readonly OpenRequest[]): Promise<Lease[]> {
  const { db, random, now } = opening
  const leases: (OpenRequest & Pick<Lease, 'resumeToken' | 'extranonce1'>)[] = []
  for (const request of requests) {
    const resumeToken = random.bytes(RESUME_TOKEN_BYTES)
    leases.push({ ...request, resumeToken, extranonce1: await takeExtranonce(opening) })
  }
  const { rows } = await sql<{ id: bigint; resume_token: Buffer }>`
    insert into sessions (resume_token, extranonce1, scheme, host, port, agent, difficulties,
                          account_id, finder_script, finder_fee_basis_points,
                          opened_ms, last_seen_ms)
    select *, ${now}::bigint, ${now}::bigint
      from unnest(${leases.map(({ resumeToken }) => Buffer.from(resumeToken))}::bytea[],
                  ${leases.map(({ extranonce1 }) => Buffer.from(extranonce1))}::bytea[],
                  ${leases.map(({ scheme }) => scheme)}::text[],
                  ${leases.map(({ host }) => host)}::text[],
                  ${leases.map(({ port }) => port)}::integer[],
                  ${leases.map(({ agent }) => agent)}::text[],
                  ${leases.map(({ startLog2 }) => stepsText(firstStep(startLog2)))}::jsonb[],
                  ${leases.map(lease => lease.accountId)}::bigint[],
                  ${leases.map(({ finder }) => finder && Buffer.from(finder.script))}::bytea[],
                  ${leases.map(({ finder }) => finder?.feeBasisPoints ?? null)}::integer[])
    returning id, resume_token`.execute(db)
  const ids = new Map(rows.map(row => [row.resume_token.toString('hex'), row.id]))
  return leases.map(({ resumeToken, extranonce1, startLog2, accountId: account, finder }) => {
    const id = ids.get(Buffer.from(resumeToken).toString('hex'))
    assert(id !== undefined, 'each lease inserted comes back')
    const steps = firstStep(startLog2)
    const lease = { sessionId: sessionId(id), resumeToken, extranonce1, steps }
    return { ...lease, accountId: account, finder }
  })
}

async function takeExtranonce(opening: Opening): Promise<Uint8Array> {
  const { extranonces } = opening
  const next = extranonces.take()
  if (next !== null) return next
  extranonces.renew(await leasePrefix(opening))
  const first = extranonces.take()
  assert(first !== null, 'a new prefix has room')
  return first
}

/** The next prefix in turn that no session uses which lives or may come back. */
async function leasePrefix({ db, now }: Opening): Promise<number> {
  for (let i = 0; i < PREFIX_TRIES_MAX; i++) {
    const { rows } = await sql<{ prefix: bigint; used: boolean }>`
      with leased as materialized (select nextval('extranonce_prefixes') as prefix)
      select prefix, exists (
        select from sessions
         where extranonce1 >= decode(lpad(to_hex(prefix), 4, '0') || '0000', 'hex')
           and extranonce1 <= decode(lpad(to_hex(prefix), 4, '0') || 'ffff', 'hex')
           and last_seen_ms > ${now - RESUME_WITHIN_MS}) as used
        from leased`.execute(db)
    const [row] = rows
    if (row && !row.used) return Number(row.prefix)
  }
  throw new Error('no extranonce prefix is free')
}

type StepsOfSession = { readonly id: SessionId; readonly steps: readonly DifficultyStep[] }

async function saveAll(db: Kysely<Database>, items: readonly StepsOfSession[]): Promise<true[]> {
  // Of two for one session in a batch the later holds the earlier one's steps too.
  const latest = [...new Map(items.map(item => [item.id, item])).values()]
  await sql`
    update sessions set difficulties = saved.difficulties
      from unnest(${latest.map(({ id }) => id)}::bigint[],
                  ${latest.map(({ steps }) => stepsText(steps))}::jsonb[])
             as saved (id, difficulties)
     where sessions.id = saved.id`.execute(db)
  return items.map(() => true)
}

async function markSeen(
  db: Kysely<Database>,
  now: UnixMs,
  { live, closed }: Parameters<SessionStore['markSeen']>[0],
): Promise<void> {
  await sql`
    update sessions set last_seen_ms = ${now}, closed_ms = null
     where id = any(${live}::bigint[])`.execute(db)
  await sql`
    update sessions set last_seen_ms = ended.at, closed_ms = ended.at
      from unnest(${[...closed.keys()]}::bigint[], ${[...closed.values()]}::bigint[])
             as ended (id, at)
     where sessions.id = ended.id`.execute(db)
}

const stepsColumn = z.array(z.tuple([z.number().int().min(0), z.number().int()])).min(1)

function stepsText(steps: readonly DifficultyStep[]): string {
  return JSON.stringify(steps.map(({ fromMs, log2 }) => [fromMs, log2]))
}

type LeaseRow = {
  readonly id: bigint
  readonly resume_token: Buffer
  readonly extranonce1: Buffer
  readonly account_id: bigint | null
  readonly difficulties: unknown
  readonly finder_script: Buffer | null
  readonly finder_fee_basis_points: number | null
}

function asLease(row: LeaseRow): Lease {
  return {
    sessionId: sessionId(row.id),
    resumeToken: new Uint8Array(row.resume_token),
    extranonce1: new Uint8Array(row.extranonce1),
    steps: stepsColumn
      .parse(row.difficulties)
      .map(([fromMs, log2]) => ({ fromMs: unixMs(fromMs), log2 })),
    accountId: row.account_id === null ? null : accountId(row.account_id),
    finder: termsOf(row),
  }
}
