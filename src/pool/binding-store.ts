import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, type SessionId, type UnixMs, type WorkerId, workerId } from '../lib/ids.ts'
import { inBatches } from '../lib/in-batches.ts'
import type { Clock } from '../lib/time.ts'
import type { FinderTerms } from './finder-coinbase.ts'
import type { Worker } from './stratum/session-state.ts'

/** Bindings of one batch; what is more goes into the next. */
const BINDINGS_PER_BATCH_MAX = 500

/** A worker's name, under the account that its session is to serve. */
export type BindRequest = {
  readonly sessionId: SessionId
  readonly accountId: AccountId
  readonly workerName: string
  /** Whom the session's coinbases are to pay; null where they pay the pool. */
  readonly finder: FinderTerms | null
}

export type Binding =
  | { readonly kind: 'bound'; readonly worker: Worker }
  /** The session has an account already, another one. */
  | { readonly kind: 'another payee' }

/**
 * Sets a session's account, once and with it whom its coinbases pay, and finds or adds the worker.
 * Rejects while PostgreSQL is away.
 */
export function createBinder(
  db: Kysely<Database>,
  clock: Clock,
): (request: BindRequest) => Promise<Binding> {
  return inBatches(requests => bindAll(db, clock.now(), requests), BINDINGS_PER_BATCH_MAX)
}

async function bindAll(
  db: Kysely<Database>,
  now: UnixMs,
  requests: readonly BindRequest[],
): Promise<readonly Binding[]> {
  const accounts = await claimSessions(db, requests)
  const bound = requests.filter(({ sessionId, accountId }) => accounts.get(sessionId) === accountId)
  const workers = await findOrAddWorkers(db, now, bound)
  return requests.map(({ sessionId, accountId, workerName }) => {
    const id = workers.get(workerKey(accountId, workerName))
    if (accounts.get(sessionId) !== accountId || id === undefined) return { kind: 'another payee' }
    return { kind: 'bound', worker: { accountId, workerId: id } }
  })
}

/** The account of each session, which is the first that asks where it had none. */
async function claimSessions(
  db: Kysely<Database>,
  requests: readonly BindRequest[],
): Promise<ReadonlyMap<bigint, bigint | null>> {
  const first = new Map(requests.toReversed().map(each => [each.sessionId, each]))
  const ids = [...first.keys()]
  const claims = [...first.values()]
  await sql`
    update sessions set account_id = claim.account_id, finder_script = claim.script,
                        finder_fee_basis_points = claim.fee
      from unnest(${ids}::bigint[], ${claims.map(({ accountId }) => accountId)}::bigint[],
                  ${claims.map(({ finder }) => finder && Buffer.from(finder.script))}::bytea[],
                  ${claims.map(({ finder }) => finder?.feeBasisPoints ?? null)}::integer[])
             as claim (session_id, account_id, script, fee)
     where sessions.id = claim.session_id and sessions.account_id is null`.execute(db)
  const rows = await db
    .selectFrom('sessions')
    .select(['id', 'account_id'])
    .where('id', '=', sql<bigint>`any(${ids}::bigint[])`)
    .execute()
  return new Map(rows.map(row => [row.id, row.account_id]))
}

/** Looked for first, since an insert takes an id from the sequence even where it adds nothing. */
async function findOrAddWorkers(
  db: Kysely<Database>,
  now: UnixMs,
  requests: readonly BindRequest[],
): Promise<ReadonlyMap<string, WorkerId>> {
  const known = await findWorkers(db, requests)
  const missing = requests.filter(each => !known.has(workerKey(each.accountId, each.workerName)))
  if (missing.length === 0) return known
  await sql`
    insert into workers (account_id, name, created_ms)
    select distinct account_id, name, ${now}::bigint
      from unnest(${missing.map(({ accountId }) => accountId)}::bigint[],
                  ${missing.map(({ workerName }) => workerName)}::text[])
             as asked (account_id, name)
    on conflict do nothing`.execute(db)
  return new Map([...known, ...(await findWorkers(db, missing))])
}

async function findWorkers(
  db: Kysely<Database>,
  requests: readonly BindRequest[],
): Promise<ReadonlyMap<string, WorkerId>> {
  const { rows } = await sql<{ id: bigint; account_id: bigint; name: string }>`
    select distinct workers.id, workers.account_id, workers.name
      from workers
      join unnest(${requests.map(({ accountId }) => accountId)}::bigint[],
                  ${requests.map(({ workerName }) => workerName)}::text[])
             as asked (account_id, name) using (account_id, name)`.execute(db)
  return new Map(rows.map(row => [workerKey(row.account_id, row.name), workerId(row.id)]))
}

/** An account's id has no space in it. */
function workerKey(account: bigint, name: string): string {
  return `${account} ${name}`
}
