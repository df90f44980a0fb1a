import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { signAct } from '../../src/approval/index.ts'
import { chartAccount, postEntries } from '../../src/ledger/index.ts'
import { digest, journalKey } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { endLease, moveBatch, takeLease } from '../../src/payouts/payout-store.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import {
  addressOf,
  createWorld,
  FINALITY,
  fundWallet,
  HOUR_MS,
  OPERATORS,
  OPTIONS,
  POLICY,
  railOn,
  type World,
} from './l1-world.ts'
import { OWED } from './seed.ts'

let node: TestNode
let world: World
let payees: string[]
let lastPayee = 0

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
})
afterAll(() => node.remove())
beforeEach(async () => {
  payees = [addressOf(++lastPayee), addressOf(++lastPayee)]
  world = await createWorld(node, payees)
})
afterEach(() => world.database.drop())

const PAID = OWED.map(owed => owed / 1000n)

/** What a payee holds on the chain, in satoshis. */
async function received(payee: string): Promise<bigint> {
  const scan = await node.cli('scantxoutset', 'start', [`addr(${payee})`])
  const { total_amount } = scan as { total_amount: number }
  return BigInt(Math.round(total_amount * 1e8))
}

async function state(): Promise<string | undefined> {
  return (await world.batches()).at(-1)?.state
}

async function sideOf(index: number, side: string): Promise<bigint> {
  return -((await world.balances())[`miner:${world.accounts[index]}:${side}`] ?? 0n)
}

async function expectPaidOnce() {
  expect(await received(payees[0] ?? '')).toBe(PAID[0])
  expect(await received(payees[1] ?? '')).toBe(PAID[1])
  expect(await state()).toBe('settled')
  for (const index of [0, 1]) {
    expect(await sideOf(index, 'inflight')).toBe(0n)
    expect(await sideOf(index, 'payable')).toBe((OWED[index] ?? 0n) % 1000n)
  }
  expect((await world.balances())['asset:l1_out_unconfirmed']).toBe(0n)
}

async function expectOwedAgain() {
  expect(await state()).toBe('released')
  for (const index of [0, 1]) {
    expect(await sideOf(index, 'inflight')).toBe(0n)
    expect(await sideOf(index, 'payable')).toBe(OWED[index])
  }
  const live = await world.db
    .selectFrom('reserved_outputs')
    .select('txid')
    .where('released_ms', 'is', null)
    .execute()
  expect(live).toEqual([])
}

test('what is due is planned, approved, signed, sent and settled at depth', async () => {
  const batch = await world.planned()
  expect(await sideOf(0, 'inflight')).toBe((PAID[0] ?? 0n) * 1000n)
  await world.advance()
  expect(await state()).toBe('planned')
  await world.approve(batch)
  await world.advance()
  expect(await state()).toBe('sent')
  const [version] = await world.db.selectFrom('batch_versions').selectAll().execute()
  const out = (PAID[0] ?? 0n) + (PAID[1] ?? 0n) + (version?.fee_sats ?? 0n)
  expect((await world.balances())['asset:l1_out_unconfirmed']).toBe(out * 1000n)
  await node.mine(FINALITY - 1)
  await world.advance()
  expect(await state()).toBe('sent')
  await node.mine(1)
  await world.advance()
  await expectPaidOnce()
  expect((await world.balances())['expense:fee_l1']).toBe((version?.fee_sats ?? 0n) * 1000n)
})

test('what was released is due again at once, and never twice', async () => {
  const batch = await world.planned()
  await world.act(batch, 2, { kind: 'reject', reason: 'not today' })
  await world.plan()
  expect(await world.batches()).toHaveLength(2)
  await world.plan()
  expect(await world.batches()).toHaveLength(2)
})

test('one rejection releases a batch and nothing approves it afterwards', async () => {
  const batch = await world.planned()
  expect(await world.act(batch, 0, { kind: 'approve' })).toMatchObject({ batch: 'waits' })
  expect(await world.act(batch, 1, { kind: 'reject', reason: 'odd' })).toMatchObject({
    batch: 'rejected',
  })
  expect(await world.act(batch, 2, { kind: 'approve' })).toMatchObject({
    reason: 'already decided',
  })
  await world.advance()
  await expectOwedAgain()
})

test('forged, foreign, repeated and late acts change nothing', async () => {
  const batch = await world.planned()
  const hash = (
    await world.db.selectFrom('batches').select('manifest_hash').executeTakeFirstOrThrow()
  ).manifest_hash
  const key = OPERATORS[0] ?? new Uint8Array()
  const good = signAct(key, { kind: 'approve' }, digest(hash))
  const rejection = signAct(key, { kind: 'reject', reason: '' }, digest(hash))
  const foreign = signAct(key, { kind: 'approve' }, digest('b'.repeat(64)))
  const stranger = signAct(new Uint8Array(32).fill(9), { kind: 'approve' }, digest(hash))
  expect(await world.give(batch, { ...good, signature: rejection.signature })).toMatchObject({
    reason: 'bad signature',
  })
  expect(await world.give(batch, foreign)).toMatchObject({ reason: 'other manifest' })
  expect(await world.give(batch, { ...foreign, manifestHash: digest(hash) })).toMatchObject({
    reason: 'bad signature',
  })
  expect(await world.give(batch, stranger)).toMatchObject({ reason: 'unknown operator' })
  expect(await world.give(batch, good)).toMatchObject({ kind: 'accepted', batch: 'waits' })
  expect(await world.give(batch, good)).toMatchObject({ reason: 'repeated' })
  world.clock.advance(HOUR_MS)
  expect(await world.act(batch, 1, { kind: 'approve' })).toMatchObject({ reason: 'expired' })
  expect(await world.db.selectFrom('approvals').selectAll().execute()).toHaveLength(1)
  await world.advance()
  await expectOwedAgain()
})

test('an approval that comes twice at once counts once', async () => {
  const batch = await world.planned()
  const approve = () => world.act(batch, 0, { kind: 'approve' })
  const verdicts = await Promise.all([approve(), approve(), approve()])
  expect(verdicts.filter(verdict => verdict?.kind === 'accepted')).toHaveLength(1)
  expect(await state()).toBe('planned')
})

test('an approved batch whose time is up before it is signed is released', async () => {
  await world.approve(await world.planned())
  world.clock.advance(HOUR_MS)
  await world.advance()
  await expectOwedAgain()
})

test('an approval of an operator who has left the policy signs nothing', async () => {
  await world.approve(await world.planned())
  const policy = async () => ({ ...POLICY, operators: POLICY.operators.slice(1) })
  const rail = railOn(world.db, connectNode(node.rpc), { clock: world.clock, policy })
  await world.advance({ rail })
  expect((await world.batches())[0]).toMatchObject({
    state: 'approved',
    note: 'it has 1 of the 2 approvals it needs',
  })
  world.clock.advance(HOUR_MS)
  await world.advance({ rail })
  await expectOwedAgain()
})

test('a batch waits when fees are above what was approved', async () => {
  await world.approve(await world.planned())
  const options = { ...OPTIONS, feeRateMin: sats(90_000n), feeRateMax: sats(90_000n) }
  const rail = railOn(world.db, connectNode(node.rpc), { clock: world.clock, options })
  await world.advance({ rail })
  expect((await world.batches())[0]).toMatchObject({
    state: 'approved',
    note: expect.stringContaining('it would cost'),
  })
  await world.advance()
  expect(await state()).toBe('sent')
  await node.mine(FINALITY)
  await world.advance()
  await expectPaidOnce()
})

test('nothing is planned on a wallet that holds more than its cap, or on another network', async () => {
  const cap = { ...OPTIONS, floatCap: sats(1000n) }
  const rail = railOn(world.db, connectNode(node.rpc), { clock: world.clock, options: cap })
  await world.plan({ rail })
  expect(await rail.funds()).toMatchObject({ kind: 'waits' })
  const signet = { ...cap, network: 'signet' as const }
  const foreign = railOn(world.db, connectNode(node.rpc), { clock: world.clock, options: signet })
  expect(await foreign.funds()).toMatchObject({ reason: 'the node is on regtest, not on signet' })
  expect(await world.batches()).toEqual([])
})

test('planning and advancing in several places at once pays once', async () => {
  await Promise.all([world.plan(), world.plan(), world.plan()])
  expect(await world.batches()).toHaveLength(1)
  const [batch] = await world.batches()
  if (batch) await world.approve(batch.id)
  for (let round = 0; round < 4; round++) {
    await Promise.all([world.advance(), world.advance(), world.advance()])
  }
  expect(await state()).toBe('sent')
  await node.mine(FINALITY)
  await Promise.all([world.advance(), world.advance(), world.advance()])
  await expectPaidOnce()
  await Promise.all([world.advance(), world.advance(), world.plan()])
  await expectPaidOnce()
})

/** Takes from the float, or gives it back where negative, by the ledger alone. */
async function withdraw(name: string, amount: bigint): Promise<void> {
  const entry = {
    key: journalKey(`test:withdraw:${name}`),
    event: 'withdrawn',
    legs: [
      { account: chartAccount('l1Float'), amount: millisats(-amount * 1000n) },
      { account: chartAccount('treasuryCapital'), amount: millisats(amount * 1000n) },
    ],
    at: world.clock.now(),
  }
  await world.db.transaction().execute(tx => postEntries(tx, [entry]))
}

test('a batch that leaves while another is planned is taken from the float', async () => {
  await withdraw('most', 10_000_000_000n - 2_000_000n)
  await world.approve(await world.planned())
  // Enough for the other payment only where the first had not left.
  await withdraw('back', -48_700_000n)
  let hasLeft = false
  const planning = new Set<unknown>()
  const db = world.db.withPlugin({
    transformQuery: ({ node: query, queryId }) => {
      const text = inspect(query, { depth: null })
      if (/fee_max_sats|from ledger_balances/.test(text)) planning.add(queryId)
      return query
    },
    transformResult: async ({ result, queryId }) => {
      if (planning.has(queryId) && !hasLeft) {
        hasLeft = true
        await world.advance()
      }
      return result
    },
  })
  await world.plan({ db })
  expect(hasLeft).toBe(true)
  expect((await world.batches()).map(batch => batch.state)).toEqual(['sent'])
})

test('a batch behind many that wait for their operators has its turn in the same run', async () => {
  const waiting = Array.from({ length: 100 }, (_, n) => ({
    rail: 'l1',
    state: 'planned' as const,
    manifest: new Uint8Array(),
    manifest_hash: n.toString(16).padStart(64, '0'),
    anchor_txid: '0'.repeat(64),
    anchor_vout: n,
    total_sats: 1n,
    fee_max_sats: 0n,
    created_ms: 0n,
    expires_ms: BigInt(world.clock.now() + HOUR_MS),
    ended_ms: null,
    lease_owner: null,
    lease_until: null,
  }))
  await world.db.insertInto('batches').values(waiting).execute()
  await world.approve(await world.planned())
  await world.advance()
  expect(await state()).toBe('sent')
})

test('a batch has one worker at a time, and one that was overtaken writes nothing', async () => {
  const batch = await world.planned()
  await world.approve(batch)
  const first = await takeLease(world.db, batch, 'first')
  if (first === null) throw new Error('nobody else has the batch')
  expect(await takeLease(world.db, batch, 'second')).toBeNull()
  await world.db.updateTable('batches').set({ lease_until: '2000-01-01' }).execute()
  const second = await takeLease(world.db, batch, 'second')
  expect(second?.fence).toBe(first.fence + 1n)
  expect(await world.rail.prepare(first)).toEqual({ kind: 'fenced' })
  expect(await world.db.selectFrom('batch_versions').selectAll().execute()).toEqual([])
  const context = { books: world.rail.books, at: world.clock.now() }
  const late = world.db
    .transaction()
    .execute(tx => moveBatch(tx, first, { kind: 'expired' }, context))
  expect(await late).toEqual({ kind: 'fenced' })
  await endLease(world.db, first, 'too late')
  expect(await takeLease(world.db, batch, 'third')).toBeNull()
  expect((await world.batches())[0]).toMatchObject({ state: 'approved', note: '' })
})
