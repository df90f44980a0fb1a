import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { batchId, unixMs } from '../../src/lib/ids.ts'
import { lockSpending, spentInLastDay } from '../../src/payouts/spent-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addBatchRow, type BatchRow, DAY_MS, lockWaiters, NOW_MS } from './batch-rows.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const AT = unixMs(NOW_MS)
const add = (row: BatchRow) => addBatchRow(database.db, row)
const spent = (except: number | null = null) =>
  spentInLastDay(database.db, AT, except === null ? null : batchId(BigInt(except)))

const counted: readonly (readonly [string, Omit<BatchRow, 'number'>, boolean])[] = [
  ['planned just now', {}, true],
  [
    'settled a day ago',
    { createdMs: NOW_MS - 3 * DAY_MS, state: 'settled', endedMs: NOW_MS - DAY_MS },
    false,
  ],
  [
    'settled a moment less than a day ago',
    { createdMs: NOW_MS - 3 * DAY_MS, state: 'settled', endedMs: NOW_MS - DAY_MS + 1 },
    true,
  ],
  ['released', { state: 'released' }, false],
  [
    'planned long ago, which may still leave',
    { createdMs: NOW_MS - 3 * DAY_MS, state: 'approved' },
    true,
  ],
  [
    'first built long ago, whose signers took their time',
    { createdMs: NOW_MS - 3 * DAY_MS, state: 'prepared', builtMs: NOW_MS - 2 * DAY_MS },
    true,
  ],
  [
    'that waits long for a block, and may be replaced',
    { createdMs: NOW_MS - 3 * DAY_MS, state: 'sent', builtMs: NOW_MS - 3 * DAY_MS },
    true,
  ],
  ['of nobody but ourselves', { purpose: 'consolidation', payees: [] }, true],
]
for (const [what, row, counts] of counted)
  test(`a batch ${what} ${counts ? 'counts' : 'does not count'}`, async () => {
    const { manifest } = await add({ ...row, number: 1 })
    const paid = manifest.payees.reduce((sum, { amount }) => sum + amount, 0n)
    expect((await spent()).day).toBe(counts ? paid + 100n : 0n)
    expect((await spent(1)).day).toBe(0n)
  })

test('what the pool approved alone is summed apart, with the largest fees', async () => {
  await add({ number: 1, isAuto: true, feeMax: 7n })
  await add({ number: 2 })
  expect(await spent()).toMatchObject({ day: 20_107n, autoDay: 10_007n })
})

test('destinations add up over batches, and a transfer has one too', async () => {
  await add({
    number: 1,
    payees: [
      ['a', 1n],
      ['b', 2n],
    ],
  })
  await add({ number: 2, payees: [['b', 40n]] })
  await add({ number: 3, purpose: 'transfer', payees: [['cold', 500n]] })
  await add({ number: 4, payees: [['b', 9000n]], state: 'released' })
  const { byDestination } = await spent()
  expect(byDestination).toEqual(
    new Map([
      ['a', 1n],
      ['b', 42n],
      ['cold', 500n],
    ]),
  )
})

test('a payout counts where it was planned to go, not where its payee is paid otherwise', async () => {
  await add({ number: 1, payees: [['a', 5n]] })
  await database.ownerDb
    .updateTable('payouts')
    .set({ state: 'released', ended_ms: 1n })
    .where('batch_id', '=', 1n)
    .execute()
  const { account_id } = await database.db
    .selectFrom('payouts')
    .select('account_id')
    .executeTakeFirstOrThrow()
  await database.db
    .insertInto('payouts')
    .values({
      ...{ account_id, amount_sats: 8n, destination: 'elsewhere', state: 'planned' },
      batch_id: (await add({ number: 2, purpose: 'consolidation', payees: [] })).batch,
      ...{ planned_ms: 1n, planned_height: 1, ended_ms: null },
    })
    .execute()
  expect((await spent(1)).byDestination).toEqual(new Map([['elsewhere', 8n]]))
})

test('who holds the lock is waited for, so the second sees what the first took', async () => {
  const { db } = database
  const order: string[] = []
  let second: Promise<void> = Promise.resolve()
  await db.transaction().execute(async tx => {
    await lockSpending(tx)
    second = db.transaction().execute(async other => {
      await lockSpending(other)
      order.push(`second sees ${(await spentInLastDay(other, AT, null)).day}`)
    })
    await vi.waitFor(async () => expect(await lockWaiters(db)).toBe(1), { timeout: 45_000 })
    await addBatchRow(tx, { number: 1 })
    order.push('first is done')
  })
  await second
  expect(order).toEqual(['first is done', 'second sees 10100'])
})
