import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { sats } from '../../src/lib/money.ts'
import { ownBatchJob, planOwnBatch } from '../../src/payouts/own-batch-store.ts'
import { channelFunds } from '../../src/payouts/rails/l1/channel-store.ts'
import { openCoins } from '../../src/payouts/rails/l1/coin-store.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { lastBatch, mineOnly, versionsIn } from './l1-chain.ts'
import { addressOf, createWorld, FINALITY, fundWallet, type World } from './l1-world.ts'
import { balanceBooks, booked, type TwoWallets, twoWallets } from './two-wallets.ts'

const AMOUNT = sats(30_000_000n)

let node: TestNode
let world: World
let own: TwoWallets
let lastPayee = 700

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
  await node.cli('createwallet', 'cold', false, false, '', false, true, true)
})
afterAll(() => node.remove())
beforeEach(async () => {
  world = await createWorld(node, [addressOf(++lastPayee)])
  await balanceBooks(world)
  own = twoWallets(world, node)
  await own.agree()
})
afterEach(() => world.database.drop())

/** Takes an approved batch to its end, and compares the books at each step. */
async function toTheEnd(): Promise<void> {
  await own.advance()
  expect((await lastBatch(world)).state).toBe('sent')
  await own.agree()
  await node.mine(FINALITY - 1)
  await own.advance()
  await own.agree()
  await node.mine(1)
  await own.advance()
  expect((await lastBatch(world)).state).toBe('settled')
  // Before the coins are noted as well as after.
  await own.agree()
  await own.agree()
}

test('a consolidation ends with one coin in place of many, and costs its fee and nothing else', async () => {
  const before = await booked(world)
  const coins = await openCoins(world.db)
  expect(coins.length).toBeGreaterThan(1)
  const wish = { kind: 'consolidation', wallet: 'hot' } as const
  const batch = await own.planned(wish, { kind: 'operator', alias: 'alice' })
  expect(await world.act(batch, 0, { kind: 'approve' })).toMatchObject({ reason: 'own batch' })
  await world.act(batch, 1, { kind: 'approve' })
  await own.advance()
  expect((await lastBatch(world)).state).toBe('planned')
  await world.act(batch, 2, { kind: 'approve' })
  await toTheEnd()
  const [version] = await versionsIn(world)
  const after = await openCoins(world.db)
  expect(after).toMatchObject([
    { txid: version?.txid, wallet: 'hot', origin: 'change', journalKey: `batch:${batch}:settled` },
  ])
  const fee = version?.fee ?? 0n
  expect(await booked(world)).toEqual({ ...before, hot: before.hot - fee, out: 0n, fee })
  expect(after[0]?.value).toBe(before.hot - fee)
})

test('what a transfer brings is noted in the other wallet, and is spent from there', async () => {
  const before = await booked(world)
  const there = await own.planned({ kind: 'transfer', from: 'hot', amount: AMOUNT })
  await world.approve(there)
  await toTheEnd()
  const [version] = await versionsIn(world)
  const fee = version?.fee ?? 0n
  const hot = before.hot - AMOUNT - fee
  expect(await booked(world)).toEqual({ hot, cold: AMOUNT, out: 0n, fee })
  const cold = (await openCoins(world.db)).filter(({ wallet }) => wallet === 'cold')
  expect(cold).toMatchObject([{ txid: version?.txid, value: AMOUNT, origin: 'transfer' }])
  const back = sats(AMOUNT / 2n)
  await world.approve(await own.planned({ kind: 'transfer', from: 'cold', amount: back }))
  await toTheEnd()
  const fees = (await versionsIn(world)).reduce((sum, each) => sum + each.fee, 0n)
  expect(await booked(world)).toEqual({
    ...{ hot: hot + back, cold: AMOUNT - back - (fees - fee), out: 0n, fee: fees },
  })
})

test('what fills a channel is in transit as one coin of our lnd, and goes nowhere else', async () => {
  const before = await booked(world)
  const filling = twoWallets(world, node, { channelAddress: addressOf(77) })
  const wish = { kind: 'channel', from: 'hot', amount: AMOUNT } as const
  const batch = await filling.planned(wish)
  await world.approve(batch)
  // Whoever can write into the pool's database says that lnd's wallet is elsewhere.
  await twoWallets(world, node, { channelAddress: addressOf(78) }).advance()
  expect(await lastBatch(world)).toMatchObject({
    state: 'approved',
    note: 'it does not go to the wallet of our lnd',
  })
  await filling.advance()
  await own.agree()
  expect(await channelFunds(world.db)).toEqual([])
  await node.mine(FINALITY)
  await filling.advance()
  await own.agree()
  const [version] = await versionsIn(world)
  const coin = { txid: version?.txid, vout: 0 }
  expect(await channelFunds(world.db)).toMatchObject([{ batch, coin, amount: AMOUNT }])
  const out = await node.cli('gettxout', coin.txid ?? '', 0)
  expect(out).toMatchObject({ value: 0.3, scriptPubKey: { address: addressOf(77) } })
  const fee = version?.fee ?? 0n
  expect(await booked(world)).toEqual({ ...before, hot: before.hot - AMOUNT - fee, fee })
  expect((await world.balances())['asset:lightning_transit']).toBe(1000n * AMOUNT)
})

test('a job brings home what the float should hold, and it settles', async () => {
  const float = { low: sats(1n), target: AMOUNT, cap: sats(2n * AMOUNT) }
  await ownBatchJob(own.parts, { float, consolidate: null }).run()
  const batch = await lastBatch(world)
  expect(batch).toMatchObject({ purpose: 'transfer', wallet: 'hot' })
  for (const each of await world.batches()) await world.approve(each.id)
  await toTheEnd()
  const { hot, cold, fee } = await booked(world)
  expect({ hot, cold }).toEqual({ hot: AMOUNT - fee, cold: batch.total_sats })
})

test('where a reorganisation lets another version pay, its coins are ours and nothing freezes', async () => {
  const height = Number(await node.cli('getblockcount'))
  await world.approve(await own.planned({ kind: 'transfer', from: 'hot', amount: AMOUNT }))
  await own.advance()
  await own.agree()
  const dear = twoWallets(world, node, {
    options: { feeRateMin: sats(10_000n), bumpAfterBlocks: 0 },
  })
  await world.advance({ rail: dear.rail })
  const [first, second] = await versionsIn(world)
  await node.mine(FINALITY)
  await own.advance()
  await own.agree()
  expect(await lastBatch(world)).toMatchObject({ state: 'settled', paid_version: 2 })
  const fork = await node.cliText('getblockhash', height + 1)
  await node.cli('invalidateblock', fork)
  await mineOnly(node, first?.hex ?? '')
  // Nothing is said before the watch has: the coins of the second are neither there nor lost.
  await world.watch({ rail: own.rail })
  expect(await own.floats.run()).toMatchObject({ kind: 'waits' })
  await node.mine(FINALITY, addressOf(++lastPayee + 1_000_000))
  await world.watch({ rail: own.rail })
  expect(await lastBatch(world)).toMatchObject({ state: 'settled', paid_version: 1 })
  await own.agree()
  await own.agree()
  const left = (await openCoins(world.db)).filter(({ origin }) => origin !== 'capital')
  expect(new Set(left.map(({ txid }) => txid))).toEqual(new Set([first?.txid]))
  expect(second?.txid).not.toBe(first?.txid)
  expect((await booked(world)).fee).toBe(first?.fee)
  expect(await world.db.selectFrom('freeze_acts').selectAll().execute()).toEqual([])
})

test('a list of destinations does not keep money from our other wallet, and only from strangers', async () => {
  const listed = twoWallets(world, node, { allowList: new Set([addressOf(1)]) })
  const wish = { kind: 'transfer', from: 'hot', amount: AMOUNT } as const
  await world.approve(await listed.planned(wish))
  await listed.advance()
  expect((await lastBatch(world)).state).toBe('sent')
  await node.mine(FINALITY)
  await listed.advance()
  expect((await lastBatch(world)).state).toBe('settled')
  // Whoever can write into the pool's database says that a stranger is our other wallet.
  const wallets = listed.parts.wallets.map(each => ({
    ...each,
    client: { ...each.client, newAddress: async () => addressOf(2) },
  }))
  const outcome = await planOwnBatch({ ...listed.parts, wallets }, wish, { kind: 'plan' })
  if (outcome.kind !== 'planned') throw new Error(outcome.reason)
  await world.approve(outcome.batch)
  await listed.advance()
  expect(await lastBatch(world)).toMatchObject({
    state: 'approved',
    note: 'it does not go to an address of our other wallet',
  })
  expect(await versionsIn(world)).toHaveLength(1)
})
