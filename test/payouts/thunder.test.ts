import { afterAll, beforeAll, expect, test } from 'vitest'
import { sats } from '../../src/lib/money.ts'
import { NO_PROOF } from '../../src/lib/thunder/block.ts'
import { outputTotal, parseTransaction } from '../../src/lib/thunder/transaction.ts'
import { moveBatch, takeLease } from '../../src/payouts/payout-store.ts'
import { thunderNodeSigner } from '../../src/payouts/rails/thunder/node-signer-client.ts'
import type { ThunderSigner } from '../../src/payouts/rails/thunder/signer.ts'
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

test('nothing is planned while our addresses hold more than a node may sign for', async () => {
  const world = await thunderWorld(scene, [scene.newPayee()])
  const coins = await scene.client.getUtxos(scene.addresses)
  const held = coins.reduce((sum, { output }) => sum + outputTotal(output), 0n)
  const tight = world.railWith({ floatCap: sats(held - 1n) })
  await world.plan(tight)
  expect(await world.batches()).toEqual([])
  expect(await tight.funds()).toEqual({
    kind: 'waits',
    reason: 'our addresses hold more than the float may be',
  })
  await world.plan(world.railWith({ floatCap: sats(held) }))
  expect(await world.batches()).toMatchObject([{ state: 'planned' }])
  await world.database.drop()
})

/** Signs and sends, and then the pool never hears of it: as of a database that was restored. */
function forgetful(): ThunderSigner {
  const { sign } = thunderNodeSigner(scene.client, { network: 'regtest', floatCap: null })
  return {
    sign: async order => {
      const signed = await sign(order)
      const transaction = parseTransaction(order.bytes)
      if (signed.kind !== 'signed' || transaction === null) throw new Error('it is signed')
      const { authorizations } = signed
      const whole = { transaction: { ...transaction, proof: NO_PROOF }, authorizations }
      await scene.client.submitTransaction(whole)
      return { kind: 'waits', reason: 'forgotten' }
    },
  }
}

test('a payment that left without being stored is taken from its block, and never made again', async () => {
  const { world, payee } = await approved()
  await world.advance(world.railWith({ signer: forgetful() }))
  expect(await world.batches()).toMatchObject([{ state: 'approved', note: 'forgotten' }])
  const [begun] = await world.txids()
  await makeFinal()
  await world.advance()
  await world.advance()
  expect(await world.batches()).toMatchObject([{ state: 'settled' }])
  expect(await world.txids()).toEqual([begun])
  expect(await world.holds(payee)).toBe(PAID)
  expect(await world.reconciler.run()).toEqual({ kind: 'compared', findings: [] })
  await world.database.drop()
})

test('only who holds the batch takes a payment from its block, and only once it is there', async () => {
  const { world } = await approved()
  const [batch] = await world.batches()
  const lease = batch && (await takeLease(world.db, batch.id, 'test'))
  if (!lease) throw new Error('nobody else has the batch')
  await world.railWith({ signer: forgetful() }).prepare(lease)
  expect(await world.rail.adopt(lease)).toEqual({ kind: 'nothing' })
  await sidechain.mineSideBlock()
  const lost = { ...lease, fence: lease.fence - 1n }
  expect(await world.rail.adopt(lost)).toEqual({ kind: 'fenced' })
  expect(await world.rail.adopt(lease)).toEqual({ kind: 'adopted' })
  expect(await world.rail.adopt(lease)).toEqual({ kind: 'nothing' })
  await sidechain.node.mine(FINALITY - 1)
  expect(await world.rail.check(lease.batch)).toMatchObject({ kind: 'settled', version: 1 })
  await world.database.drop()
})
