import { Transaction } from 'bitcoinjs-lib'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { ownTransactions, settledDeposits } from '../../src/payouts/rails/l1/deposit-store.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { OUR_ADDRESS, rivalDeposit, testSidechain } from './chain-enforcer.ts'
import { mineOnly, versionsIn } from './l1-chain.ts'
import { addressOf, createWorld, FINALITY, fundWallet, WALLET, type World } from './l1-world.ts'
import { balanceBooks, type TwoWallets, twoWallets } from './two-wallets.ts'

const AMOUNT = sats(30_000_000n)

let node: TestNode
let world: World
let own: TwoWallets
let lastPayee = 500

beforeAll(async () => {
  node = await testNode()
  await node.mine(10)
  await fundWallet(node)
})
afterAll(() => node.remove())
beforeEach(async () => {
  world = await createWorld(node, [addressOf(++lastPayee)])
  await balanceBooks(world)
  own = twoWallets(world, node, { sidechain: testSidechain(node) })
})
afterEach(() => world.database.drop())

const offered = () =>
  ownTransactions({
    db: world.db,
    treasury: testSidechain(node).treasury,
    isUnspent: walletClient(connectNode(node.rpc), WALLET).isUnspent,
  })

async function deposit(): Promise<void> {
  await world.approve(await own.planned({ kind: 'deposit', from: 'hot', amount: AMOUNT }))
  await own.advance()
}

const newest = async () => (await versionsIn(world)).at(-1)

test('a deposit is offered to our own blocks until one has it', async () => {
  expect(await offered()).toEqual([])
  await deposit()
  const version = await newest()
  const [only, ...others] = await offered()
  expect(others).toEqual([])
  expect(only).toMatchObject({ txid: version?.txid, fee: version?.fee })
  const hex = toHex(only?.raw ?? new Uint8Array())
  expect(Transaction.fromHex(hex).getId()).toBe(version?.txid)
  // Our own coin, and the treasury's where there is one already.
  const [anchor, ...more] = only?.spent ?? []
  expect(toHex(anchor ?? new Uint8Array())).toMatch(/^0014/)
  expect(more).toEqual(
    Transaction.fromHex(hex)
      .ins.slice(1)
      .map(() => new Uint8Array()),
  )
  const block = await mineOnly(node, hex)
  expect(await offered()).toEqual([])
  await node.mine(FINALITY - 1)
  await own.advance()
  expect(await offered()).toEqual([])
  // Settled, and undone by a reorganisation after all.
  await node.cli('invalidateblock', block)
  await node.mine(FINALITY + 1, addressOf(++lastPayee + 5_000_000))
  expect(await offered()).toMatchObject([{ txid: version?.txid }])
  await mineOnly(node, hex)
  expect(await offered()).toEqual([])
  const [settled] = await settledDeposits(world.db, { after: null, also: [] })
  expect(settled).toMatchObject({
    coin: { txid: version?.txid, vout: 0 },
    ...{ amount: AMOUNT, address: OUR_ADDRESS },
  })
})

test('where a rival comes first, only the deposit that is made anew is offered', async () => {
  await deposit()
  const first = await newest()
  const block = await mineOnly(node, await rivalDeposit(node, 1000n))
  expect(await offered()).toEqual([])
  await own.advance()
  const second = await newest()
  expect(await offered()).toMatchObject([{ txid: second?.txid }])
  await node.cli('invalidateblock', block)
  await node.mine(2, addressOf(++lastPayee + 4_000_000))
  expect(await offered()).toMatchObject([{ txid: first?.txid }])
})

test('what would cost the block is not offered: a coin of it that is gone', async () => {
  await deposit()
  const { ins } = Transaction.fromHex((await newest())?.hex ?? '')
  const anchor = { txid: toHex((ins[0]?.hash ?? new Uint8Array()).slice().reverse()), vout: 0 }
  const to = { [addressOf(1)]: 40 }
  const raw = await node.cliText('createrawtransaction', [anchor], [to])
  const signed = (await node.cli('signrawtransactionwithwallet', raw)) as { hex: string }
  await mineOnly(node, signed.hex)
  expect(await offered()).toEqual([])
})

test('a frozen rail offers nothing', async () => {
  await deposit()
  await world.freeze('an operator looks into it')
  expect(await offered()).toEqual([])
})
