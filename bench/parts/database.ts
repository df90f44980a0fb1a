import { join } from 'node:path'
import type { Kysely } from 'kysely'
import { Client } from 'pg'
import { openDatabase } from '../../src/lib/db/database.ts'
import { startEmbeddedPostgres } from '../../src/lib/db/embedded-postgres.ts'
import { ensureAppLogin, migrate } from '../../src/lib/db/migrate.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { createLog } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { median } from './report.ts'
import type { Scene } from './scene.ts'

const COMMITS = 300

export type BenchDatabase = {
  /** As the pool's processes see it. */
  readonly db: Kysely<Database>
  readonly appUrl: string
  readonly ownerUrl: string
  readonly ownerDb: Kysely<Database>
  /** The server's first process, the parent of all others. */
  readonly pid: number
  readonly version: string
}

/** A PostgreSQL of the measurement's own at its defaults, so commits are durable. */
export async function startDatabase({ dir, keep }: Scene): Promise<BenchDatabase> {
  const log = createLog('bench', 'silent')
  const postgres = await startEmbeddedPostgres({
    ...{ dir: join(dir, 'postgres'), log },
    random: systemRandom,
  })
  keep(postgres.stop)
  const ownerUrl = postgres.ownerUrl('postgres')
  await migrate(ownerUrl)
  const appUrl = await ensureAppLogin(ownerUrl, 'postgres', 'bench-only')
  const db = openDatabase(appUrl)
  keep(() => db.destroy())
  const ownerDb = openDatabase(ownerUrl, { max: 2 })
  keep(() => ownerDb.destroy())
  const { version } = await withClient(ownerUrl, async client => {
    const { rows } = await client.query(`select current_setting('server_version') as version`)
    return { version: String(rows[0]?.version) }
  })
  return { db, ownerDb, appUrl, ownerUrl, pid: postgres.pid, version }
}

/** Milliseconds that a commit of one row takes on one connection: what this disk costs at least. */
export async function bareCommitMs({ ownerUrl }: BenchDatabase): Promise<number> {
  return withClient(ownerUrl, async client => {
    await client.query('create table bare_commits (at int)')
    const times: number[] = []
    for (let i = 0; i < COMMITS; i++) {
      const from = performance.now()
      await client.query('insert into bare_commits values (1)')
      times.push(performance.now() - from)
    }
    await client.query('drop table bare_commits')
    return median(times)
  })
}

async function withClient<T>(url: string, act: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await act(client)
  } finally {
    await client.end()
  }
}
