import { Kysely, PostgresDialect } from 'kysely'
import { Pool, types } from 'pg'
import { assert } from '../assert.ts'
import type { Database } from './schema.ts'

const CONNECTIONS = 10
const CONNECT_TIMEOUT_MS = 5000
/** The server ends a statement that takes longer; what runs that long is a bug or a lost lock. */
const STATEMENT_TIMEOUT_MS = 60_000
/** The server ends a transaction whose owner has gone silent, so that its locks are freed. */
const IDLE_TRANSACTION_TIMEOUT_MS = 60_000
/** Above the server's own limits: only a server that no longer answers at all runs into it. */
const ANSWER_TIMEOUT_MS = 90_000

/** PostgreSQL's type numbers (pg_type.dat). */
const INT8 = 20
const NUMERIC = 1700
const INT8_ARRAY = 1016
const NUMERIC_ARRAY = 1231

/**
 * Opens a pool of connections, lazily: that the server is there shows at the first query.
 * `int8` and `numeric` are read as bigint, and a `numeric` with a fraction is refused, since every
 * amount and every work in our tables is whole.
 *
 * @param url holds the password, so it is never logged
 * @param max connections at most; a query waits while all are in use
 */
export function openDatabase(
  url: string,
  { max = CONNECTIONS }: { readonly max?: number } = {},
): Kysely<Database> {
  const pool = openPool(url, max)
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
  pools.set(db, pool)
  return db
}

const pools = new WeakMap<Kysely<Database>, Pool>()

/** The connections behind a database, for what Kysely has no words for. */
export function poolOf(db: Kysely<Database>): Pool {
  const pool = pools.get(db)
  assert(pool !== undefined, 'a database was opened here')
  return pool
}

function openPool(url: string, max: number): Pool {
  const pool = new Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
    // Accepted means durable, whatever the server or the role is set to. The server's cost of a
    // page out of order is that of a spinning disk, at which it reads all balances for a thousand.
    options: '-c synchronous_commit=on -c random_page_cost=1.1',
    types: { getTypeParser },
  })
  // An idle connection that breaks is dropped by the pool, and the next query opens another or
  // fails by itself. Without a listener the event would end the process.
  pool.on('error', () => {})
  // So would the event of a connection that breaks while a query or a transaction holds it: the
  // query fails by itself, and the pool listens to idle connections only.
  pool.on('connect', client => client.on('error', () => {}))
  return pool
}

function getTypeParser(oid: number, format?: 'text' | 'binary') {
  if (format === 'binary') return types.getTypeParser(oid, format)
  switch (oid) {
    case INT8:
    case NUMERIC:
      return parseWhole
    case INT8_ARRAY:
    case NUMERIC_ARRAY:
      return parseWholeArray
    default:
      return types.getTypeParser(oid, 'text')
  }
}

/** BigInt refuses a fraction, an exponent and NaN by throwing, which fails the query. */
function parseWhole(text: string): bigint {
  return BigInt(text)
}

/** A flat array as PostgreSQL writes it, `{1,NULL,3}`; a nested one fails the query. */
function parseWholeArray(text: string): (bigint | null)[] {
  if (text === '{}') return []
  const items = text.slice(1, -1).split(',')
  return items.map(item => (item === 'NULL' ? null : parseWhole(item)))
}
