import { Transaction } from 'bitcoinjs-lib'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { type BatchId, txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { openCoins } from '../../src/payouts/rails/l1/coin-store.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import {
  enforcerView,
  OTHER_ADDRESS,
  OUR_ADDRESS,
  rivalDeposit,
  testSidechain,
} from './chain-enforcer.ts'
import { lastBatch, mineOnly, type StoredVersion, versionsIn } from './l1-chain.ts'
import { addressOf, createWorld, FINALITY, fundWallet, runOf, type World } from './l1-world.ts'
import { balanceBooks, booked, type TwoWallets, twoWallets } from './two-wallets.ts'

const AMOUNT = sats(30_000_000n)
const RIVAL = 1_000_000n
/** Of our address, as the reference has it. */
const ADDRESS_OUTPUT = {
  script: '6a1b387477556b7063747a7767626a7169356f313471576a724439756b',
  value: 0n,
}

let node: TestNode
let world: World
let own: TwoWallets
let lastPayee = 900

beforeAll(async () => {
  node = await testNode()
  // Coins of nobody, for rivals.
  await node.mine(10)
  await fundWallet(node)
  await node.cli('createwallet', 'cold', false, false, '', false, true, true)
})
afterAll(() => node.remove())
beforeEach(async () => {
  world = await createWorld(node, [addressOf(++lastPayee)])
  await balanceBooks(world)
  own = twoWallets(world, node, { sidechain: testSidechain(node) })
  await own.agree()
})
afterEach(() => world.database.drop())

/** Plans and approves a deposit, and takes it as far as the node lets it. */
async function deposit(from: TwoWallets = own): Promise<void> {
  await world.approve(await from.planned({ kind: 'deposit', from: 'hot', amount: AMOUNT }))
  await from.advance()
}

const partsOf = ({ hex }: StoredVersion) => {
  const { ins, outs } = Transaction.fromHex(hex ?? '')
  return {
    spends: ins.map(({ hash, index }) => `${toHex(hash.slice().reverse())}:${index}`),
    pays: outs.map(({ script, value }) => ({ script: toHex(script), value })),
  }
}

async function newest(): Promise<StoredVersion> {
  const found = (await versionsIn(world)).at(-1)
  if (!found) throw new Error('there is no version')
  return found
}

/** What the treasury holds, and the name of its coin. */
async function treasury(): Promise<{ readonly name: string | null; readonly value: bigint }> {
  const { treasury: coin } = await enforcerView(node)
  if (coin === null) return { name: null, value: 0n }
  const out = await node.cli('gettxout', coin.txid, coin.vout)
  const coins = Number((out as { value: number } | null)?.value ?? 0)
  return { name: `${coin.txid}:${coin.vout}`, value: BigInt(Math.round(coins * 1e8)) }
}

/** Mines just this version, and lets it settle. */
async function settleBy({ hex }: StoredVersion): Promise<void> {
  await mineOnly(node, hex ?? '')
  await own.advance()
  await own.agree()
  await node.mine(FINALITY - 1)
  await own.advance()
  expect((await lastBatch(world)).state).toBe('settled')
  // Before the coins are noted as well as after.
  await own.agree()
  await own.agree()
}

const inTransit = async () => (await world.balances())['asset:thunder_transit']

test('deposits make the treasury greater, name our bare address, and are booked in transit', async () => {
  const before = await booked(world)
  let fees = 0n
  for (const times of [1n, 2n]) {
    const old = await treasury()
    await deposit()
    // A node that knows no sidechains relays no deposit, and that proves nothing.
    expect(await lastBatch(world)).toMatchObject({ purpose: 'deposit', state: 'uncertain' })
    const version = await newest()
    const { spends, pays } = partsOf(version)
    const { anchor_txid, anchor_vout } = await lastBatch(world)
    expect(spends).toEqual([`${anchor_txid}:${anchor_vout}`, ...(old.name ? [old.name] : [])])
    expect(pays.slice(0, 2)).toEqual([
      { script: 'b4010951', value: old.value + AMOUNT },
      ADDRESS_OUTPUT,
    ])
    await settleBy(version)
    fees += version.fee
    expect(await treasury()).toEqual({ name: `${version.txid}:0`, value: old.value + AMOUNT })
    expect(await inTransit()).toBe(times * AMOUNT * 1000n)
    const hot = before.hot - times * AMOUNT - fees
    expect(await booked(world)).toEqual({ ...before, hot, fee: fees })
  }
  const change = (await openCoins(world.db)).filter(({ origin }) => origin === 'change')
  expect(change.length).toBeGreaterThan(0)
})

test('a deposit that waits is sent in every run, and what it waits for is told once', async () => {
  await deposit()
  const told: string[] = []
  const tell = (fields: object, message: string) => {
    told.push(`${message}: ${Object.values(fields).slice(1).join(' ')}`)
  }
  const log = { info: tell, warn: tell, error: tell }
  let broadcasts = 0
  const rail = {
    ...own.rail,
    send: (batch: BatchId) => {
      broadcasts += 1
      return own.rail.send(batch)
    },
  }
  const jobs = world.jobs({ rail, log })
  for (let runs = 0; runs < 3; runs++) await runOf(jobs, 'advance-batches')
  expect(broadcasts).toBe(3)
  expect(told).toEqual([
    'batch moved: uncertain lost',
    expect.stringMatching(/^a batch waits: it waits for a block of ours; the node said -26/),
  ])
  await settleBy(await newest())
})

test('where a rival comes first, the deposit is made anew with the same anchor, and only one can be', async () => {
  await deposit()
  const first = await newest()
  await mineOnly(node, await rivalDeposit(node, RIVAL))
  const moved = await treasury()
  await own.advance()
  await own.agree()
  const second = await newest()
  expect(second).toMatchObject({ version: 2, fee: first.fee })
  expect(partsOf(second).spends).toEqual([partsOf(first).spends[0], moved.name])
  expect(partsOf(second).pays[0]).toEqual({ script: 'b4010951', value: moved.value + AMOUNT })
  // Run again, nothing more is made: the one that is there is good.
  await own.advance()
  expect(await versionsIn(world)).toHaveLength(2)
  expect(await lastBatch(world)).toMatchObject({ state: 'uncertain' })
  await settleBy(second)
  await expect(mineOnly(node, first.hex ?? '')).rejects.toThrow()
  expect(await lastBatch(world)).toMatchObject({ paid_version: 2 })
  expect(await inTransit()).toBe(AMOUNT * 1000n)
  expect((await booked(world)).fee).toBe(second.fee)
})

test('where the rival is taken back, the first version is good again, and pays', async () => {
  await deposit()
  const first = await newest()
  const block = await mineOnly(node, await rivalDeposit(node, RIVAL))
  await own.advance()
  await node.cli('invalidateblock', block)
  // Another block in its place, or the chain would be behind what was seen.
  await node.mine(2, addressOf(++lastPayee + 2_000_000))
  await own.advance()
  expect(await versionsIn(world)).toHaveLength(2)
  await settleBy(first)
  expect(await lastBatch(world)).toMatchObject({ paid_version: 1 })
  expect(await inTransit()).toBe(AMOUNT * 1000n)
  expect(await world.db.selectFrom('freeze_acts').selectAll().execute()).toEqual([])
})

test('where rivals keep coming, each version pays no less than what is booked', async () => {
  await deposit()
  for (const amount of [1n, 2n, 3n]) {
    await mineOnly(node, await rivalDeposit(node, amount))
    await own.advance()
    await own.agree()
  }
  const versions = await versionsIn(world)
  expect(versions).toHaveLength(4)
  expect(new Set(versions.map(version => partsOf(version).spends[0]))).toHaveLength(1)
  await settleBy(await newest())
})

test.each([1, 3])('a deposit is taken back from %i deep and mined again', async depth => {
  await deposit()
  const version = await newest()
  const block = await mineOnly(node, version.hex ?? '')
  await node.mine(depth - 1)
  await own.advance()
  const isSettled = depth >= FINALITY
  expect((await lastBatch(world)).state).toBe(isSettled ? 'settled' : 'sent')
  await node.cli('invalidateblock', block)
  await node.mine(depth + 1, addressOf(++lastPayee + 3_000_000))
  await own.advance()
  await world.watch({ rail: own.rail })
  await mineOnly(node, version.hex ?? '')
  await node.mine(FINALITY - 1)
  await own.advance()
  await world.watch({ rail: own.rail })
  expect(await lastBatch(world)).toMatchObject({ state: 'settled', paid_version: 1 })
  expect(await versionsIn(world)).toHaveLength(1)
  await own.agree()
  await own.agree()
  expect(await inTransit()).toBe(AMOUNT * 1000n)
})

const view = () => enforcerView(node)
test.each([
  [
    'the enforcer is behind',
    async () => ({ ...(await view()), tip: 'ab'.repeat(32) }),
    'different',
  ],
  ['no sidechain is active', async () => ({ ...(await view()), isActive: false }), 'no sidechain'],
  [
    'the enforcer names a coin that is no treasury',
    async () => {
      const [coin] = await openCoins(world.db)
      return { ...(await view()), treasury: coin ? { txid: coin.txid, vout: coin.vout } : null }
    },
    'does not have the treasury',
  ],
  [
    'the enforcer names a coin that is not there',
    async () => ({ ...(await view()), treasury: { txid: txid('cd'.repeat(32)), vout: 0 } }),
    'does not have the treasury',
  ],
])('nothing is built where %s', async (_name, told, reason) => {
  const sidechain = testSidechain(node, told as typeof view)
  await deposit(twoWallets(world, node, { sidechain }))
  const { state, note } = await lastBatch(world)
  expect({ state, note }).toMatchObject({
    state: 'approved',
    note: expect.stringContaining(reason),
  })
  expect(await versionsIn(world)).toEqual([])
})

test('nothing is deposited to a Thunder address that is not ours, whatever was approved', async () => {
  const outcome = testSidechain(node)
  const elsewhere = twoWallets(world, node, {
    sidechain: { ...outcome, addresses: new Set([OTHER_ADDRESS]) },
  })
  await world.approve(await elsewhere.planned({ kind: 'deposit', from: 'hot', amount: AMOUNT }))
  expect(outcome.addresses).toEqual(new Set([OUR_ADDRESS]))
  await own.advance()
  expect(await lastBatch(world)).toMatchObject({
    state: 'approved',
    note: 'it does not go to a Thunder address of ours',
  })
})
