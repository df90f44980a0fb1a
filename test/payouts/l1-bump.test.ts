import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { batchId } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode, type NodeRpc } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { versionToSign } from '../../src/payouts/rails/l1/cosigner-store.ts'
import { nodeSigner } from '../../src/payouts/rails/l1/node-signer-client.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { dyingAt } from './crash.ts'
import {
  createRecipients,
  endLeases,
  expectSettledBy,
  lastBatch,
  mempool,
  mineOnly,
  outputsTo,
  railAt,
  recipientAddress,
  settle,
  spendAsRecipient,
  versionsIn,
} from './l1-chain.ts'
import {
  createWorld,
  FINALITY,
  fundWallet,
  HOUR_MS,
  OPTIONS,
  POLICY,
  railOn,
  WALLET,
  type World,
} from './l1-world.ts'
import { OWED } from './seed.ts'

const PAID = (OWED[0] ?? 0n) / 1000n

let node: TestNode
let world: World
let payee: string

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
  await createRecipients(node)
})
afterAll(() => node.remove())
beforeEach(async () => {
  payee = await recipientAddress(node)
  world = await createWorld(node, [payee])
  await world.approve(await world.planned())
})
afterEach(() => world.database.drop())

/** The payee is the only one, so it has the first output of every version. */
const paidBy = (txid: string | undefined) => ({ txid: txid ?? '', vout: 0, value: PAID })

test('a version that is too slow is replaced, and the one that it replaced may pay all the same', async () => {
  await world.advance()
  await world.advance({ rail: railAt(world, node, 10_000n, { bumpAfterBlocks: 1 }) })
  expect(await versionsIn(world)).toHaveLength(1)
  await world.advance({ rail: railAt(world, node, 10_000n) })
  const [first, second] = await versionsIn(world)
  expect(await mempool(node)).toEqual([second?.txid])
  expect((await world.balances())['asset:l1_out_unconfirmed']).toBe(
    (PAID + (second?.fee ?? 0n)) * 1000n,
  )
  await mineOnly(node, first?.hex ?? '')
  expect(await mempool(node)).toEqual([])
  await settle(world, node)
  await expectSettledBy(world, first)
  await node.mine(FINALITY)
  await world.advance()
  await world.watch()
  await expectSettledBy(world, first)
  expect(await outputsTo(node, payee)).toEqual([PAID])
  expect(await node.cli('getrawmempool')).toEqual([])
})

test('three quick replacements, each with a crash between record and broadcast, pay once', async () => {
  await world.advance()
  for (const [index, satPerKvb] of [4000n, 8000n, 16_000n].entries()) {
    const dying = dyingAt('sendrawtransaction')
    const options = { ...OPTIONS, feeRateMin: sats(satPerKvb), bumpAfterBlocks: 0 }
    const db = dying.db(world.db)
    const rail = railOn(db, dying.node(connectNode(node.rpc)), { clock: world.clock, options })
    await world.advance({ db, rail }).catch(() => {})
    expect(dying.isDead()).toBe(true)
    await endLeases(world)
    expect(await lastBatch(world)).toMatchObject({ state: 'prepared' })
    const versions = await versionsIn(world)
    expect(versions).toHaveLength(index + 2)
    expect(await mempool(node)).toEqual([versions.at(-2)?.txid])
    await world.advance()
    expect(await mempool(node)).toEqual([versions.at(-1)?.txid])
  }
  await settle(world, node)
  await expectSettledBy(world, (await versionsIn(world)).at(-1))
  expect(await outputsTo(node, payee)).toEqual([PAID])
})

test('time does not stop a replacement, and a policy that no longer approves does', async () => {
  await world.advance()
  world.clock.advance(HOUR_MS)
  const options = { ...OPTIONS, feeRateMin: sats(10_000n), bumpAfterBlocks: 0 }
  const policy = async () => ({ ...POLICY, operators: POLICY.operators.slice(1) })
  const strict = { clock: world.clock, options, policy }
  await world.advance({ rail: railOn(world.db, connectNode(node.rpc), strict) })
  expect(await lastBatch(world)).toMatchObject({
    state: 'sent',
    note: 'it has 1 of the 2 approvals it needs',
  })
  expect(await versionsIn(world)).toHaveLength(1)
  await world.advance({ rail: railAt(world, node, 10_000n) })
  expect(await versionsIn(world)).toHaveLength(2)
  await settle(world, node)
  await expectSettledBy(world, (await versionsIn(world))[1])
})

/** The rail with a signer who is away. */
function unsigned(satPerKvb: bigint, { db, clock }: World = world) {
  const away = { sign: async () => ({ kind: 'waits', reason: 'nobody is there' }) as const }
  const options = { ...OPTIONS, feeRateMin: sats(satPerKvb), bumpAfterBlocks: 0 }
  const hot = { name: WALLET, signer: away, multisig: null }
  return railOn(db, connectNode(node.rpc), { clock, options, hot })
}

test('a replacement that was begun is not signed after the policy has changed', async () => {
  await world.advance()
  await world.advance({ rail: unsigned(10_000n) })
  expect(await versionsIn(world)).toMatchObject([{ version: 1 }, { version: 2, hex: null }])
  const policy = async () => ({ ...POLICY, operators: POLICY.operators.slice(1) })
  const strict = { clock: world.clock, policy }
  await world.advance({ rail: railOn(world.db, connectNode(node.rpc), strict) })
  expect(await versionsIn(world)).toMatchObject([{ version: 1 }, { version: 2, hex: null }])
  expect(await lastBatch(world)).toMatchObject({ note: 'it has 1 of the 2 approvals it needs' })
  // What was begun is ended, whatever the fees are by now.
  await world.advance()
  const [, second] = await versionsIn(world)
  expect(await mempool(node)).toEqual([second?.txid])
  await settle(world, node)
  await expectSettledBy(world, second)
})

test('a replacement that a recipient has outbid before it was signed is replaced itself', async () => {
  await world.advance()
  await world.advance({ rail: unsigned(10_000n) })
  const [first, second] = await versionsIn(world)
  expect(second?.hex).toBeNull()
  await spendAsRecipient(node, paidBy(first?.txid), { count: 1, fee: second?.fee ?? 0n })
  await world.advance({ rail: railAt(world, node, 10_000n) })
  const third = (await versionsIn(world))[2]
  expect(third?.fee).toBeGreaterThan((first?.fee ?? 0n) + (second?.fee ?? 0n))
  expect(await versionToSign(world.db, (await world.batches())[0]?.id ?? batchId(0n))).toBeNull()
  expect(await mempool(node)).toEqual([third?.txid])
  await settle(world, node)
  await expectSettledBy(world, third)
  expect(await outputsTo(node, payee)).toEqual([PAID])
})

/** The node, with something that happens before a broadcast, which may then be lost. */
function beforeBroadcast(happens: () => Promise<'pass' | 'lost'>): NodeRpc {
  const { call } = connectNode(node.rpc)
  return {
    call: async (method, ...rest) => {
      if (method === 'sendrawtransaction' && (await happens()) === 'lost')
        return call('sendrawtransaction', ['00'])
      return call(method, ...rest)
    },
  }
}

const soon = { feeRateMin: sats(10_000n), bumpAfterBlocks: 0 }

test('a replacement that a recipient outbids before it is sent is replaced without waiting', async () => {
  await world.advance()
  const [first] = await versionsIn(world)
  const late = beforeBroadcast(async () => {
    await spendAsRecipient(node, paidBy(first?.txid), { count: 1, fee: 3000n })
    return 'pass'
  })
  const options = { ...OPTIONS, ...soon }
  await world.advance({ rail: railOn(world.db, late, { clock: world.clock, options }) })
  expect(await lastBatch(world)).toMatchObject({ state: 'uncertain' })
  expect(await mempool(node)).toContain(first?.txid)
  await world.advance({ rail: railAt(world, node, 10_000n, { bumpAfterBlocks: 50 }) })
  const third = (await versionsIn(world))[2]
  expect(await mempool(node)).toEqual([third?.txid])
  await settle(world, node)
  await expectSettledBy(world, third)
})

test('a replacement whose broadcast was lost is sent again, though the older one is still there', async () => {
  await world.advance()
  const lost = beforeBroadcast(async () => 'lost')
  const options = { ...OPTIONS, ...soon }
  await world.advance({ rail: railOn(world.db, lost, { clock: world.clock, options }) })
  const [first, second] = await versionsIn(world)
  expect(await mempool(node)).toEqual([first?.txid])
  await world.advance({ rail: railAt(world, node, 10_000n, { bumpAfterBlocks: 50 }) })
  expect(await mempool(node)).toEqual([second?.txid])
  expect(await versionsIn(world)).toHaveLength(2)
  await settle(world, node)
  await expectSettledBy(world, second)
})

test('a batch that a recipient has pinned with 24 children says what a replacement costs, and waits', async () => {
  await world.advance()
  const [first] = await versionsIn(world)
  await spendAsRecipient(node, paidBy(first?.txid), { count: 24, fee: 1000n })
  const pinned = (await mempool(node)) as string[]
  expect(pinned).toHaveLength(25)
  await world.advance({ rail: railAt(world, node, 10_000n) })
  expect(await lastBatch(world)).toMatchObject({
    state: 'sent',
    note: expect.stringMatching(/^replacing it costs 24\d{3} sat, approved are \d+$/),
  })
  expect(await versionsIn(world)).toHaveLength(1)
  await settle(world, node)
  await expectSettledBy(world, first)
})

test('off regtest a node signs only for a float that has a cap', () => {
  const { call } = connectNode(node.rpc)
  const options = { network: 'signet', floatCap: null } as const
  expect(() => nodeSigner({ call }, WALLET, options)).toThrow('a cap')
  expect(() => nodeSigner({ call }, WALLET, { ...options, floatCap: sats(1n) })).not.toThrow()
})

// The last test of the file: the node asks for more from here on.
test('a version that the mempool has dropped, or would, for its fee is replaced at once', async () => {
  await world.advance()
  const [first] = await versionsIn(world)
  const other = await createWorld(node, [await recipientAddress(node)])
  await other.approve(await other.planned())
  await other.advance({ rail: unsigned(2000n, other) })
  await node.stop()
  const settings = '\nminrelaytxfee=0.0001\npersistmempool=0\n'
  await appendFile(join(node.dir, 'bitcoin.conf'), settings)
  await node.restart()
  expect(await mempool(node)).toEqual([])
  const rail = railAt(world, node, 2000n, { bumpAfterBlocks: 50 })
  const replaced = async () => {
    await world.advance({ rail })
    return (await versionsIn(world)).length > 1 ? true : null
  }
  await pollUntil(replaced, { everyMs: 100, timeoutMs: 45_000 })
  const [, second] = await versionsIn(world)
  expect(second?.fee).toBeGreaterThan(4n * (first?.fee ?? 0n))
  expect(await mempool(node)).toEqual([second?.txid])
  await settle(world, node)
  await expectSettledBy(world, second)
  expect(await outputsTo(node, payee)).toEqual([PAID])
  await other.advance()
  const begunAgain = (await versionsIn(other))[1]
  expect(await mempool(node)).toEqual([begunAgain?.txid])
  await settle(other, node)
  await expectSettledBy(other, begunAgain)
  await other.database.drop()
})
