import type { Kysely } from 'kysely'
import type { Config } from '../config.ts'
import { openDatabase } from '../lib/db/database.ts'
import type { Database } from '../lib/db/schema.ts'
import { createLog } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import { databaseOf } from './open-database.ts'

/** A command does one thing at a time, and one connection more to see it from outside. */
const CONNECTIONS = 2

/** Does something on the configured database, beside a running pool or without one. */
export async function withDatabase<T>(
  config: Config,
  act: (db: Kysely<Database>) => Promise<T>,
): Promise<T> {
  const log = createLog('command', 'warn')
  const { appUrl, leave } = await databaseOf(config, { log, random: systemRandom })
  const db = openDatabase(appUrl, { max: CONNECTIONS })
  try {
    return await act(db)
  } finally {
    await db.destroy()
    await leave()
  }
}
