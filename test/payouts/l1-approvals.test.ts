import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SpendPolicy } from '../../src/approval/index.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { autoApprove } from '../../src/payouts/decide-store.ts'
import { approversOf } from '../../src/treasury/index.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { keyOf, secretOf } from '../treasury/people.ts'
import {
  addressOf,
  createWorld,
  FINALITY,
  fundWallet,
  POLICY,
  railOn,
  type World,
} from './l1-world.ts'
import { OWED } from './seed.ts'

let node: TestNode
let world: World
let lastPayee = 1000

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
})
afterAll(() => node.remove())
beforeEach(async () => {
  world = await createWorld(node, [addressOf(++lastPayee), addressOf(++lastPayee)])
})
afterEach(() => world.database.drop())

const POOL = 7
const policyUpTo = (perDay: bigint): SpendPolicy => ({
  ...POLICY,
  auto: { poolKey: keyOf(POOL), perBatch: sats(1_000_000_000n), perDay: sats(perDay) },
})

/** Plans as the role does with such a policy, and takes batches as far as they go. */
async function runWith(policy: SpendPolicy) {
  const { db, clock } = world
  const approvePlanned = () => autoApprove(db, policy, secretOf(POOL), { clock })
  const rail = railOn(db, connectNode(node.rpc), { clock, policy: async () => policy })
  await world.plan({ approvePlanned })
  await world.advance({ rail })
}
const last = async () => (await world.batches()).at(-1)
const inflight = async () => {
  const balances = await world.balances()
  return world.accounts.map(account => -(balances[`miner:${account}:inflight`] ?? 0n))
}

test("a batch within the pool's band is planned, approved, signed and paid by nobody", async () => {
  await runWith(policyUpTo(1_000_000_000n))
  const batch = await last()
  expect(batch).toMatchObject({ state: 'sent' })
  await node.mine(FINALITY)
  await world.advance()
  expect(await last()).toMatchObject({ state: 'settled' })
  const approvers = await approversOf(world.db, batch ? [batch.id] : [])
  expect([...approvers.values()]).toEqual([['pool']])
})

test("a batch above the pool's band waits for people", async () => {
  await runWith(policyUpTo(1000n))
  expect(await last()).toMatchObject({ state: 'planned' })
  const batch = await last()
  if (batch) await world.approve(batch.id)
  await world.advance()
  expect(await last()).toMatchObject({ state: 'sent' })
})

test('what the pool approved alone is not signed once its band is gone', async () => {
  const { db, clock } = world
  const policy = policyUpTo(1_000_000_000n)
  await world.plan({
    approvePlanned: () => autoApprove(db, policy, secretOf(POOL), { clock }),
  })
  await world.advance()
  expect(await last()).toMatchObject({
    state: 'approved',
    note: 'it has 0 of the 2 approvals it needs',
  })
  const batch = await last()
  if (batch) await world.act(batch.id, 0, { kind: 'approve' })
  await world.advance()
  expect(await last()).toMatchObject({
    state: 'approved',
    note: 'it has 1 of the 2 approvals it needs',
  })
  if (batch) await world.act(batch.id, 1, { kind: 'approve' })
  await world.advance()
  expect(await last()).toMatchObject({ state: 'sent' })
})

test('an approved batch that is rejected before it is signed is owed again', async () => {
  const batch = await world.planned()
  await world.approve(batch)
  const verdict = await world.act(batch, 2, { kind: 'reject', reason: 'wrong day' })
  expect(verdict).toEqual({ kind: 'accepted', batch: 'rejected' })
  await world.advance()
  expect(await last()).toMatchObject({ state: 'released', note: 'rejected by carol: wrong day' })
  expect(await inflight()).toEqual([0n, 0n])
  expect((await world.balances())[`miner:${world.accounts[0]}:payable`]).toBe(-(OWED[0] ?? 0n))
  const held = world.db.selectFrom('reserved_outputs').selectAll().where('released_ms', 'is', null)
  expect(await held.execute()).toEqual([])
})

test('a sent batch takes no rejection', async () => {
  const batch = await world.planned()
  await world.approve(batch)
  await world.advance()
  expect(await last()).toMatchObject({ state: 'sent' })
  const verdict = await world.act(batch, 2, { kind: 'reject', reason: 'too late' })
  expect(verdict).toEqual({ kind: 'refused', reason: 'already decided' })
  expect(await last()).toMatchObject({ state: 'sent' })
})
