import { afterAll, beforeAll, expect, test } from 'vitest'
import { txid, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { Outpoint } from '../../src/payouts/outpoint.ts'
import { storeIntent } from '../../src/payouts/version-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addBatchRow, NOW_MS } from './batch-rows.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

const OTHER: Outpoint = { txid: txid('e'.repeat(64)), vout: 3 }

async function intent(number: number, coinsOf: (anchor: Outpoint) => readonly Outpoint[]) {
  const { batch, manifest } = await addBatchRow(database.db, { number, state: 'approved' })
  const version = {
    version: 1,
    txid: txid(number.toString(16).padStart(64, 'd')),
    fee: sats(1n),
    unsigned: new Uint8Array([1]),
    coins: coinsOf(manifest.anchor),
    createdAt: unixMs(NOW_MS),
  }
  return storeIntent(database.db, { batch, fence: 0n }, version, ['approved'])
}

test('a version that spends its anchor first is stored', async () => {
  expect(await intent(1, anchor => [anchor, OTHER])).toBe(true)
})

test('a version without its anchor, or with it in another place, cannot be committed', async () => {
  await expect(intent(2, () => [OTHER])).rejects.toThrow('does not spend its anchor')
  await expect(intent(3, anchor => [OTHER, anchor])).rejects.toThrow('does not spend its anchor')
  const rows = await database.db.selectFrom('batch_versions').select('batch_id').execute()
  expect(rows).toEqual([{ batch_id: 1n }])
})

test('two batches never hold one coin, until the first has given it back', async () => {
  const reserve = (number: number) =>
    addBatchRow(database.db, { number }).then(({ batch }) =>
      database.db
        .insertInto('reserved_outputs')
        .values({ batch_id: batch, ...OTHER, value_sats: 1n, script: new Uint8Array() })
        .execute(),
    )
  await reserve(4)
  await expect(reserve(5)).rejects.toThrow('reserved_outputs_live')
  await database.db.updateTable('reserved_outputs').set({ released_ms: 1n }).execute()
  await reserve(6)
})
