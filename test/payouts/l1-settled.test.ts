import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { connectNode, type NodeRpc } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { dyingAt } from './crash.ts'
import {
  endLeases,
  expectSettledBy,
  lastBatch,
  mempool,
  mineOnly,
  outputsTo,
  railAt,
  settle,
  versionsIn,
} from './l1-chain.ts'
import { addressOf, createWorld, FINALITY, fundWallet, railOn, type World } from './l1-world.ts'
import { OWED } from './seed.ts'

const PAID = (OWED[0] ?? 0n) / 1000n
/** More than one page of them. */
const STUCK = 120

let node: TestNode
let world: World
let payee: string
let lastPayee = 5000

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
})
afterAll(() => node.remove())
beforeEach(async () => {
  payee = addressOf(++lastPayee)
  world = await createWorld(node, [payee])
  await world.approve(await world.planned())
})
afterEach(() => world.database.drop())

/** The chain without its last blocks, and others on top that nobody has seen. */
async function reorganise(depth: number): Promise<void> {
  const height = Number(await node.cli('getblockcount'))
  await node.cli('invalidateblock', await node.cliText('getblockhash', height - depth + 1))
}

/** As many blocks that are not those which were taken back. */
async function mineOthers(count: number): Promise<void> {
  await node.mine(count, addressOf(++lastPayee + 1_000_000))
}

async function entries(event: string): Promise<number> {
  const rows = await world.db
    .selectFrom('journal')
    .select('id')
    .where('event', '=', event)
    .execute()
  return rows.length
}

/** The highest tip that the pool has written down. */
async function setTip(height: number): Promise<void> {
  await world.db.updateTable('tips').set({ height }).execute()
}

test('a settled batch stays settled, and paid once, whatever the last six blocks become', async () => {
  await world.advance()
  await node.mine(6)
  await world.advance()
  const [version] = await versionsIn(world)
  await expectSettledBy(world, version)
  const before = await world.balances()
  for (let depth = 1; depth <= 6; depth++) {
    await reorganise(depth)
    await world.watch()
    await world.advance()
    expect(await world.balances()).toEqual(before)
    await mineOthers(depth)
    await world.watch()
    expect(await world.balances()).toEqual(before)
    expect(await outputsTo(node, payee)).toEqual([PAID])
  }
  await expectSettledBy(world, version)
})

test('a settled batch that is nowhere any more is sent again, the same bytes', async () => {
  await world.advance()
  await settle(world, node)
  const [version] = await versionsIn(world)
  await node.cli(
    'invalidateblock',
    await node.cliText('getblockhash', await heightOf(version?.txid)),
  )
  await node.stop()
  const settings = '\nwalletbroadcast=0\npersistmempool=0\n'
  await appendFile(join(node.dir, 'bitcoin.conf'), settings)
  await node.restart()
  expect(await mempool(node)).toEqual([])
  await world.watch({ frozen: async () => 'an operator looks' })
  expect(await mempool(node)).toEqual([])
  await world.watch()
  expect(await mempool(node)).toEqual([version?.txid])
  await mineOthers(FINALITY)
  await world.watch()
  await expectSettledBy(world, version)
})

async function heightOf(txid: string | undefined): Promise<number> {
  const { call } = connectNode(node.rpc)
  const reply = z.object({ blockheight: z.number() })
  return reply.parse(await call('gettransaction', [txid])).blockheight
}

test('where a reorganisation lets another version pay, the fees are set right once', async () => {
  await world.advance()
  await world.advance({ rail: railAt(world, node, 10_000n) })
  const [first, second] = await versionsIn(world)
  await settle(world, node)
  await expectSettledBy(world, second)
  await reorganise(FINALITY)
  await mineOnly(node, first?.hex ?? '')
  await world.watch()
  await expectSettledBy(world, second)
  await mineOthers(FINALITY)
  await world.watch()
  await world.watch()
  await expectSettledBy(world, first)
  expect(await entries('payout resettled')).toBe(1)
  expect(await entries('payout settled')).toBe(1)
  expect(await outputsTo(node, payee)).toEqual([PAID])
})

/** Mines a transaction that spends the anchor, and pays this much to somebody. */
async function spendAnchor(to: string, paid: bigint): Promise<void> {
  const anchor = await world.db
    .selectFrom('reserved_outputs')
    .select(['txid', 'vout', 'value_sats', 'script'])
    .executeTakeFirstOrThrow()
  const input = { txid: anchor.txid, vout: anchor.vout }
  const amount = (sum: bigint) => (Number(sum) / 1e8).toFixed(8)
  const own = await node.cliText('getnewaddress', '', 'bech32')
  const outputs = [{ [to]: amount(paid) }, { [own]: amount(anchor.value_sats - paid - 100_000n) }]
  const raw = await node.cliText('createrawtransaction', [input], outputs)
  const signed = await node.cli('signrawtransactionwithwallet', raw)
  await mineOnly(node, z.object({ hex: z.string() }).parse(signed).hex)
}

test('a settled batch whose anchor went elsewhere for good freezes the rail, and once', async () => {
  await world.advance()
  await settle(world, node)
  await reorganise(FINALITY)
  await spendAnchor(payee, PAID - 1n)
  await world.watch()
  const freezes = () => world.db.selectFrom('freeze_acts').select('reason').execute()
  expect(await freezes()).toEqual([])
  await mineOthers(FINALITY)
  await world.watch()
  await world.watch()
  expect(await freezes()).toHaveLength(1)
  expect((await freezes())[0]?.reason).toContain('has spent the anchor')
  expect(await lastBatch(world)).toMatchObject({ state: 'settled', watched_until_height: null })
  expect(await entries('payout released')).toBe(0)
})

test('a batch is not paid again where an unknown transaction has spent its anchor and pays it', async () => {
  await spendAnchor(payee, PAID)
  await node.mine(FINALITY)
  await world.advance()
  expect(await lastBatch(world)).toMatchObject({
    state: 'approved',
    note: expect.stringContaining('has spent the anchor, and pays this batch'),
  })
  expect(await entries('payout released')).toBe(0)
})

test('a settled batch is watched for a hundred blocks, and for as many when it is mined again', async () => {
  await world.advance()
  await settle(world, node)
  const { watched_until_height: until } = await lastBatch(world)
  // The pool has seen a hundred blocks, and the node says that only some are on top of it.
  await setTip(until ?? 0)
  await world.watch()
  const again = (until ?? 0) - FINALITY + 1 + 100
  expect(await lastBatch(world)).toMatchObject({ watched_until_height: again })
  await node.mine(100)
  await setTip(again)
  await world.watch()
  expect(await lastBatch(world)).toMatchObject({ watched_until_height: null })
})

test('settled batches that nothing can be said of keep no other from being looked at', async () => {
  const stuck = Array.from({ length: STUCK }, (_, n) => ({
    rail: 'l1',
    state: 'planned' as const,
    manifest: new Uint8Array(),
    manifest_hash: n.toString(16).padStart(64, '0'),
    anchor_txid: '0'.repeat(64),
    anchor_vout: n,
    total_sats: 1n,
    fee_max_sats: 0n,
    created_ms: 0n,
    expires_ms: 2n * BigInt(world.clock.now()),
    ended_ms: null,
  }))
  await world.advance()
  await settle(world, node)
  await world.db.insertInto('batches').values(stuck).execute()
  // Planned behind them.
  await world.creditAgain()
  const last = await world.planned()
  await world.approve(last)
  await world.advance()
  await settle(world, node)
  const settled = { state: 'settled', ended_ms: 1n } as const
  await world.db.updateTable('batches').set(settled).where('total_sats', '=', 1n).execute()
  await world.db.updateTable('batches').set({ watched_until_height: 1 }).execute()
  await node.mine(100)
  await expect(world.watch()).rejects.toThrow()
  const watched = await world.db
    .selectFrom('batches')
    .select('id')
    .where('watched_until_height', 'is not', null)
    .where('total_sats', '>', 1n)
    .execute()
  expect(watched).toEqual([])
})

test('who spent the anchor is not searched for once a version is in a block', async () => {
  await world.advance()
  await node.mine(1)
  const { call } = connectNode(node.rpc)
  const asked: string[] = []
  const counting: NodeRpc = {
    call: (method, ...rest) => {
      asked.push(method)
      return call(method, ...rest)
    },
  }
  const rail = railOn(world.db, counting, { clock: world.clock })
  await world.advance({ rail })
  await node.mine(FINALITY)
  await world.advance({ rail })
  expect(await lastBatch(world)).toMatchObject({ state: 'settled' })
  await world.watch({ rail })
  expect(asked).toContain('gettransaction')
  expect(asked).not.toContain('listsinceblock')
})

test('a batch that only waits for its operators is not written to', async () => {
  await world.advance()
  await settle(world, node)
  await world.creditAgain()
  await world.planned()
  const { fence } = await lastBatch(world)
  await world.advance()
  expect(await lastBatch(world)).toMatchObject({ state: 'planned', fence })
})

test('a batch that is frozen between record and broadcast waits, and is followed all the same', async () => {
  const dying = dyingAt('sendrawtransaction')
  const db = dying.db(world.db)
  const rail = railOn(db, dying.node(connectNode(node.rpc)), { clock: world.clock })
  await world.advance({ db, rail }).catch(() => {})
  await endLeases(world)
  const frozen = async () => 'an operator looks'
  await world.advance({ frozen })
  expect(await lastBatch(world)).toMatchObject({ state: 'prepared', note: 'an operator looks' })
  expect(await mempool(node)).toEqual([])
  await world.advance()
  const [version] = await versionsIn(world)
  expect(await mempool(node)).toEqual([version?.txid])
  await node.mine(FINALITY)
  await world.advance({ frozen })
  await expectSettledBy(world, version)
})

test('a batch that left just before a freeze is followed to its end', async () => {
  const dying = dyingAt('sendrawtransaction')
  const db = dying.db(world.db)
  const rail = railOn(db, dying.node(connectNode(node.rpc)), { clock: world.clock })
  await world.advance({ db, rail }).catch(() => {})
  await endLeases(world)
  const [version] = await versionsIn(world)
  await node.cli('sendrawtransaction', version?.hex)
  const frozen = async () => 'an operator looks'
  await world.advance({ frozen })
  expect(await lastBatch(world)).toMatchObject({ state: 'sent' })
  await node.mine(FINALITY)
  await world.advance({ frozen })
  await expectSettledBy(world, version)
})
