import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import type { Outpoint } from '../../src/payouts/outpoint.ts'
import { outpointText } from '../../src/payouts/outpoint.ts'
import {
  bookThunderCapital,
  type ThunderCapitalParts,
} from '../../src/payouts/rails/thunder/capital-store.ts'
import { openThunderCoins } from '../../src/payouts/rails/thunder/coin-store.ts'
import { writeOffThunder } from '../../src/payouts/rails/thunder/loss-store.ts'
import { outpointOf } from '../../src/payouts/rails/thunder/transaction.ts'
import { frozen } from '../../src/treasury/index.ts'
import { mineDeposit } from '../support/deposit.ts'
import { type SimulatedSidechain, simulatedSidechain } from '../support/simulated-sidechain.ts'
import { thunderAddressOf } from './thunder-order.ts'
import {
  FINALITY,
  type ThunderScene,
  type ThunderWorld,
  thunderScene,
  thunderWorld,
} from './thunder-world.ts'
import { AGREES } from './two-wallets.ts'

const AMOUNT = 7_000_000n
/** Before any block of the chain was made, and after all of them. */
const [PAST, FUTURE] = [1_600_000_000_000, 2_500_000_000_000]
const REASON = 'the node was taken over'

let sidechain: SimulatedSidechain
let scene: ThunderScene
let world: ThunderWorld

beforeAll(async () => {
  sidechain = await simulatedSidechain()
  scene = await thunderScene(sidechain, [40_000_000n, 50_000_000n])
  sidechain.thunder.control.setPanicsOnUndo(false)
}, 240_000)
afterAll(() => sidechain?.remove())
beforeEach(async () => {
  world = await thunderWorld(scene, [scene.newPayee()], PAST)
})
afterEach(() => world.database.drop())

const partsOf = ({ db, clock }: ThunderWorld): ThunderCapitalParts => ({
  ...{ db, clock, client: scene.client, addresses: scene.addresses, finality: FINALITY },
  node: bitcoindClient(connectNode(sidechain.node.rpc)),
  complaint: async () => null,
})
const book = (id: string, outpoints: readonly Outpoint[], of = world) =>
  bookThunderCapital(partsOf(of), { id, outpoints })
const lose = (outpoint: Outpoint, of = world) =>
  writeOffThunder(partsOf(of), { outpoint, reason: REASON })
const refuses = (reason: RegExp) => ({
  kind: 'refused',
  reason: expect.stringMatching(reason),
})
/** In satoshis. */
const held = async ({ db }: ThunderWorld = world) => {
  const rows = await db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'ledger_balances.account_id')
    .select(['name', 'amount_msat'])
    .execute()
  const of = (name: string) => (rows.find(row => row.name === name)?.amount_msat ?? 0n) / 1000n
  return {
    float: of('asset:thunder'),
    capital: -of('equity:treasury_capital'),
    loss: of('expense:loss'),
  }
}
const foreign = async () =>
  (await world.db.selectFrom('float_checks').select('foreign_sats').executeTakeFirst())
    ?.foreign_sats

/** The coins of our addresses that a thing to do brings. */
async function brings(work: () => Promise<unknown>) {
  const names = async () => (await scene.client.getUtxos(scene.addresses)).map(outpointOf)
  const before = new Set((await names()).map(outpointText))
  await work()
  return (await names()).filter(coin => !before.has(outpointText(coin)))
}

const firstOf = <T>([first]: readonly T[]): T => {
  if (first === undefined) throw new Error('there is none')
  return first
}

test('what the owner deposits past the pool is foreign until it is final and booked', async () => {
  const before = await held()
  const [address] = scene.addresses
  if (!address) throw new Error('the pool has an address')
  const coins = await brings(() => scene.deposit(address, AMOUNT))
  expect(coins).toHaveLength(1)
  expect(await world.reconciler.run()).toEqual(AGREES)
  expect(await foreign()).toBe(AMOUNT)
  // The main block of the deposit, and that of the side block which credits it.
  expect(await book('mine', coins)).toEqual(refuses(/less than 3/))
  expect(await held()).toEqual(before)
  await sidechain.node.mine(FINALITY - 2)
  const place = 'on Thunder'
  expect(await book('mine', coins)).toEqual({ kind: 'booked', amount: AMOUNT, place })
  expect(await book('mine', coins)).toEqual({ kind: 'repeated', amount: AMOUNT, place })
  expect(await book('again', coins)).toEqual(refuses(/was booked as capital:mine/))
  expect(await held()).toEqual({
    ...before,
    float: before.float + AMOUNT,
    capital: before.capital + AMOUNT,
  })
  expect(await world.reconciler.run()).toEqual(AGREES)
  expect(await foreign()).toBe(0n)
  const funds = await world.rail.funds()
  const names = funds.kind === 'coins' ? funds.coins.map(outpointText) : []
  expect(names).toContain(outpointText(firstOf(coins)))
  const events = await world.db.selectFrom('audit_events').select(['action', 'subject']).execute()
  expect(events).toContainEqual({ action: 'book capital', subject: 'capital:mine' })
})

test('so is what he sends on Thunder, and one name never stands for two sets of coins', async () => {
  const [, address] = scene.addresses
  const send = async () => {
    await sidechain.thunderCall('create_transfer', address, 1_000_000, 0)
    await sidechain.mineSideBlock()
  }
  const first = await brings(send)
  expect(await book('sent', first)).toEqual(refuses(/less than 3/))
  await sidechain.node.mine(FINALITY - 1)
  expect(await book('sent', first)).toMatchObject({ kind: 'booked', amount: 1_000_000n })
  const second = await brings(send)
  await sidechain.node.mine(FINALITY - 1)
  expect(await book('sent', second)).toEqual({ kind: 'conflict' })
  expect(await book('both', [...first, ...second])).toEqual(refuses(/was booked as/))
})

test('nothing is capital that is not there, is named twice, or is the pool’s own', async () => {
  const [one] = await scene.client.getUtxos(scene.addresses)
  if (!one) throw new Error('there is a coin')
  const unknown = { ...outpointOf(one), vout: 99 }
  expect(await book('unknown', [unknown])).toEqual(refuses(/no address of the pool/))
  expect(await book('twice', [unknown, unknown])).toEqual(refuses(/named twice/))
  const batch = await world.planned()
  await world.approve(batch)
  const change = await brings(async () => {
    await world.advance()
    await sidechain.mineSideBlock()
  })
  await sidechain.node.mine(FINALITY)
  expect(await book('change', change)).toEqual(refuses(/a transaction of a batch/))
  await world.advance()
})

test('a coin that somebody took is written off once it is final, and the books agree', async () => {
  await world.reconciler.run()
  const before = await held()
  const known = await openThunderCoins(world.db)
  for (const coin of known.slice(0, 1))
    expect(await lose(outpointOf(coin))).toEqual(refuses(/unspent/))
  await sidechain.thunderCall('create_transfer', thunderAddressOf(900), 1_000, 0)
  await sidechain.mineSideBlock()
  const listed = new Set(
    (await scene.client.getUtxos(scene.addresses)).map(each => outpointText(outpointOf(each))),
  )
  const stolen = firstOf(known.filter(coin => !listed.has(outpointText(outpointOf(coin)))))
  expect(await world.reconciler.run()).toMatchObject({
    findings: [expect.stringContaining('is no version of a batch')],
  })
  expect(await frozen(world.db, 'thunder')).not.toBeNull()
  expect(await lose(outpointOf(stolen))).toEqual(refuses(/not yet for good/))
  await sidechain.node.mine(FINALITY - 1)
  const { value } = stolen
  expect(await lose(outpointOf(stolen))).toMatchObject({ kind: 'written off', amount: value })
  expect(await lose(outpointOf(stolen))).toEqual(refuses(/no such coin/))
  expect(await held()).toEqual({
    ...before,
    float: before.float - value,
    loss: before.loss + value,
  })
  expect(await world.reconciler.run()).toEqual(AGREES)
})

test('what a batch spends is not written off', async () => {
  const batch = await world.planned()
  await world.approve(batch)
  const anchor = await world.db
    .selectFrom('reserved_outputs')
    .select(['txid', 'vout'])
    .executeTakeFirstOrThrow()
  const coin = firstOf(
    (await openThunderCoins(world.db))
      .map(outpointOf)
      .filter(each => outpointText(each) === outpointText(anchor as Outpoint)),
  )
  await world.advance()
  await sidechain.mineSideBlock()
  await sidechain.node.mine(FINALITY)
  expect(await lose(coin)).toEqual(refuses(/a transaction of a batch/))
  await world.advance()
  expect(await world.reconciler.run()).toEqual(AGREES)
})

test('a coin whose deposit is undone for good is written off, by what is newer than its booking', async () => {
  const [address] = scene.addresses
  if (!address) throw new Error('the pool has an address')
  const later = await thunderWorld(scene, [scene.newPayee()], FUTURE)
  await sidechain.mineSideBlock()
  await sidechain.mineSideBlock()
  const main = await sidechain.node.cliText('getbestblockhash')
  const coins = await brings(async () => {
    await mineDeposit(sidechain, address, AMOUNT)
    await sidechain.mineSideBlock()
  })
  await sidechain.node.mine(FINALITY)
  const coin = firstOf(coins)
  for (const each of [world, later])
    expect(await book('gone', coins, each)).toMatchObject({ kind: 'booked' })
  const height = Number(await sidechain.node.cli('getblockheader', main).then(heightOf))
  await sidechain.node.cli(
    'invalidateblock',
    await sidechain.node.cliText('getblockhash', height + 1),
  )
  await sidechain.sync()
  await sidechain.node.mine(FINALITY + 4)
  await sidechain.sync()
  expect(await lose(coin)).toEqual(refuses(/Thunder|side block/))
  await scene.client.invalidateBlock((await scene.client.bestSidechainBlock()) ?? '')
  await sidechain.mineSideBlock()
  expect(await world.reconciler.run()).toMatchObject({ kind: 'waits' })
  await sidechain.node.mine(FINALITY - 1)
  const { float } = await held()
  expect(await lose(coin, later)).toEqual(refuses(/no final block yet that is newer/))
  expect(await lose(coin)).toMatchObject({ kind: 'written off', amount: AMOUNT })
  expect((await held()).float).toBe(float - AMOUNT)
  expect(await world.reconciler.run()).toEqual(AGREES)
  await later.database.drop()
})

const heightOf = (header: unknown) => (header as { height: number }).height
