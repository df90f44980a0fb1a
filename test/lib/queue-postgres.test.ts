import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { migrateQueue } from '../../src/lib/queue.ts'
import { CONTRACT_QUEUES, queueContract } from '../contracts/queue.ts'
import { testDatabase } from '../support/database.ts'

queueContract('PostgreSQL, as the role of the processes', async () => {
  const database = await testDatabase()
  await migrateQueue(database.ownerUrl, CONTRACT_QUEUES)
  return {
    store: { kind: 'postgres', url: database.appUrl },
    flush: async () => {
      const { rows } = await sql<{ name: string }>`
        select quote_ident(tablename) as name from pg_tables
         where schemaname = 'bullmq' and tablename <> 'migration'`.execute(database.ownerDb)
      const tables = rows.map(({ name }) => `bullmq.${name}`).join(', ')
      await sql.raw(`truncate ${tables}`).execute(database.ownerDb)
    },
    stop: database.drop,
  }
})

test('the queue is migrated twice with no harm', async () => {
  const database = await testDatabase()
  await migrateQueue(database.ownerUrl, CONTRACT_QUEUES)
  await expect(migrateQueue(database.ownerUrl, CONTRACT_QUEUES)).resolves.toBeUndefined()
  await database.drop()
})
