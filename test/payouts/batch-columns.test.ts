import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addBatchRow } from './batch-rows.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

test.each([
  ['what it pays for', `purpose = 'transfer'`],
  ['the wallet that pays', `wallet = 'cold'`],
  ['its parent', `parent_id = 1`],
  ['what it may cost', 'fee_max_sats = 1'],
  ['that the pool alone approved it', 'auto_approved = false'],
])('the processes cannot change of a batch %s', async (_what, change) => {
  await addBatchRow(database.db, { number: 1 })
  await addBatchRow(database.db, { number: 2, isAuto: true })
  const update = sql.raw(`update batches set ${change} where id = 2`).execute(database.db)
  await expect(update).rejects.toMatchObject({ code: '23001' })
  await sql`update batches set auto_approved = true, note = 'n'`.execute(database.db)
})
