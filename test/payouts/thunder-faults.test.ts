import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { batchId, txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { NO_PROOF } from '../../src/lib/thunder/block.ts'
import { parseTransaction } from '../../src/lib/thunder/transaction.ts'
import { thunderCoinsOf } from '../../src/payouts/rails/thunder/coin-store.ts'
import { buildTransaction } from '../../src/payouts/rails/thunder/transaction.ts'
import { frozen } from '../../src/treasury/index.ts'
import {
  type ProvidedSidechain,
  runsOnServices,
  simulatorsOf,
  testSidechain,
} from '../support/test-sidechain.ts'
import {
  FINALITY,
  type ThunderScene,
  type ThunderWorld,
  thunderScene,
  thunderWorld,
} from './thunder-world.ts'

// Every payment here is one that the payee gets once, whatever happens on the way.
const PAID = 1_234_567n
/** Of every world its first. */
const BATCH = batchId(1n)
let sidechain: ProvidedSidechain
let scene: ThunderScene
beforeAll(async () => {
  sidechain = await testSidechain()
  scene = await thunderScene(sidechain, [40_000_000n, 60_000_000n, 50_000_000n])
  // Blocks behind the deposits, so that undoing one is not what the published node panics over.
  await sidechain.mineSideBlock()
  await sidechain.mineSideBlock()
})
afterAll(() => sidechain?.remove())

let world: ThunderWorld
let payee: string
beforeEach(async () => {
  payee = scene.newPayee()
  world = await thunderWorld(scene, [payee])
  const batch = await world.planned()
  await world.approve(batch)
  return () => world.database.drop()
})

const only = async () => {
  const [batch, ...more] = await world.batches()
  expect(more).toEqual([])
  return batch
}

/** Sees the batch settled, its payee paid once and the books agree. */
async function settle(): Promise<void> {
  await sidechain.mineSideBlock()
  await sidechain.node.mine(FINALITY - 1)
  await world.advance()
  expect(await only()).toMatchObject({ state: 'settled' })
  expect(await world.holds(payee)).toBe(PAID)
  expect(await world.reconciler.run()).toEqual({ kind: 'compared', findings: [] })
  expect(await world.txids()).toHaveLength(1)
}

describe.skipIf(runsOnServices)('where a node breaks on demand, as only simulated ones do', () => {
  test.each(['reply lost', 'request lost'] as const)(
    'a submission whose %s is sent again, and paid once',
    async fault => {
      simulatorsOf(sidechain).thunder.control.breakNext('submit_transaction', fault)
      await world.advance()
      expect(await only()).toMatchObject({ state: 'uncertain' })
      await world.advance()
      expect(await only()).toMatchObject({ state: 'sent' })
      await settle()
    },
  )

  test('a reply that comes only after the payment is mined changes nothing', async () => {
    simulatorsOf(sidechain).thunder.control.breakNext('submit_transaction', 'reply lost')
    await world.advance()
    await sidechain.mineSideBlock()
    expect(await world.rail.send(BATCH)).toEqual({
      kind: 'sent',
    })
    await sidechain.node.mine(FINALITY - 1)
    await world.advance()
    expect(await only()).toMatchObject({ state: 'settled' })
    expect(await world.holds(payee)).toBe(PAID)
  })

  test('a node that lost its mempool gets the same bytes again', async () => {
    await world.advance()
    await simulatorsOf(sidechain).thunder.control.restart('lost')
    await world.advance()
    expect(await only()).toMatchObject({ state: 'sent' })
    await settle()
  })
})

/** As a thief with our keys: the whole anchor to a stranger. */
async function stealAnchor(): Promise<void> {
  const { anchor_txid, anchor_vout } = await world.db
    .selectFrom('batches')
    .selectAll()
    .executeTakeFirstOrThrow()
  if (anchor_txid === null || anchor_vout === null) throw new Error('it has an anchor')
  const anchor = { txid: txid(anchor_txid), vout: anchor_vout }
  const coins = await thunderCoinsOf(world.db, [anchor])
  const fee = sats(1n)
  const change = scene.newPayee()
  const built = buildTransaction({ anchor, coins, payments: [], change, feeMax: fee }, fee)
  const transaction = built.kind === 'built' ? parseTransaction(built.bytes) : null
  if (!transaction) throw new Error('it is built')
  const signed = await scene.client.signTransaction({ ...transaction, proof: NO_PROOF })
  await scene.client.submitTransaction(signed)
}

test('a batch whose anchor a rival spends is released once that is final, and not before', async () => {
  await stealAnchor()
  await world.advance()
  expect(await only()).toMatchObject({ state: 'uncertain' })
  await sidechain.mineSideBlock()
  await world.advance()
  expect(await only()).toMatchObject({
    state: 'uncertain',
    note: expect.stringContaining('not yet for good'),
  })
  expect(await world.reconciler.run()).toMatchObject({
    kind: 'compared',
    findings: [expect.stringContaining('no version of a batch')],
  })
  expect(await frozen(world.db, 'thunder')).toContain('no version of a batch')
  await sidechain.node.mine(FINALITY - 1)
  await world.advance()
  expect(await only()).toMatchObject({ state: 'released' })
  expect(await world.holds(payee)).toBe(0n)
})

test('after a reorganisation of depth 1 Thunder stalls, the operator frees it, and all is paid once', async () => {
  await world.advance()
  const { side, main } = await sidechain.mineSideBlock()
  await world.advance()
  await sidechain.node.cli('invalidateblock', main)
  await sidechain.node.mine(2)
  await sidechain.sync()
  await world.advance()
  expect(await only()).toMatchObject({
    state: 'sent',
    note: expect.stringContaining(`sidepool thunder invalidate ${side}`),
  })
  expect(await world.rail.funds()).toMatchObject({
    kind: 'waits',
    reason: expect.stringContaining('Thunder stalls'),
  })
  await scene.client.invalidateBlock(side)
  await world.advance()
  expect(await only()).toMatchObject({ state: 'sent' })
  expect(await world.rail.funds()).toMatchObject({ kind: 'coins' })
  await settle()
})

/** Takes three main blocks back, the first of them the one that carries the payment. */
async function undoThree(main: string): Promise<void> {
  await sidechain.mineSideBlock()
  await sidechain.mineSideBlock()
  await world.advance(patient())
  await sidechain.node.cli('invalidateblock', main)
  await sidechain.node.mine(4)
  await sidechain.sync()
}
/** The rail that waits for twice as many blocks. */
const patient = () => world.railWith({ finality: 2 * FINALITY })

test('after a reorganisation of depth 3 in the middle the same bytes are mined again', async () => {
  await world.advance()
  const { main } = await sidechain.mineSideBlock()
  await undoThree(main)
  await world.advance(patient())
  expect(await only()).toMatchObject({ state: 'sent' })
  expect(await world.rail.check(BATCH)).toEqual({ kind: 'waiting', confirmations: 0 })
  // Thunder looks back when another side block connects, and then has the transaction again.
  await sidechain.mineSideBlock()
  await world.advance(patient())
  expect(await only()).toMatchObject({ state: 'sent' })
  await settle()
})

test('a settled payment that a reorganisation takes back stays settled, and is paid once', async () => {
  await world.advance()
  const { main } = await sidechain.mineSideBlock()
  await sidechain.mineSideBlock()
  await sidechain.mineSideBlock()
  await world.advance()
  expect(await only()).toMatchObject({ state: 'settled' })
  await sidechain.node.cli('invalidateblock', main)
  await sidechain.node.mine(4)
  await sidechain.sync()
  await world.watch()
  await sidechain.mineSideBlock()
  await world.watch()
  await sidechain.mineSideBlock()
  await sidechain.node.mine(FINALITY)
  await world.watch()
  expect(await only()).toMatchObject({ state: 'settled' })
  expect(await world.holds(payee)).toBe(PAID)
  expect(await world.reconciler.run()).toEqual({ kind: 'compared', findings: [] })
  expect(await world.txids()).toHaveLength(1)
})
