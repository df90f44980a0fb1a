import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { blockHash } from '../../src/lib/ids.ts'
import { type Sats, sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bookCapital } from '../../src/payouts/rails/l1/capital-store.ts'
import { openCoins } from '../../src/payouts/rails/l1/coin-store.ts'
import { WALLET } from '../payouts/l1-world.ts'
import { thunderAddressOf } from '../payouts/thunder-order.ts'
import {
  FEE,
  FINALITY,
  type ThunderScene,
  type ThunderWorld,
  thunderScene,
  thunderWorld,
} from '../payouts/thunder-world.ts'
import { mineDeposit } from '../support/deposit.ts'
import type { TestSidechain } from '../support/sidechain.ts'
import { type SimulatedSidechain, simulatedSidechain } from '../support/simulated-sidechain.ts'
import { type WithdrawalWorld, withdrawing } from './withdrawal-world.ts'

const AMOUNT = sats(3_000_000n)
/** Of regtest: a bundle is paid above so many votes, and fails when it is older than the second. */
const [VOTES_ABOVE, AGE_MAX] = [5, 10]
/** Side blocks before Thunder makes its first bundle, and after one that failed. */
const BUNDLE_GAP = 5
/** Dozens of blocks with votes, each by the real node. */
const LONG = { timeout: 240_000 }

let sidechain: SimulatedSidechain
let scene: ThunderScene
let world: ThunderWorld
let own: WithdrawalWorld
let payees = 0

beforeAll(async () => {
  sidechain = await simulatedSidechain()
  await sidechain.node.cli('createwallet', WALLET, false, false, '', false, true, true)
  scene = await thunderScene(sidechain, [40_000_000n])
  sidechain.thunder.control.setPanicsOnUndo(false)
  await sideBlocks(BUNDLE_GAP)
}, 240_000)
afterAll(() => sidechain?.remove())
beforeEach(async () => {
  // Thunder learns with its next block what became of the bundle of the test before.
  await sideBlocks(1)
  world = await thunderWorld(scene, [thunderAddressOf(payees++)])
  own = await withdrawing(scene, world)
})
afterEach(() => world.database.drop())

const sideBlocks = async (blocks: number) => {
  for (let n = 0; n < blocks; n++) await sidechain.mineSideBlock()
}
/** Blocks that vote for whatever bundle there is, propose what Thunder has, and pay what may be. */
const vote = async (blocks: number) => {
  for (let n = 0; n < blocks; n++) await sidechain.enforcer.control.mine()
}
/** The enforcer's own mining takes nothing from the mempool, where an undone payment may be. */
const byEnforcer: TestSidechain['mine'] = async ({ transactions = [] } = {}) =>
  blockHash(await sidechain.enforcer.control.mine({ transactions }))
/** Blocks of miners who vote for nothing. */
const mineElse = async (blocks: number) => {
  await sidechain.node.mine(blocks)
  await sidechain.enforcer.control.sync()
}
const undo = async (block: string) => {
  await sidechain.node.cli('invalidateblock', block)
  await sidechain.enforcer.control.sync()
}
const state = async () => (await world.batches()).at(-1)?.state
const mainFee = async () => {
  const query = world.db.selectFrom('batches').select('main_fee_sats').orderBy('id', 'desc')
  return (await query.executeTakeFirstOrThrow()).main_fee_sats
}
/** Followed twice, as a job may be: the second time changes nothing. */
const follow = async () => {
  await own.follow()
  const once = await own.held()
  await own.follow()
  expect(await own.held()).toEqual(once)
  return own.seen()
}

/** A withdrawal that Thunder has for good, in a bundle that main blocks vote on. */
async function leave(): Promise<void> {
  await world.approve(await own.plan(AMOUNT))
  await world.advance()
  expect(await state()).toBe('sent')
  await own.agree()
  await sidechain.mineSideBlock()
  await mineElse(FINALITY - 1)
  await world.advance()
  expect(await state()).toBe('settled')
}

/** Side blocks until so many bundles with it have been voted on. */
async function voted(bundles: number): Promise<void> {
  for (let n = 0; n < 2 * BUNDLE_GAP; n++) {
    await sideBlocks(1)
    await own.follow()
    const seen = await own.seen()
    if (seen?.state === 'voting' && seen.bundles === bundles) return
  }
  throw new Error(`no bundle ${bundles} is voted on`)
}

/** The M6, with so many confirmations. @returns the block that has it */
async function pay(confirmations: number): Promise<string> {
  let block = ''
  for (let n = 0; n <= VOTES_ABOVE + 2; n++) {
    block = await sidechain.enforcer.control.mine()
    await own.follow()
    if ((await own.seen())?.state === 'paid') break
  }
  await mineElse(confirmations - 1)
  return block
}

test(
  'a withdrawal comes from Thunder to our wallet, and the books agree at every step',
  LONG,
  async () => {
    const before = await own.held()
    await leave()
    const fee = await mainFee()
    const away = {
      thunder: before.thunder - AMOUNT - fee - FEE,
      ...{ transit: AMOUNT + fee, main: 0n, fees: 0n },
    }
    const stillAway = async () => {
      expect(await own.held()).toEqual(away)
      await own.agree()
    }
    expect(fee).toBeGreaterThan(0n)
    expect(await follow()).toMatchObject({ state: 'bundled', bundles: 0, votes: null })
    await stillAway()
    await vote(1)
    await sideBlocks(1)
    const voted = await follow()
    expect(voted).toMatchObject({ state: 'voting', bundles: 1, votes: { above: VOTES_ABOVE } })
    await stillAway()
    await pay(1)
    expect(await follow()).toMatchObject({ state: 'paid', votes: null })
    await stillAway()
    const [coin] = [(await own.seen())?.coin]
    const capital = {
      ...{ db: world.db, clock: world.clock, wallets: own.parts.wallets, finality: 1 },
    }
    expect(await bookCapital(capital, { id: 'mine', outpoints: coin ? [coin] : [] })).toMatchObject(
      {
        kind: 'refused',
        reason: expect.stringContaining('withdrawal'),
      },
    )
    await mineElse(FINALITY - 1)
    expect(await follow()).toMatchObject({ state: 'arrived', turn: 1 })
    expect(await own.held()).toEqual({ ...away, transit: 0n, main: AMOUNT, fees: fee })
    await own.agree()
    expect(await openCoins(world.db)).toMatchObject([
      { ...{ txid: coin?.txid, value: AMOUNT, origin: 'withdrawal' }, wallet: 'hot' },
    ])
    await mineElse(FINALITY + 100)
    expect(await follow()).toMatchObject({ state: 'final' })
    await own.agree()
  },
)

test(
  'a bundle that fails by its age leaves the money in transit, and the next one pays it once',
  LONG,
  async () => {
    await leave()
    const away = await own.held()
    await follow()
    await voted(1)
    await mineElse(AGE_MAX + 1)
    await sideBlocks(1)
    expect(await scene.client.lastFailedBundleHeight()).not.toBeNull()
    expect(await follow()).toMatchObject({ state: 'queued', bundles: 1, votes: null })
    expect(await own.held()).toEqual(away)
    await own.agree()
    // What came back is a withdrawal still, which no batch may ever spend.
    const funds = await own.parts.thunder?.funds()
    const spendable =
      funds?.kind === 'coins' ? funds.coins.reduce((sum, c) => sum + c.value, 0n) : 0n
    expect(spendable).toBe(away.thunder)
    await voted(2)
    await pay(FINALITY)
    expect(await follow()).toMatchObject({ state: 'arrived', turn: 1 })
    const fee = await mainFee()
    expect(await own.held()).toEqual({ ...away, transit: 0n, main: AMOUNT, fees: fee })
    await own.agree()
  },
)

test.each([
  ['before it was booked', 2, 0],
  ['after it was booked', FINALITY, 1],
])(
  'a payment that a reorganisation takes back %s is booked once in the end',
  LONG,
  async (_, depth, turn) => {
    await leave()
    const away = await own.held()
    await voted(1)
    // An enforcer forgets what a block has paid; another miner's may have that bundle still.
    const { policy } = sidechain.enforcer.parts.producer
    const known = policy.bundles
    const block = await pay(depth)
    expect(await follow()).toMatchObject({ state: turn === 0 ? 'paid' : 'arrived', turn })
    const paid = (await own.seen())?.coin
    await undo(block)
    policy.bundles = [...known]
    await mineElse(depth + 1)
    expect(await follow()).toMatchObject({ state: 'voting', coin: null, turn })
    expect(await own.held()).toEqual(away)
    expect(await openCoins(world.db)).toEqual([])
    await own.agree()
    // Somebody's deposit moves the treasury, so that the bundle pays by another transaction.
    await mineDeposit({ ...sidechain, mine: byEnforcer }, thunderAddressOf(999), 1_000_000n)
    await pay(FINALITY)
    expect(await follow()).toMatchObject({ state: 'arrived', turn: turn + 1 })
    expect((await own.seen())?.coin?.txid).not.toBe(paid?.txid)
    expect(await own.held()).toMatchObject({ transit: 0n, main: AMOUNT, fees: await mainFee() })
    await own.agree()
  },
)

test('what somebody else pays to its address does not count as the withdrawal', LONG, async () => {
  await leave()
  const away = await own.held()
  const { mainAddress = '' } = (await follow()) ?? {}
  const sent = [mainAddress, '0.03', '', '', false, true, null, 'unset', false, 5]
  await connectNode(sidechain.node.rpc).call('sendtoaddress', sent, { wallet: WALLET })
  await mineElse(FINALITY)
  expect(await follow()).toMatchObject({ state: 'bundled', coin: null })
  expect(await own.held()).toEqual(away)
  await pay(FINALITY)
  expect(await follow()).toMatchObject({ state: 'arrived', turn: 1 })
  expect(await own.held()).toMatchObject({ transit: 0n, main: AMOUNT })
})

test(
  'a side block that a reorganisation undoes takes nothing back that was not booked',
  LONG,
  async () => {
    await leave()
    const away = await own.held()
    await follow()
    await vote(1)
    const { main } = await sidechain.mineSideBlock()
    expect(await follow()).toMatchObject({ state: 'voting' })
    await undo(main)
    await mineElse(2)
    // Thunder stands on an orphan: what it says is not heard.
    expect(await follow()).toMatchObject({ state: 'voting' })
    await scene.client.invalidateBlock((await scene.client.bestSidechainBlock()) ?? '')
    await sideBlocks(1)
    await follow()
    expect(await own.held()).toEqual(away)
    await own.agree()
    await pay(FINALITY)
    expect(await follow()).toMatchObject({ state: 'arrived', turn: 1, bundles: 1 })
    await own.agree()
  },
)

test.each<[string, Sats, RegExp]>([
  ['less than a hundred main fees', sats(1000n), /not worth its main fee/],
  ['more than is there', sats(100_000_000n), /do not pay/],
])('of %s nothing is planned', async (_, amount, reason) => {
  await expect(own.plan(amount)).rejects.toThrow(reason)
  expect(await world.batches()).toEqual([])
})

test('one is planned at a time, and holds its coins', async () => {
  const batch = await own.plan(AMOUNT)
  await expect(own.plan(AMOUNT)).rejects.toThrow(/do not pay|under way/)
  const held = await world.db.selectFrom('reserved_outputs').select('batch_id').execute()
  expect(held.every(({ batch_id }) => batch_id === batch)).toBe(true)
  expect(held.length).toBeGreaterThan(0)
})
