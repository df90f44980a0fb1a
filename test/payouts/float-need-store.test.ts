import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chartAccount, postEntries } from '../../src/ledger/index.ts'
import { type AccountId, journalKey, unixMs } from '../../src/lib/ids.ts'
import { millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { lightningNeed, thunderNeed } from '../../src/payouts/float-need-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addBatchRow, NOW_MS } from './batch-rows.ts'
import { OUR_ADDRESS } from './chain-enforcer.ts'
import { credit, HOUR_MS, openBooks, owe, setSettings } from './plan-world.ts'

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
  expect(await thunderNeed(db, unixMs(NOW_MS))).toEqual({ ...none, coming: AMOUNT })

  // Settling holds the batches, so that the reader has read the ledger and waits for them.
  const settling = await ownerDb.startTransaction().execute()
  await sql`lock table batches in access exclusive mode`.execute(settling)
  const need = thunderNeed(db, unixMs(NOW_MS))
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
  expect(await thunderNeed(db, unixMs(NOW_MS))).toEqual({ ...none, coming: AMOUNT })
})

test('what others have uploaded an invoice for is due over Lightning, once it is owed', async () => {
  const { ownerDb, db } = database
  await openBooks(ownerDb, 1n, NOW_MS)
  const due = async (atMs = NOW_MS) => (await lightningNeed(db, unixMs(atMs))).due
  const account = await owe(ownerDb, 'somebody', { amountSats: 4000n })
  expect(await due(), 'paid elsewhere').toBe(0n)
  await upload(account, { amountSats: 5000n, lapsesMs: NOW_MS + HOUR_MS })
  expect(await due(), 'not owed as much').toBe(0n)
  await credit(ownerDb, account, 2000n)
  expect(await due()).toBe(5000n)
  expect(await due(NOW_MS + HOUR_MS), 'lapsed').toBe(0n)
  const dueOnThunder = async () => (await thunderNeed(db, unixMs(NOW_MS))).due
  expect(await dueOnThunder(), 'no other rail pays it').toBe(0n)
  await setSettings(ownerDb, account, { rail: 'thunder' })
  expect(await due(), 'whatever the wish').toBe(5000n)
  expect(await dueOnThunder(), 'the rest').toBe(1000n)
  await setSettings(ownerDb, account, { rail: 'lightning' })
  expect(await due(), 'all of it is paid there').toBe(6000n)
  await sql`update uploaded_invoices set ended_ms = ${NOW_MS}`.execute(ownerDb)
  expect(await due(), 'by the wish alone').toBe(6000n)
})

async function upload(
  account: AccountId,
  { amountSats, lapsesMs }: { readonly amountSats: bigint; readonly lapsesMs: number },
): Promise<void> {
  await sql`
    insert into uploaded_invoices (account_id, number, payment_hash, invoice, amount_sats, proof,
                                   message, signature, uploaded_ms, pays_from_ms, lapses_ms)
    values (${account}, 1, ${'b'.repeat(64)}, 'lnbcrt', ${amountSats}, 'bip322', 'message',
            'signature', ${NOW_MS}, ${NOW_MS}, ${lapsesMs})`.execute(database.ownerDb)
}
