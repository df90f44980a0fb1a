import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/lib/db/embedded-postgres.ts'
import { ensureAppLogin, migrate } from '../../src/lib/db/migrate.ts'
import { createLog } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { TEMPLATE_DATABASE } from './database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The run's PostgreSQL as its superuser; database `postgres`. */
    ownerUrl: string
    /** The same as the role that the pool's processes have; database `postgres`. */
    appUrl: string
  }
}

/** One PostgreSQL for the whole run, with a migrated database that each test file copies. */
export default async function setup(project: TestProject) {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-postgres-'))
  const postgres = await startEmbeddedPostgres({
    dir,
    log: createLog('test', 'silent'),
    random: systemRandom,
  })
  const ownerUrl = postgres.ownerUrl('postgres')
  const client = new Client({ connectionString: ownerUrl })
  await client.connect()
  await client.query(`create database ${TEMPLATE_DATABASE}`)
  await client.end()
  await migrate(postgres.ownerUrl(TEMPLATE_DATABASE))
  project.provide('ownerUrl', ownerUrl)
  project.provide('appUrl', await ensureAppLogin(ownerUrl, 'postgres', 'test-only'))
  return async () => {
    await postgres.stop()
    await rm(dir, { recursive: true, force: true })
  }
}
