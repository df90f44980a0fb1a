import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { BatchId } from '../../src/lib/ids.ts'
import { connectNode, type NodeRpc } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { NodeUnreachable } from '../../src/lib/nodes/post-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { moveBatch, takeLease } from '../../src/payouts/payout-store.ts'
import { testRail } from '../contracts/rail.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { startTapProxy } from '../support/tap-proxy.ts'
import { crashAt } from './crash.ts'
import { endLeases, railAt } from './l1-chain.ts'
import {
  addressOf,
  createWorld,
  FINALITY,
  fundWallet,
  HOUR_MS,
  POLICY,
  railOn,
  type World,
} from './l1-world.ts'
import { OWED } from './seed.ts'

/** More boundaries than any run of the job has; beyond, the test would never end. */
const BOUNDARIES_MAX = 300
const PAID = (OWED[0] ?? 0n) / 1000n

let node: TestNode
let worlds: World[] = []
let lastPayee = 1000

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
})
afterAll(() => node.remove())
afterEach(async () => {
  for (const world of worlds) await world.database.drop()
  worlds = []
})

async function newWorld(): Promise<{ world: World; payee: string }> {
  const payee = addressOf(++lastPayee)
  const world = await createWorld(node, [payee])
  worlds.push(world)
  return { world, payee }
}

async function approved(): Promise<{ world: World; payee: string; batch: BatchId }> {
  const { world, payee } = await newWorld()
  const batch = await world.planned()
  await world.approve(batch)
  return { world, payee, batch }
}

async function stateOf(world: World): Promise<string | undefined> {
  return (await world.batches()).at(-1)?.state
}

/** What a payee got, one amount for each unspent output of the chain. */
async function outputsTo(payee: string): Promise<bigint[]> {
  const scan = z.object({ unspents: z.array(z.object({ amount: z.number() })) })
  const { unspents } = scan.parse(await node.cli('scantxoutset', 'start', [`addr(${payee})`]))
  return unspents.map(({ amount }) => BigInt(Math.round(amount * 1e8)))
}

async function owed(world: World): Promise<{ payable: bigint; inflight: bigint }> {
  const balances = await world.balances()
  const side = (name: string) => -(balances[`miner:${world.accounts[0]}:${name}`] ?? 0n)
  return { payable: side('payable'), inflight: side('inflight') }
}

async function settle(world: World): Promise<void> {
  await node.mine(FINALITY)
  await world.advance()
  expect(await stateOf(world)).toBe('settled')
  expect((await owed(world)).inflight).toBe(0n)
  expect((await world.balances())['asset:l1_out_unconfirmed']).toBe(0n)
}

test('a crash at any point between approval and sending leaves one payment', async () => {
  const { world, payee } = await newWorld()
  let index = 0
  for (let crashed = true; crashed; index++) {
    expect(index).toBeLessThan(BOUNDARIES_MAX)
    const batch = await world.planned()
    await world.approve(batch)
    const crash = crashAt(index)
    const db = crash.db(world.db)
    const rail = railOn(db, crash.node(connectNode(node.rpc)), { clock: world.clock })
    await world.advance({ db, rail }).catch(() => {})
    await endLeases(world)
    await world.advance()
    expect(await stateOf(world)).toBe('sent')
    const versions = world.db.selectFrom('batch_versions').selectAll()
    expect(await versions.where('batch_id', '=', batch).execute()).toHaveLength(1)
    await settle(world)
    await world.creditAgain()
    crashed = crash.crashed()
  }
  expect(index).toBeGreaterThan(50)
  const paid = (await outputsTo(payee)).toSorted()
  expect(paid).toHaveLength(index)
  // What is below one satoshi adds up, so that a later payment may have one more.
  expect(paid.every(amount => amount === PAID || amount === PAID + 1n)).toBe(true)
}, 600_000)

test('a crash at any point of planning leaves one batch, or none and then one', async () => {
  const { world } = await newWorld()
  let index = 0
  for (let crashed = true; crashed; index++) {
    expect(index).toBeLessThan(BOUNDARIES_MAX)
    const crash = crashAt(index)
    const db = crash.db(world.db)
    const rail = railOn(db, crash.node(connectNode(node.rpc)), { clock: world.clock })
    await world.plan({ db, rail }).catch(() => {})
    await world.plan()
    const batches = await world.batches()
    expect(batches).toHaveLength(index + 1)
    expect(await owed(world)).toEqual({ payable: (OWED[0] ?? 0n) % 1000n, inflight: PAID * 1000n })
    const last = batches.at(-1)
    if (last) await world.act(last.id, 0, { kind: 'reject', reason: 'again' })
    crashed = crash.crashed()
  }
  expect(index).toBeGreaterThan(20)
}, 600_000)

for (const lost of ['request', 'reply'] as const) {
  test(`a broadcast whose ${lost} is lost is found or sent again, and pays once`, async () => {
    const { world, payee } = await approved()
    let struck = false
    const proxy = await startTapProxy(
      () => node.rpcPort,
      (direction, chunk) => {
        if (direction === 'to server' && chunk.includes('"sendrawtransaction"')) struck = true
        if (!struck || (lost === 'reply' && direction === 'to server')) return 'pass'
        setImmediate(proxy.cut)
        return 'drop'
      },
    )
    const through = connectNode({ ...node.rpc, url: `http://127.0.0.1:${proxy.port}` })
    await world.advance({ rail: railOn(world.db, through, { clock: world.clock }) })
    expect(struck).toBe(true)
    expect(await stateOf(world)).toBe('uncertain')
    expect((await owed(world)).inflight).toBe(PAID * 1000n)
    await proxy.close()
    const before = await node.cli('getrawmempool')
    expect(before).toHaveLength(lost === 'reply' ? 1 : 0)
    await world.advance()
    expect(await stateOf(world)).toBe('sent')
    expect(await node.cli('getrawmempool')).toHaveLength(1)
    await settle(world)
    expect(await outputsTo(payee)).toEqual([PAID])
  })
}

test('a payment that a reorganisation takes back stays reserved and settles once', async () => {
  const { world, payee } = await approved()
  await world.advance()
  const [block] = await node.mine(FINALITY - 1)
  await world.advance()
  await node.cli('invalidateblock', block)
  await world.advance()
  expect(await stateOf(world)).toBe('sent')
  expect((await owed(world)).inflight).toBe(PAID * 1000n)
  expect(await node.cli('getrawmempool')).toHaveLength(1)
  // Other blocks than those that were taken back.
  await node.mine(1, addressOf(lastPayee + 1_000_000))
  await settle(world)
  expect(await outputsTo(payee)).toEqual([PAID])
})

test('a node that was killed and has forgotten blocks decides nothing until it is back', async () => {
  await node.stop()
  await node.restart()
  const { world, payee, batch } = await approved()
  await world.advance()
  await node.mine(FINALITY - 1)
  await world.advance()
  const height = Number(await node.cli('getblockcount'))
  const hash = await node.cliText('getbestblockhash')
  await world.db.updateTable('tips').set({ height, hash }).execute()
  await node.kill()
  await world.advance()
  expect((await world.batches()).at(-1)).toMatchObject({
    state: 'sent',
    note: expect.stringContaining('NodeUnreachable'),
  })
  await node.restart()
  expect(Number(await node.cli('getblockcount'))).toBeLessThan(height)
  await world.advance()
  expect((await world.batches()).at(-1)).toMatchObject({
    state: 'sent',
    note: expect.stringContaining('behind a tip'),
  })
  // A process that started since then knows the tip from what the pool wrote down.
  const fresh = railOn(world.db, connectNode(node.rpc), { clock: world.clock })
  expect(await fresh.check(batch)).toMatchObject({ kind: 'unknown' })
  await node.mine(FINALITY)
  const settled = async () => {
    await world.advance()
    await node.mine(1)
    return (await stateOf(world)) === 'settled' ? true : null
  }
  expect(await pollUntil(settled, { everyMs: 50, timeoutMs: 30_000 })).toBe(true)
  expect(await outputsTo(payee)).toEqual([PAID])
})

/** Mines a transaction that spends the anchor elsewhere, whatever the mempool holds. */
async function spendAnchorElsewhere(world: World): Promise<void> {
  const anchor = await world.db
    .selectFrom('reserved_outputs')
    .select(['txid', 'vout', 'value_sats'])
    .executeTakeFirstOrThrow()
  const input = { txid: anchor.txid, vout: anchor.vout }
  const amount = (Number(anchor.value_sats - 100_000n) / 1e8).toFixed(8)
  const own = await node.cliText('getnewaddress', '', 'bech32')
  const raw = await node.cliText('createrawtransaction', [input], [{ [own]: amount }])
  const signed = z
    .object({ hex: z.string() })
    .parse(await node.cli('signrawtransactionwithwallet', raw))
  await node.cli('generateblock', own, [signed.hex])
}

for (const state of ['approved', 'sent'] as const) {
  test(`a batch that is ${state} is dead once a foreign spend of its anchor is final`, async () => {
    const { world, payee } = await approved()
    if (state === 'sent') await world.advance()
    await spendAnchorElsewhere(world)
    await world.advance()
    expect((await world.batches())[0]).toMatchObject({
      state,
      note: expect.stringContaining('not yet for good'),
    })
    await node.mine(FINALITY - 1)
    await world.advance()
    expect(await stateOf(world)).toBe('released')
    expect(await owed(world)).toEqual({ payable: OWED[0], inflight: 0n })
    const again = await world.planned()
    await world.approve(again)
    await world.advance()
    await settle(world)
    expect(await outputsTo(payee)).toEqual([PAID])
  })
}

test('a batch begun before its operators left ends with its anchor, not with its time', async () => {
  const { world, batch } = await approved()
  const mute: NodeRpc = {
    call: (method, params, ...rest) =>
      method === 'walletprocesspsbt' && params?.[1] === true
        ? Promise.reject(new NodeUnreachable('the wallet gives no answer'))
        : connectNode(node.rpc).call(method, params, ...rest),
  }
  await world.advance({ rail: railOn(world.db, mute, { clock: world.clock }) })
  const versions = world.db.selectFrom('batch_versions').selectAll()
  expect(await versions.where('batch_id', '=', batch).execute()).toHaveLength(1)
  const policy = async () => ({ ...POLICY, operators: POLICY.operators.slice(1) })
  const rail = railOn(world.db, connectNode(node.rpc), { clock: world.clock, policy })
  world.clock.advance(HOUR_MS)
  await world.advance({ rail })
  expect((await world.batches())[0]).toMatchObject({
    state: 'approved',
    note: 'it has 1 of the 2 approvals it needs',
  })
  await spendAnchorElsewhere(world)
  await node.mine(FINALITY - 1)
  await world.advance({ rail })
  expect(await stateOf(world)).toBe('released')
  expect(await owed(world)).toEqual({ payable: OWED[0], inflight: 0n })
})

test('a wallet that is not loaded makes a batch wait, and changes nothing', async () => {
  const { world, payee } = await approved()
  await node.cli('unloadwallet', 'payouts')
  await world.advance()
  expect((await world.batches())[0]).toMatchObject({
    state: 'approved',
    note: expect.stringContaining('RpcError'),
  })
  await node.cli('loadwallet', 'payouts')
  await world.advance()
  await settle(world)
  expect(await outputsTo(payee)).toEqual([PAID])
})

testRail('l1', { replaces: true }, async () => {
  const { world, payee, batch } = await approved()
  const lease = await takeLease(world.db, batch, 'test')
  if (lease === null) throw new Error('nobody else has the batch')
  const context = { books: world.rail.books, at: world.clock.now() }
  return {
    rail: world.rail,
    dearer: railAt(world, node, 10_000n),
    destination: payee,
    lease,
    markSent: async () => {
      await world.db.transaction().execute(tx => moveBatch(tx, lease, { kind: 'seen' }, context))
    },
    makeFinal: async () => {
      await node.mine(FINALITY)
    },
    received: async () => (await outputsTo(payee)).reduce((sum, amount) => sum + amount, 0n),
    owed: PAID,
  }
})
