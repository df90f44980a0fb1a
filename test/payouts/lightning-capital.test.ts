import { afterAll, beforeAll, expect, test } from 'vitest'
import { chartAccount } from '../../src/ledger/index.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { systemClock } from '../../src/lib/time.ts'
import { bookLightningCapital } from '../../src/payouts/rails/lightning/capital-store.ts'
import { testDatabase } from '../support/database.ts'
import { CAPITAL, type LightningWorld, lightningWorld } from './lightning-world.ts'
import { postLegs } from './plan-world.ts'

let world: LightningWorld
beforeAll(async () => {
  world = await lightningWorld(await testDatabase())
})
afterAll(() => world.drop())

const SPARE = 1000n
const book = (id: string, amount: bigint) => {
  const { client } = world.lightning
  const richer = {
    ...client,
    liquidity: async () => {
      const had = await client.liquidity()
      return { ...had, outbound: (had.outbound + SPARE * 1000n) as typeof had.outbound }
    },
  }
  const parts = { db: world.db, clock: systemClock, client: richer }
  return bookLightningCapital(parts, { id, amount: sats(amount) })
}

test('no more is booked than the channels hold beside the float, and each name once', async () => {
  expect(await book('first', SPARE + 1n)).toEqual({
    ...{ kind: 'refused', reason: `the channels hold ${SPARE} sat that are not booked` },
  })
  expect(await book('first', 600n)).toMatchObject({ kind: 'booked', amount: 600n })
  expect(await book('first', 600n)).toMatchObject({ kind: 'repeated' })
  expect(await book('first', 601n)).toEqual({ kind: 'conflict' })
  expect(await book('second', 401n)).toMatchObject({ kind: 'refused' })
  expect(await book('second', 400n)).toMatchObject({ kind: 'booked' })
  const row = await world.db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
    .select('amount_msat')
    .where('name', '=', 'asset:lightning')
    .executeTakeFirstOrThrow()
  expect(row.amount_msat).toBe((CAPITAL + SPARE) * 1000n)
})

test('a channel that the pool is opening itself is not booked as capital too', async () => {
  const amount = millisats(250_000n)
  await postLegs(world.db, 'in-transit', [
    { account: chartAccount('lightningTransit'), amount },
    { account: chartAccount('treasuryCapital'), amount: millisats(-amount) },
  ])
  expect(await book('third', 1n)).toEqual({
    ...{ kind: 'refused', reason: 'the channels hold -250 sat that are not booked' },
  })
})
