import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chartAccount, postEntries } from '../../src/ledger/index.ts'
import { journalKey, unixMs } from '../../src/lib/ids.ts'
import { millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { thunderNeed } from '../../src/payouts/float-need-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addBatchRow, NOW_MS } from './batch-rows.ts'
import { OUR_ADDRESS } from './chain-enforcer.ts'

const AMOUNT = sats(600_000n)

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

test('a deposit that settles while the need is read is counted once', async () => {
  const { ownerDb, db } = database
  const { batch } = await addBatchRow(ownerDb, {
    ...{ number: 1, state: 'sent', purpose: 'deposit', payees: [[OUR_ADDRESS, AMOUNT]] },
  })
  const none = { float: 0n, leaving: 0n, due: 0n }
  expect(await thunderNeed(db)).toEqual({ ...none, coming: AMOUNT })

  // Settling holds the batches, so that the reader has read the ledger and waits for them.
  const settling = await ownerDb.startTransaction().execute()
  await sql`lock table batches in access exclusive mode`.execute(settling)
  const need = thunderNeed(db)
  const isWaiting = async () => {
    const { rows } = await sql`select from pg_locks where not granted`.execute(ownerDb)
    return rows.length > 0 ? true : null
  }
  expect(await pollUntil(isWaiting, { everyMs: 5, timeoutMs: 30_000 })).toBe(true)
  const moved = msatsFromSats(AMOUNT)
  const legs = [
    { account: chartAccount('thunderTransit'), amount: moved },
    { account: chartAccount('treasuryCapital'), amount: millisats(-moved) },
  ]
  const entry = { key: journalKey('batch:1:settled'), event: 'settled', legs, at: unixMs(NOW_MS) }
  await postEntries(settling, [entry])
  await settling
    .updateTable('batches')
    .set({ state: 'settled', ended_ms: BigInt(NOW_MS) })
    .where('id', '=', batch)
    .execute()
  await settling.commit().execute()

  expect(await need).toEqual({ ...none, coming: AMOUNT })
  expect(await thunderNeed(db)).toEqual({ ...none, coming: AMOUNT })
})
