import { afterAll, beforeAll, expect, test } from 'vitest'
import { sats } from '../../src/lib/money.ts'
import { connectNode, type NodeRpc } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { crashAt } from './crash.ts'
import { endLeases, mempool, outputsTo, settle, versionsIn } from './l1-chain.ts'
import { addressOf, createWorld, fundWallet, OPTIONS, railOn } from './l1-world.ts'
import { OWED } from './seed.ts'

/** More boundaries than any run of the job has; beyond, the test would never end. */
const BOUNDARIES_MAX = 400
const PAID = (OWED[0] ?? 0n) / 1000n

let node: TestNode

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
})
afterAll(() => node.remove())

/** After so many blocks it would have an opinion on fees, which here are the test's. */
function withoutEstimates({ call }: NodeRpc): NodeRpc {
  return {
    call: async (method, ...rest) => (method === 'estimatesmartfee' ? {} : call(method, ...rest)),
  }
}

test('a crash at any point of a replacement leaves two versions and one payment', async () => {
  const payee = addressOf(77_000)
  const world = await createWorld(node, [payee])
  const options = { ...OPTIONS, feeRateMin: sats(10_000n), bumpAfterBlocks: 0 }
  const { db, clock } = world
  const own = withoutEstimates(connectNode(node.rpc))
  const cheap = railOn(db, own, { clock })
  const dear = railOn(db, own, { clock, options })
  let index = 0
  for (let crashed = true; crashed; index++) {
    expect(index).toBeLessThan(BOUNDARIES_MAX)
    await world.approve(await world.planned())
    await world.advance({ rail: cheap })
    const crash = crashAt(index)
    const crashing = crash.db(db)
    const rail = railOn(crashing, crash.node(own), { clock, options })
    await world.advance({ db: crashing, rail }).catch(() => {})
    await endLeases(world)
    await world.advance({ rail: dear })
    const versions = await versionsIn(world)
    expect(versions).toHaveLength(2 * (index + 1))
    expect(await mempool(node)).toEqual([versions.at(-1)?.txid])
    await settle(world, node)
    await world.creditAgain()
    crashed = crash.crashed()
  }
  expect(index).toBeGreaterThan(50)
  const paid = await outputsTo(node, payee)
  expect(paid).toHaveLength(index)
  // What is below one satoshi adds up, so that a later payment may have one more.
  expect(paid.every(amount => amount === PAID || amount === PAID + 1n)).toBe(true)
  expect((await world.balances())['asset:l1_out_unconfirmed']).toBe(0n)
  await world.database.drop()
}, 600_000)
