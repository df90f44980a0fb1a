import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import { Client } from 'pg'
import { inject } from 'vitest'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'

/** The migrated database that the run's set-up makes and nobody connects to. */
export const TEMPLATE_DATABASE = 'sidepool_template'

/** A database of a test file's own, at the newest schema. */
export type TestDatabase = {
  /** As the pool's processes see it. */
  readonly db: Kysely<Database>
  /** As the superuser, for what a test must do behind the pool's back. */
  readonly ownerDb: Kysely<Database>
  readonly appUrl: string
  readonly ownerUrl: string
  /** Closes both and drops the database, also where other connections are still open. */
  readonly drop: () => Promise<void>
}

/** Copies the template. Call it in `beforeAll` and its `drop` in `afterAll`. */
export async function testDatabase(): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await asSuperuser(`create database ${name} template ${TEMPLATE_DATABASE}`)
  const appUrl = onDatabase(inject('appUrl'), name)
  const ownerUrl = onDatabase(inject('ownerUrl'), name)
  const db = openDatabase(appUrl)
  const ownerDb = openDatabase(ownerUrl, { max: 3 })
  return {
    db,
    ownerDb,
    appUrl,
    ownerUrl,
    drop: async () => {
      await db.destroy()
      await ownerDb.destroy()
      await asSuperuser(`drop database ${name} with (force)`)
    },
  }
}

async function asSuperuser(statement: string): Promise<void> {
  const client = new Client({ connectionString: inject('ownerUrl') })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

function onDatabase(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}
