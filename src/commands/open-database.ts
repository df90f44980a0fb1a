import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import type { Config } from '../config.ts'
import { toHex } from '../lib/bytes.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../lib/db/embedded-postgres.ts'
import { ensureAppLogin, migrate } from '../lib/db/migrate.ts'
import type { Log } from '../lib/log.ts'
import { migrateQueue } from '../lib/queue.ts'
import type { Random } from '../lib/random.ts'
import { CommandError } from './command.ts'

const DATABASE = 'sidepool'
/** Between two looks at whether our own server still runs. */
const LOOK_MS = 2000
/** One queue a role that has jobs. */
export const QUEUES = ['accounting', 'payouts'] as const

/** Where the pool's database is, for its processes and for its owner. Both hold passwords. */
export type DatabaseUrls = {
  readonly appUrl: string
  readonly ownerUrl: string
  /** Stops a server of our own; elsewhere it does nothing. */
  readonly stop: () => Promise<void>
  /** Stops a server only if this call started it: what a command does beside a running pool. */
  readonly leave: () => Promise<void>
}

/**
 * The database that the configuration names. One of our own is started and brought to the newest
 * schema; an operator's is left as it is, since its schema changes when the operator says so.
 */
export async function databaseOf(
  config: Config,
  { log, random }: { readonly log: Log; readonly random: Random },
): Promise<DatabaseUrls> {
  if (config.database.kind === 'server') {
    const { url, ownerUrl } = config.database
    await requireSchema(url)
    return { appUrl: url, ownerUrl, stop: nothing, leave: nothing }
  }
  const { dir } = config.database
  const postgres = await startEmbeddedPostgres({ dir, log, random })
  await createDatabase(postgres.ownerUrl('postgres'))
  const ownerUrl = postgres.ownerUrl(DATABASE)
  await migrate(ownerUrl)
  await migrateQueue(ownerUrl, QUEUES)
  const password = await keptPassword(join(dir, 'app.password'), random)
  const appUrl = await ensureAppLogin(ownerUrl, DATABASE, password)
  const { stop, letGo } = keepRunning(() => startEmbeddedPostgres({ dir, log, random }))
  return { appUrl, ownerUrl, stop, leave: postgres.wasRunning ? letGo : stop }
}

/**
 * A server of our own has nobody else to start it again after a crash. It comes back on the port it
 * had, and what waited for it goes on.
 *
 * @returns what stops it for good, and what only stops looking after it
 */
function keepRunning(find: () => Promise<EmbeddedPostgres>): {
  readonly stop: () => Promise<void>
  readonly letGo: () => Promise<void>
} {
  let looking: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    // One that does not come up is tried again; meanwhile every part says that it is away.
    looking = looking.then(find).catch(() => {})
  }, LOOK_MS)
  timer.unref()
  const letGo = async () => {
    clearInterval(timer)
    await looking
  }
  const stop = async () => {
    await letGo()
    await (await find()).stop()
  }
  return { stop, letGo }
}

async function nothing(): Promise<void> {}

/** An operator's database is migrated when the operator says so; until then nothing would work. */
async function requireSchema(appUrl: string): Promise<void> {
  const client = new Client({ connectionString: appUrl })
  try {
    await client.connect()
    const { rows } = await client.query("select to_regclass('payouts') is not null as known")
    if (rows[0]?.known === true) return
  } catch (error) {
    throw new CommandError(`database.url cannot be used: ${String(error)}`)
  } finally {
    await client.end().catch(() => {}) // It may never have been connected.
  }
  throw new CommandError('the database has no tables of ours: run ./sidepool migrate first')
}

async function createDatabase(ownerUrl: string): Promise<void> {
  const client = new Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [DATABASE])
    if (found.rowCount === 0) await client.query(`create database ${DATABASE}`)
  } finally {
    await client.end()
  }
}

async function keptPassword(path: string, random: Random): Promise<string> {
  const kept = await readFile(path, 'utf8').catch(() => '')
  if (kept) return kept
  const made = toHex(random.bytes(24))
  await writeFile(path, made, { mode: 0o600 })
  await chmod(path, 0o600)
  return made
}
