import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { Client, escapeLiteral, Pool } from 'pg'
import type { Database } from './schema.ts'

const FOLDER = join(import.meta.dirname, '../../../migrations')
const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/
/** Four digits number them. */
const MIGRATIONS_MAX = 10_000
/** Any number will do, so long as all that create roles take the same one. */
const ROLE_LOCK = 7_300_115

/** The group that may do what the pool does; the migrations grant to it. It owns nothing. */
const APP_GROUP = 'sidepool_app'
/** The login of the pool's processes on a server of our own. */
const APP_LOGIN = 'sidepool'

/**
 * Brings a database to the newest schema: runs the files `migrations/NNNN_….sql` that it has not
 * had yet, in order, each in a transaction of its own. Several callers at once wait for each other.
 *
 * @param ownerUrl a role that owns the database's objects and may create roles
 * @returns the names of the migrations that ran now
 * @throws Error naming the file that failed; the ones before it stay
 */
export async function migrate(ownerUrl: string, folder = FOLDER): Promise<readonly string[]> {
  await withClient(ownerUrl, client => createRole(client, APP_GROUP, 'nologin'))
  // Without the time limits of the pool's own connections: a migration takes what it takes.
  const pool = new Pool({ connectionString: ownerUrl, max: 2 })
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
  try {
    return await runAll(new Migrator({ db, provider: { getMigrations: () => readAll(folder) } }))
  } finally {
    await db.destroy()
  }
}

async function runAll(migrator: Migrator): Promise<readonly string[]> {
  const names: string[] = []
  for (let i = 0; i < MIGRATIONS_MAX; i++) {
    // One step at a time, since the migrator puts all the steps of a call in one transaction.
    const { error, results = [] } = await migrator.migrateUp()
    const failed = results.find(result => result.status === 'Error')
    const where = failed ? `migration ${failed.migrationName}` : 'migrating'
    if (error !== undefined) throw new Error(`${where} failed: ${String(error)}`, { cause: error })
    if (results.length === 0) break
    names.push(...results.map(result => result.migrationName))
  }
  return names
}

async function readAll(folder: string): Promise<Record<string, Migration>> {
  const migrations: Record<string, Migration> = {}
  for (const file of await readdir(folder)) {
    if (!FILE_NAME.test(file)) continue
    const text = await readFile(join(folder, file), 'utf8')
    migrations[file.slice(0, -'.sql'.length)] = {
      up: async (db: Kysely<Database>) => {
        await sql.raw(text).execute(db)
      },
    }
  }
  return migrations
}

/**
 * Makes the login that the pool's processes use: a member of the group, owner of nothing.
 * For the server of our own; elsewhere the operator makes one and gives it the group.
 *
 * @param password becomes the login's, also when the login is there already
 * @returns the URL for that database
 */
export async function ensureAppLogin(
  ownerUrl: string,
  database: string,
  password: string,
): Promise<string> {
  await withClient(ownerUrl, async client => {
    await createRole(client, APP_GROUP, 'nologin')
    await createRole(client, APP_LOGIN, 'login')
    await client.query(`alter role ${APP_LOGIN} password ${escapeLiteral(password)}`)
    await client.query(`grant ${APP_GROUP} to ${APP_LOGIN}`)
  })
  const url = new URL(ownerUrl)
  url.username = APP_LOGIN
  url.password = encodeURIComponent(password)
  url.pathname = `/${database}`
  return url.href
}

/** Roles belong to the whole server, so another database's migration may create them just now. */
async function createRole(client: Client, role: string, kind: 'login' | 'nologin') {
  await client.query(`
    do $$ begin
      create role ${role} ${kind};
    exception when duplicate_object or unique_violation then null;
    end $$`)
}

async function withClient<T>(url: string, act: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [ROLE_LOCK])
    return await act(client)
  } finally {
    await client.end()
  }
}
