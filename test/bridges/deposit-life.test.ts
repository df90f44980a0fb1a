import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { sats } from '../../src/lib/money.ts'
import { openThunderCoins } from '../../src/payouts/rails/thunder/coin-store.ts'
import { OUR_ADDRESS } from '../payouts/chain-enforcer.ts'
import { lastBatch, versionsIn } from '../payouts/l1-chain.ts'
import { addressOf, createWorld, FINALITY, fundWallet, type World } from '../payouts/l1-world.ts'
import { balanceBooks, type TwoWallets } from '../payouts/two-wallets.ts'
import type { NodeCalls } from '../support/bitcoind.ts'
import { type DepositScene, depositing, depositScene, followOn } from './sidechain-world.ts'

const AMOUNT = sats(20_000_000n)

let node: NodeCalls
let side: DepositScene
let world: World
let own: TwoWallets
let noted: string[]
let lastPayee = 300

beforeAll(async () => {
  side = await depositScene()
  node = side.sidechain.node
  await fundWallet(node)
  await node.cli('createwallet', 'cold', false, false, '', false, true, true)
}, 240_000)
afterAll(() => side?.sidechain.remove())
beforeEach(async () => {
  world = await createWorld(node, [addressOf(++lastPayee)])
  await balanceBooks(world)
  own = depositing(world, side)
  noted = []
})
afterEach(() => world.database.drop())

const follow = () => followOn(world, side, name => noted.push(name))()
/** What the books hold; the noted coins must hold the same, or the rail would be frozen. */
const held = async () => {
  const { 'asset:thunder': float = 0n, 'asset:thunder_transit': transit = 0n } =
    await world.balances()
  const coins = (await openThunderCoins(world.db)).reduce((sum, { value }) => sum + value, 0n)
  expect(coins).toBe(float / 1000n)
  return { float: float / 1000n, transit: transit / 1000n }
}
const newest = async () => (await versionsIn(world)).at(-1)

async function deposit(): Promise<void> {
  await world.approve(await own.planned({ kind: 'deposit', from: 'hot', amount: AMOUNT }))
  // A deposit waits for an enforcer that is behind its node.
  await side.sidechain.sync()
  await own.advance()
  // Only the slot's first is relayed, by a node that takes outputs like a treasury's.
  expect(['uncertain', 'sent']).toContain((await lastBatch(world)).state)
}

/** Our deposit in a block of ours, and settled. */
async function settle(): Promise<void> {
  await side.mine({ world })
  for (let blocks = 1; blocks < FINALITY; blocks++) await side.mine()
  await own.advance()
  expect((await lastBatch(world)).state).toBe('settled')
}

/** A side block between credits: undoing the next one is what published nodes panic over else. */
const creditsNothing = () => side.mine({ side: true })

const coinsThere = async () => {
  const coins = await side.thunder.getUtxos([OUR_ADDRESS])
  return coins.map(({ outPoint, output }) => [outPoint.hash, outPoint.vout, output.content.value])
}

test('enforcers take our deposits, Thunder credits them, and then they are float', async () => {
  for (const times of [1n, 2n]) {
    await deposit()
    await settle()
    await own.agree()
    await follow()
    expect(await held()).toEqual({ float: (times - 1n) * AMOUNT, transit: AMOUNT })
    await side.mine({ side: true })
    await follow()
    await own.agree()
    expect(await held()).toEqual({ float: times * AMOUNT, transit: 0n })
    const id = (await newest())?.txid
    expect(noted.at(-1)).toBe(`${id}:0`)
    expect(await coinsThere()).toContainEqual([id, 0, AMOUNT])
  }
  expect(new Set(noted).size).toBe(2)
})

test('a deposit that Thunder has credited before the main chain had it for good is booked once', async () => {
  await deposit()
  await side.mine({ world })
  await side.mine({ side: true })
  await follow()
  expect(await held()).toEqual({ float: 0n, transit: 0n })
  for (let blocks = 1; blocks < FINALITY; blocks++) await side.mine()
  await own.advance()
  await follow()
  await follow()
  expect(await held()).toEqual({ float: AMOUNT, transit: 0n })
})

test('a deposit that a deep reorganisation undoes is in transit, mined again, and credited again', async () => {
  await creditsNothing()
  await deposit()
  const block = await side.mine({ world })
  for (let blocks = 1; blocks < FINALITY; blocks++) await side.mine()
  await own.advance()
  await side.mine({ side: true })
  await follow()
  expect(await held()).toEqual({ float: AMOUNT, transit: 0n })
  await node.cli('invalidateblock', block)
  await side.sidechain.sync()
  for (let blocks = 0; blocks <= FINALITY + 1; blocks++) await side.mine()
  await side.thunder.invalidateBlock((await side.thunder.bestSidechainBlock()) ?? '')
  await side.mine({ side: true })
  await follow()
  expect(await held()).toEqual({ float: 0n, transit: AMOUNT })
  await world.watch({ rail: own.rail })
  await side.mine({ world })
  await side.mine({ side: true })
  await follow()
  expect(await held()).toEqual({ float: AMOUNT, transit: 0n })
  expect(noted).toHaveLength(2)
  expect(new Set(noted).size).toBe(1)
  await own.agree()
})

test.each([1, 3])('a deposit whose credit is taken back %i deep is credited again', async depth => {
  await creditsNothing()
  await deposit()
  await settle()
  const first = await side.mine({ side: true })
  for (let more = 1; more < depth; more++) await side.mine()
  await follow()
  expect(await held()).toEqual({ float: AMOUNT, transit: 0n })
  await node.cli('invalidateblock', first)
  await side.sidechain.sync()
  for (let more = 0; more <= depth; more++) await side.mine()
  // Thunder stands on an orphan now, and what it says of coins proves nothing.
  await follow()
  expect(await held()).toEqual({ float: AMOUNT, transit: 0n })
  const tip = await side.thunder.bestSidechainBlock()
  await side.thunder.invalidateBlock(tip ?? '')
  await follow()
  await side.mine({ side: true })
  await follow()
  expect(await held()).toEqual({ float: AMOUNT, transit: 0n })
  await own.agree()
})
