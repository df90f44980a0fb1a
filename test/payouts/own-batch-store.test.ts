import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { WithdrawalState } from '../../src/bridges/withdrawal.ts'
import { addWithdrawal } from '../../src/bridges/withdrawal-store.ts'
import type { BatchState } from '../../src/lib/db/schema.ts'
import { txid } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { type OwnBatchParts, ownBatchJob, planOwnBatch } from '../../src/payouts/own-batch-store.ts'
import { coinManifestOf } from '../../src/payouts/payout-store.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { totalWithdrawing } from '../../src/payouts/withdrawal-store.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { addBatchRow } from './batch-rows.ts'
import { OUR_ADDRESS } from './chain-enforcer.ts'
import {
  addressOf,
  createWorld,
  FINALITY,
  fundWallet,
  HOUR_MS,
  WALLET,
  type World,
} from './l1-world.ts'

const NO_LIMITS = { perBatch: null, perDay: null, perDestinationPerDay: null }
/** BIP 84's published account key, in the spelling of test networks. */
const COLD =
  'wpkh(tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxysQAm397zwQSQoQgewGiYZqrA9DsP4zbQ1M/<0;1>/*)'
const PLAN = { kind: 'plan' } as const

let node: TestNode
let world: World
let parts: OwnBatchParts

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
  await node.cli('createwallet', 'cold', true, true, '', false, true, true)
  const info = (await node.cli('getdescriptorinfo', COLD)) as { checksum: string }
  // The reply names the first expansion only; the checksum is of the whole.
  const request = { desc: `${COLD}#${info.checksum}`, active: true, timestamp: 'now' }
  const rpc = connectNode(node.rpc)
  await rpc.call('importdescriptors', [[request]], { wallet: 'cold' })
})
afterAll(() => node.remove())
beforeEach(async () => {
  world = await createWorld(node, [addressOf(1), addressOf(2)])
  const clientOf = (name: string) => walletClient(connectNode(node.rpc), name)
  parts = {
    ...{ db: world.db, clock: world.clock, log: createLog('test', 'silent') },
    ...{ network: 'regtest', rail: 'l1', finality: FINALITY, confirmWithin: 6, bumpAfterBlocks: 2 },
    wallets: [
      { wallet: 'hot', client: clientOf(WALLET) },
      { wallet: 'cold', client: clientOf('cold') },
    ],
    ...{ feeRateMin: sats(1000n), feeRateMax: sats(5000n), expiresAfterMs: HOUR_MS },
    depositAddress: null,
    channelAddress: null,
    thunder: null,
    rules: () => ({ version: 1, limits: NO_LIMITS, allowList: null }),
    frozen: async () => null,
  }
})
afterEach(() => world.database.drop())

async function purposes() {
  const rows = await world.db.selectFrom('batches').select(['purpose', 'wallet']).execute()
  return rows.map(({ purpose, wallet }) => `${wallet} ${purpose}`)
}

test('a transfer pays an address of the other wallet, and whoever asked cannot approve it', async () => {
  const wish = { kind: 'transfer', from: 'hot', amount: sats(1_000_000n) } as const
  const outcome = await planOwnBatch(parts, wish, { kind: 'operator', alias: 'alice' })
  if (outcome.kind !== 'planned') throw new Error(outcome.reason)
  const manifest = await coinManifestOf(world.db, outcome.batch)
  expect(manifest).toMatchObject({
    ...{ purpose: 'transfer', wallet: 'hot', createdBy: 'operator:alice', excluded: ['alice'] },
    payees: [{ amount: 1_000_000n, payouts: [] }],
  })
  const cold = parts.wallets[1]?.client
  expect(await cold?.isOurs(manifest.payees[0]?.destination ?? '')).toBe(true)
  expect(await parts.wallets[0]?.client.isOurs(manifest.change)).toBe(true)
  const held = await world.db.selectFrom('reserved_outputs').select('txid').execute()
  expect(held).toEqual([{ txid: manifest.anchor.txid }])
  expect(await planOwnBatch(parts, wish, PLAN)).toMatchObject({
    reason: expect.stringMatching(/under way/),
  })
})

test('a consolidation at once in several places is planned once, and holds its coins', async () => {
  const wish = { kind: 'consolidation', wallet: 'hot' } as const
  const outcomes = await Promise.all([1, 2, 3].map(() => planOwnBatch(parts, wish, PLAN)))
  expect(outcomes.filter(({ kind }) => kind === 'planned')).toHaveLength(1)
  const funds = await world.rail.funds()
  expect(funds).toMatchObject({ kind: 'coins', coins: [] })
})

/** A withdrawal of another time, in its own state and, where it is followed, its bridge's. */
async function withdrawal(state: BatchState, followed: WithdrawalState | null): Promise<void> {
  const payees = [[addressOf(7), 300_000n]] as const
  const { batch } = await addBatchRow(world.db, { number: 9, purpose: 'withdrawal', state, payees })
  if (followed === null) return
  const coin = { txid: txid('ab'.repeat(32)), vout: 1, value: sats(300_000n) }
  const isPaid = followed === 'arrived' || followed === 'final'
  const seen = { m6id: null, bundles: 0, votes: null, coin: isPaid ? coin : null, turn: 1 }
  const what = { batch, amount: sats(300_000n), mainFee: sats(0n), mainAddress: addressOf(7) }
  await addWithdrawal(world.db, { ...what, ...seen, state: followed }, world.clock.now())
}

test.each<[BatchState, WithdrawalState | null, boolean]>([
  ['planned', null, false],
  ['approved', null, false],
  ['prepared', null, false],
  ['sent', null, false],
  ['uncertain', null, false],
  ['settled', null, false],
  ['settled', 'queued', false],
  ['settled', 'arrived', false],
  ['settled', 'final', true],
  ['released', null, true],
])(
  'after a withdrawal that is %s, and %s, a deposit by itself: %s',
  async (state, followed, may) => {
    await withdrawal(state, followed)
    const live = await totalWithdrawing(world.db)
    expect(live).toBe(may ? 0n : 300_000n)
    const wish = { kind: 'deposit', from: 'hot', amount: sats(100_000n) } as const
    const deposits = { ...parts, depositAddress: OUR_ADDRESS }
    const outcome = await planOwnBatch(deposits, wish, PLAN)
    if (may) expect(outcome.kind).toBe('planned')
    else {
      expect(outcome).toMatchObject({ reason: expect.stringMatching(/withdrawal is under way/) })
      // People may have it all the same.
      const asker = { kind: 'operator', alias: 'dave' } as const
      expect((await planOwnBatch(deposits, wish, asker)).kind).toBe('planned')
    }
  },
)

test('limits and a freeze hold for own batches too', async () => {
  const wish = { kind: 'consolidation', wallet: 'hot' } as const
  const limited = {
    ...parts,
    rules: () => ({
      version: 1,
      allowList: null,
      limits: { ...NO_LIMITS, perBatch: sats(1n) },
    }),
  }
  expect(await planOwnBatch(limited, wish, PLAN)).toMatchObject({
    reason: expect.stringMatching(/per batch/),
  })
  const stopped = { ...parts, frozen: async () => 'frozen by alice: odd' }
  expect(await planOwnBatch(stopped, wish, PLAN)).toMatchObject({
    reason: expect.stringMatching(/odd/),
  })
  await ownBatchJob(stopped, { float: null, consolidate: null }).run()
  expect(await purposes()).toEqual([])
})

test('the job fills, empties and tidies the float as it is told, one batch of each', async () => {
  const consolidate = { coinsOver: 1, feeRateMax: sats(5000n) }
  await ownBatchJob(parts, {
    float: null,
    consolidate: { ...consolidate, coinsOver: 10_000 },
  }).run()
  await ownBatchJob(parts, {
    float: null,
    consolidate: { ...consolidate, feeRateMax: sats(500n) },
  }).run()
  expect(await purposes()).toEqual([])
  const cap = sats(9_000_000_000n)
  const float = { low: sats(1n), target: sats(8_000_000_000n), cap }
  const job = ownBatchJob(parts, { float, consolidate: null })
  await job.run()
  await job.run()
  expect(await purposes()).toEqual(['hot transfer'])
  const batches = await world.db.selectFrom('batches').select('total_sats').execute()
  expect(batches).toEqual([{ total_sats: 2_000_000_000n }])
  await ownBatchJob(parts, { float: null, consolidate }).run()
  expect(await purposes()).toEqual(['hot transfer', 'hot consolidation'])
})
