import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { chartAccount, postEntries } from '../../src/ledger/index.ts'
import type { Wallet } from '../../src/lib/db/schema.ts'
import { blockHash, journalKey } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { millisats } from '../../src/lib/money.ts'
import { connectNode, type NodeRpc } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { openCoins } from '../../src/payouts/rails/l1/coin-store.ts'
import { addressScript } from '../../src/payouts/rails/l1/destination.ts'
import { chainWatch } from '../../src/payouts/rails/l1/evidence-client.ts'
import { writeOff } from '../../src/payouts/rails/l1/loss-store.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { reconciler } from '../../src/payouts/reconcile-store.ts'
import type { Reconciler } from '../../src/payouts/reconciler.ts'
import { frozen } from '../../src/treasury/index.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { addressOf, createWorld, FINALITY, fundWallet, WALLET, type World } from './l1-world.ts'
import { AGREES, balanceBooks } from './two-wallets.ts'

let node: TestNode
let world: World
let floats: Reconciler
let lastPayee = 0

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
})
afterAll(() => node.remove())
beforeEach(async () => {
  world = await createWorld(node, [addressOf(++lastPayee), addressOf(++lastPayee)])
  await balanceBooks(world)
  floats = reconcilerOn(world)
})
afterEach(() => world.database.drop())

function reconcilerOn({ db, clock }: World, rpc: NodeRpc = connectNode(node.rpc)): Reconciler {
  const client = walletClient(rpc, WALLET)
  return reconciler({
    ...{ db, clock, log: createLog('test', 'silent'), network: 'regtest', rail: 'l1' },
    wallets: [{ wallet: 'hot', client }],
    complaint: chainWatch({ db, clock }, client, 'regtest'),
    finality: FINALITY,
    scriptOf: address => addressScript(address, 'regtest'),
  })
}

async function check(wallet: Wallet = 'hot') {
  const rows = await world.db.selectFrom('float_checks').selectAll().execute()
  const row = rows.find(each => each.wallet === wallet)
  if (!row) throw new Error('no comparison was written')
  return row
}

/** Sends from the pool's wallet past the pool, as whoever has its key could. */
async function steal(): Promise<string> {
  const to = await node.cliText('getnewaddress', '', 'bech32')
  const [coin] = await openCoins(world.db)
  if (!coin) throw new Error('there is no coin to steal')
  const outputs = [{ [to]: Number(coin.value - 1000n) / 1e8 }]
  const raw = await node.cliText(
    'createrawtransaction',
    [{ txid: coin.txid, vout: coin.vout }],
    outputs,
  )
  const signed = (await node.cli('signrawtransactionwithwallet', raw)) as { hex: string }
  return node.cliText('sendrawtransaction', signed.hex, 0)
}

async function freezes() {
  return world.db.selectFrom('freeze_acts').select(['scope', 'reason']).execute()
}

test('books and wallet agree at every step of a batch, and its change is ours afterwards', async () => {
  expect(floats.closed()).not.toBeNull()
  expect(await floats.run()).toEqual(AGREES)
  expect(floats.closed()).toBeNull()
  for (let round = 0; round < 2; round++) {
    const batch = await world.planned()
    expect(await floats.run()).toEqual(AGREES)
    await world.approve(batch)
    await world.advance()
    expect(await floats.run()).toEqual(AGREES)
    await node.mine(FINALITY - 1)
    await world.advance()
    expect(await floats.run()).toEqual(AGREES)
    await node.mine(1)
    await world.advance()
    expect((await world.batches()).at(-1)?.state).toBe('settled')
    expect(await floats.run()).toEqual(AGREES)
    const change = (await openCoins(world.db)).filter(({ origin }) => origin === 'change')
    expect(change.map(({ journalKey: key }) => key)).toContain(`batch:${batch}:settled`)
    await world.creditAgain()
    await withdraw(`again-${round}`)
  }
  expect(await freezes()).toEqual([])
})

/** Takes back what crediting again put into the float. */
async function withdraw(name: string): Promise<void> {
  const amount = millisats(10_000_000_000_000n)
  const legs = [
    { account: chartAccount('l1Float'), amount: millisats(-amount) },
    { account: chartAccount('treasuryCapital'), amount },
  ]
  const entry = {
    key: journalKey(`test:withdraw:${name}`),
    event: 'withdrawn',
    legs,
    at: world.clock.now(),
  }
  await world.db.transaction().execute(tx => postEntries(tx, [entry]))
}

test('settled books agree before the change is noted as well as after', async () => {
  await world.approve(await world.planned())
  await world.advance()
  await node.mine(FINALITY)
  await world.advance()
  expect(await world.db.selectFrom('float_spends').selectAll().execute()).toEqual([])
  expect(await floats.run()).toEqual(AGREES)
  expect(await world.db.selectFrom('float_spends').selectAll().execute()).not.toEqual([])
  expect(await floats.run()).toEqual(AGREES)
})

test('what a stranger pays in is never spent, never counted, and freezes nothing', async () => {
  await floats.run()
  const before = await world.rail.funds()
  const to = await node.cliText('getnewaddress', '', 'bech32')
  const [block] = await node.mine(1, to)
  await node.mine(100)
  const { tx } = (await node.cli('getblock', block)) as { tx: string[] }
  expect(await floats.run()).toEqual(AGREES)
  const { foreign_sats, foreign_coins, ledger_msat, chain_sats } = await check()
  expect(foreign_sats).toBeGreaterThan(0n)
  expect(foreign_coins).toContainEqual(expect.objectContaining({ txid: tx[0], vout: 0 }))
  expect(chain_sats * 1000n).toBe(ledger_msat)
  const after = await world.rail.funds()
  if (before.kind !== 'coins' || after.kind !== 'coins') throw new Error('the rail has coins')
  expect(after.coins).toEqual(before.coins)
  expect(await freezes()).toEqual([])
})

test('a coin spent past the pool freezes the rail, and the reason names coin and entry', async () => {
  await floats.run()
  const thief = await steal()
  const result = await floats.run()
  expect(result).toMatchObject({
    findings: [expect.stringMatching(new RegExp(`test:capital, is spent by ${thief}`))],
  })
  expect(await frozen(world.db, 'l1')).toContain(thief)
  // A second look finds the same and says it no second time.
  await node.mine(1)
  expect(await floats.run()).toEqual(result)
  expect(await freezes()).toHaveLength(1)
  const events = await world.db.selectFrom('audit_events').select('action').execute()
  expect(events).toEqual([{ action: 'freeze' }])
  await world.plan()
  expect(floats.closed()).toBeNull()
})

test('a coin that was stolen is written off once it is final, and the books are content', async () => {
  // What other tests stole lies behind the first comparison.
  await node.mine(FINALITY)
  await floats.run()
  const [coin] = await openCoins(world.db)
  if (!coin) throw new Error('there is no coin to steal')
  const { db, clock } = world
  const wallets = [{ wallet: 'hot' as const, client: walletClient(connectNode(node.rpc), WALLET) }]
  const parts = { db, clock, wallets, finality: FINALITY }
  const given = { outpoint: coin, reason: 'the old laptop was stolen' }
  expect(await writeOff(parts, given)).toMatchObject({ reason: 'the chain has it unspent' })
  await steal()
  await node.mine(FINALITY - 1)
  expect(await floats.run()).toMatchObject({ findings: [expect.stringContaining('is spent by')] })
  expect(await writeOff(parts, given)).toMatchObject({ reason: expect.stringMatching(/not yet/) })
  await node.mine(1)
  const before = await world.balances()
  expect(await writeOff(parts, given)).toMatchObject({ kind: 'written off', amount: coin.value })
  expect(await writeOff(parts, given)).toMatchObject({ kind: 'refused' })
  const after = await world.balances()
  expect(after['expense:loss']).toBe(coin.value * 1000n)
  expect(after['asset:l1']).toBe((before['asset:l1'] ?? 0n) - coin.value * 1000n)
  expect(await floats.run()).toEqual(AGREES)
  expect(await reconcilerOn(world).run()).toEqual(AGREES)
  const events = await db.selectFrom('audit_events').select('action').orderBy('position').execute()
  expect(events.map(({ action }) => action)).toEqual(['freeze', 'write off'])
})

test('a database restored from before a payment freezes before it pays again', async () => {
  await floats.run()
  const lost = world
  const restored = await createWorld(node, [addressOf(lastPayee - 1), addressOf(lastPayee)])
  await balanceBooks(restored)
  expect(await reconcilerOn(restored).run()).toEqual(AGREES)
  await lost.approve(await lost.planned())
  await lost.advance()
  await node.mine(FINALITY)
  const again = reconcilerOn(restored)
  expect(again.closed()).not.toBeNull()
  expect(await again.run()).toMatchObject({ findings: [expect.stringContaining('is spent by')] })
  expect(await frozen(restored.db, 'l1')).not.toBeNull()
  await restored.database.drop()
})

test('a payment that only the lost books knew is found though its coin is unknown too', async () => {
  await floats.run()
  const to = await node.cliText('getnewaddress', '', 'bech32')
  const [block] = await node.mine(1, to)
  await node.mine(100)
  const { tx } = (await node.cli('getblock', block)) as { tx: string[] }
  await floats.run()
  const inputs = [{ txid: tx[0], vout: 0 }]
  const raw = await node.cliText('createrawtransaction', inputs, [{ [addressOf(1)]: 1 }])
  const signed = (await node.cli('signrawtransactionwithwallet', raw)) as { hex: string }
  const thief = await node.cliText('sendrawtransaction', signed.hex, 0)
  expect(await floats.run()).toMatchObject({
    findings: [expect.stringContaining(`${thief} spends from it`)],
  })
})

test('a ledger that holds something else than the coins freezes the rail', async () => {
  await withdraw('by-mistake')
  expect(await floats.run()).toEqual({
    kind: 'compared',
    findings: ['hot wallet: the ledger holds 10000000000000 msat less than the coins'],
  })
  expect(await frozen(world.db, 'l1')).toContain('less than the coins')
})

test('without a node that can be believed nothing is compared, and nothing may leave', async () => {
  await world.db
    .insertInto('tips')
    .values({
      height: 1_000_000,
      hash: blockHash('b'.repeat(64)),
      previous_block: 'a'.repeat(64),
      time_ms: 0n,
      seen_ms: 0n,
    })
    .execute()
  expect(await floats.run()).toMatchObject({ kind: 'waits' })
  expect(floats.closed()).toContain('cannot be compared yet')
})

test('a reorganisation that takes a coin back for a while freezes nothing', async () => {
  await node.mine(FINALITY)
  await world.approve(await world.planned())
  await world.advance()
  await node.mine(FINALITY)
  await world.advance()
  expect(await floats.run()).toEqual(AGREES)
  const first = await fork()
  await node.cli('invalidateblock', first)
  expect(await floats.run()).toMatchObject({ kind: 'waits' })
  await node.cli('reconsiderblock', first)
  expect(await floats.run()).toEqual(AGREES)
  expect(await freezes()).toEqual([])
})

test('a coin that leaves the chain and comes back between two questions freezes nothing', async () => {
  await node.mine(FINALITY)
  await world.approve(await world.planned())
  await world.advance()
  await node.mine(FINALITY)
  await world.advance()
  expect(await floats.run()).toEqual(AGREES)
  const { call } = connectNode(node.rpc)
  let story: 'before' | 'taken back' | 'over' = 'before'
  const moving: NodeRpc = {
    call: async (method, params, options) => {
      if (method === 'listunspent' && story === 'before') {
        story = 'taken back'
        await node.cli('invalidateblock', await fork())
      }
      const reply = await call(method, params, options)
      if (method === 'gettxout' && story === 'taken back') {
        story = 'over'
        // Another payee than before, or the very blocks that are invalid would come out.
        await node.mine(FINALITY, addressOf(++lastPayee))
      }
      return reply
    },
  }
  expect(await reconcilerOn(world, moving).run()).toMatchObject({ kind: 'waits' })
  expect(story).toBe('over')
  expect(await floats.run()).toEqual(AGREES)
  expect(await freezes()).toEqual([])
})

async function fork(): Promise<string> {
  const height = Number(await node.cli('getblockcount'))
  return node.cliText('getblockhash', height - FINALITY + 1)
}
