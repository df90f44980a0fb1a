import { afterAll, beforeAll, expect, test } from 'vitest'
import { moveBatch, takeLease } from '../../src/payouts/payout-store.ts'
import { testRail } from '../contracts/rail.ts'
import type { TestSidechain } from '../support/sidechain.ts'
import { testSidechain } from '../support/test-sidechain.ts'
import {
  FINALITY,
  type ThunderScene,
  type ThunderWorld,
  thunderScene,
  thunderWorld,
} from './thunder-world.ts'

let sidechain: TestSidechain
let scene: ThunderScene
beforeAll(async () => {
  sidechain = await testSidechain()
  scene = await thunderScene(sidechain, [40_000_000n, 60_000_000n])
})
afterAll(() => sidechain?.remove())

/** A world of its own, with one payee that is owed 1,234,567 sat. */
async function approved(): Promise<{ world: ThunderWorld; payee: string; batch: bigint }> {
  const payee = scene.newPayee()
  const world = await thunderWorld(scene, [payee])
  const batch = await world.planned()
  await world.approve(batch)
  return { world, payee, batch }
}

const PAID = 1_234_567n

async function makeFinal(): Promise<void> {
  await sidechain.mineSideBlock()
  await sidechain.node.mine(FINALITY - 1)
}

testRail('thunder', { replaces: false }, async () => {
  const { world, payee } = await approved()
  const [batch] = await world.batches()
  const lease = batch && (await takeLease(world.db, batch.id, 'test'))
  if (!lease) throw new Error('nobody else has the batch')
  const context = { books: world.rail.books, at: world.clock.now() }
  return {
    ...{ rail: world.rail, dearer: null, destination: payee, lease, makeFinal },
    markSent: async () => {
      await world.db.transaction().execute(tx => moveBatch(tx, lease, { kind: 'seen' }, context))
    },
    received: () => world.holds(payee),
    owed: PAID,
  }
})

test('a payout on Thunder is planned, approved, paid, settled, and the books agree', async () => {
  const { world, payee } = await approved()
  expect(await world.reconciler.run()).toEqual({ kind: 'compared', findings: [] })
  await world.advance()
  expect(await world.batches()).toMatchObject([{ state: 'sent' }])
  await makeFinal()
  await world.advance()
  expect(await world.batches()).toMatchObject([{ state: 'settled' }])
  expect(await world.holds(payee)).toBe(PAID)
  expect(await world.reconciler.run()).toEqual({ kind: 'compared', findings: [] })
  await world.database.drop()
})
