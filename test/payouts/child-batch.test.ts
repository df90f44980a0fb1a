import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type BatchId, batchId } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { ownBatchJob } from '../../src/payouts/own-batch-store.ts'
import { openCoins } from '../../src/payouts/rails/l1/coin-store.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { lastBatch, mempool, mineOnly, outputsTo, versionsIn } from './l1-chain.ts'
import { addressOf, createWorld, FINALITY, fundWallet, type World } from './l1-world.ts'
import { OWED } from './seed.ts'
import { balanceBooks, booked, type TwoWallets, twoWallets } from './two-wallets.ts'

const PAID = (OWED[0] ?? 0n) / 1000n
const NO_RULES = { float: null, consolidate: null }

let node: TestNode
let world: World
let payee: string
let parent: BatchId
/** With fees as they are now. */
let dear: TwoWallets
let lastPayee = 900

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
  await node.cli('createwallet', 'cold', false, false, '', false, true, true)
})
afterAll(() => node.remove())
beforeEach(async () => {
  payee = addressOf(++lastPayee)
  world = await createWorld(node, [payee])
  await balanceBooks(world)
  dear = twoWallets(world, node, {
    options: { feeRateMin: sats(20_000n), bumpAfterBlocks: 0 },
  })
  await dear.agree()
})
afterEach(() => world.database.drop())

const stateOf = async (batch: BatchId) =>
  (await world.batches()).find(({ id }) => id === batch)?.state

/** Sends the parent for little, with this much approved at most, and lets fees rise. */
async function stick(feeRateMax: bigint): Promise<void> {
  const cheap = twoWallets(world, node, { options: { feeRateMax: sats(feeRateMax) } })
  await world.plan({ rail: cheap.rail })
  parent = batchId((await lastBatch(world)).id)
  await world.approve(parent)
  await cheap.advance()
  await dear.advance()
  expect(await lastBatch(world)).toMatchObject({
    state: 'sent',
    note: expect.stringMatching(/^replacing it costs/),
  })
}

/** The child that the job plans, approved and sent. */
async function sendChild(): Promise<BatchId> {
  await ownBatchJob(dear.parts, NO_RULES).run()
  const child = batchId((await lastBatch(world)).id)
  expect(await lastBatch(world)).toMatchObject({ purpose: 'cpfp', parent_id: parent })
  await world.approve(child)
  await dear.advance()
  expect(await stateOf(child)).toBe('sent')
  await dear.agree()
  return child
}

test('a child makes a stuck parent pay the rate of now, and both settle', async () => {
  await stick(2200n)
  const child = await sendChild()
  const [first, second] = await versionsIn(world)
  expect(new Set((await mempool(node)) as string[])).toEqual(new Set([first?.txid, second?.txid]))
  const fees = (first?.fee ?? 0n) + (second?.fee ?? 0n)
  expect((await lastBatch(world)).fee_max_sats).toBe(second?.fee)
  const entry = (await node.cli('getmempoolentry', second?.txid)) as { ancestorsize: number }
  const rate = (fees * 1000n) / BigInt(entry.ancestorsize)
  expect(rate).toBeGreaterThanOrEqual(20_000n)
  expect(rate).toBeLessThan(21_500n)
  // Nobody plans a second one, nor a child of the child.
  await ownBatchJob(dear.parts, NO_RULES).run()
  expect(await world.batches()).toHaveLength(2)
  await node.mine(FINALITY)
  await dear.advance()
  expect([await stateOf(parent), await stateOf(child)]).toEqual(['settled', 'settled'])
  await dear.agree()
  await dear.agree()
  expect(await outputsTo(node, payee)).toEqual([PAID])
  const { out, fee } = await booked(world)
  expect({ out, fee }).toEqual({ out: 0n, fee: fees })
  const change = (await openCoins(world.db)).filter(({ origin }) => origin === 'change')
  expect(change.map(({ txid }) => txid)).toEqual([second?.txid])
})

test('a child whose parent settles first keeps the coin, and the books agree between', async () => {
  await stick(2200n)
  const child = await sendChild()
  const [first, second] = await versionsIn(world)
  await mineOnly(node, first?.hex ?? '')
  for (let mined = 1; mined < FINALITY; mined++) await mineOnly(node)
  await dear.advance()
  expect([await stateOf(parent), await stateOf(child)]).toEqual(['settled', 'sent'])
  await dear.agree()
  const funds = await dear.rail.funds()
  if (funds.kind !== 'coins') throw new Error('the rail has coins')
  expect(funds.coins.map(({ txid }) => txid)).not.toContain(first?.txid)
  await node.mine(FINALITY)
  await dear.advance()
  expect(await stateOf(child)).toBe('settled')
  await dear.agree()
  expect((await booked(world)).fee).toBe((first?.fee ?? 0n) + (second?.fee ?? 0n))
})

test('a child is dead once another version of its parent is final, and nothing is lost', async () => {
  await stick(4000n)
  const child = await sendChild()
  const [first, second] = await versionsIn(world)
  expect((await lastBatch(world)).anchor_txid).toBe(second?.txid)
  // A miner has kept what was replaced.
  await mineOnly(node, first?.hex ?? '')
  await dear.advance()
  expect(await stateOf(child)).toBe('sent')
  await dear.agree()
  for (let mined = 1; mined < FINALITY; mined++) await mineOnly(node)
  await dear.advance()
  await dear.advance()
  expect([await stateOf(parent), await stateOf(child)]).toEqual(['settled', 'released'])
  await dear.agree()
  await dear.agree()
  expect(await outputsTo(node, payee)).toEqual([PAID])
  const { out, fee } = await booked(world)
  expect({ out, fee }).toEqual({ out: 0n, fee: first?.fee })
  const held = await world.db
    .selectFrom('reserved_outputs')
    .select('batch_id')
    .where('batch_id', '=', child)
    .where('released_ms', 'is', null)
    .execute()
  expect(held).toEqual([])
})

test('a child ends with a parent that was released, since its coin can never be', async () => {
  await stick(4000n)
  const child = await sendChild()
  const released = { state: 'released' as const }
  await world.db.updateTable('batches').set(released).where('id', '=', parent).execute()
  await dear.advance()
  expect(await stateOf(child)).toBe('released')
})
