import { address, networks } from 'bitcoinjs-lib'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import {
  type Act,
  operatorKeyOf,
  type SignedAct,
  type SpendPolicy,
  signAct,
} from '../../src/approval/index.ts'
import { callNode } from '../../src/devnet/index.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import type { BatchState, Database } from '../../src/lib/db/schema.ts'
import {
  type AccountId,
  type BatchId,
  batchId,
  digest,
  journalKey,
  type UnixMs,
  unixMs,
} from '../../src/lib/ids.ts'
import type { Job } from '../../src/lib/job-runner.ts'
import { createLog, type Log } from '../../src/lib/log.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode, type NodeRpc } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { decideBatch } from '../../src/payouts/decide-store.ts'
import { payoutJobs } from '../../src/payouts/jobs.ts'
import type { Rail } from '../../src/payouts/rail.ts'
import { noteCoins } from '../../src/payouts/rails/l1/coin-store.ts'
import type { L1Options, WalletChoice } from '../../src/payouts/rails/l1/l1-parts.ts'
import { l1Rail } from '../../src/payouts/rails/l1/l1-rail.ts'
import { multisigInputWeight } from '../../src/payouts/rails/l1/multisig.ts'
import { nodeSigner } from '../../src/payouts/rails/l1/node-signer-client.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { type ActVerdict, freezeByPool, frozen } from '../../src/treasury/index.ts'
import type { NodeCalls } from '../support/bitcoind.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { credit, SCHEME, seed } from './seed.ts'

export const WALLET = 'payouts'
export const FINALITY = 3
export const HOUR_MS = 3_600_000

export const OPERATORS = [1, 2, 3].map(n => fromHex(n.toString(16).padStart(64, '0')))
/** Three approvers, of whom two are enough for any amount. */
export const POLICY: SpendPolicy = {
  version: 1,
  operators: OPERATORS.map((secret, index) => ({
    alias: ['alice', 'bob', 'carol'][index] ?? '',
    roles: ['approver'],
    keys: [{ key: operatorKeyOf(secret), notAfter: unixMs(Number.MAX_SAFE_INTEGER) }],
  })),
  bands: [{ upTo: null, approvals: 2 }],
  auto: null,
  limits: { perBatch: null, perDay: null, perDestinationPerDay: null },
  allowList: null,
}

const NO_LIMITS = { perBatch: null, perDay: null, perDestinationPerDay: null }

export const OPTIONS: L1Options = {
  network: 'regtest',
  feeRateMin: sats(2000n),
  feeRateMax: sats(50_000n),
  confirmWithin: 6,
  finality: FINALITY,
  bumpAfterBlocks: 2,
  floatCap: null,
}

/** A payee's address on regtest, another for each number. */
export function addressOf(n: number): string {
  return address.toBech32(fromHex(n.toString(16).padStart(40, '0')), 0, networks.regtest.bech32)
}

/** Makes the payout wallet and gives it coins to spend. */
export async function fundWallet(node: NodeCalls): Promise<void> {
  await node.cli('createwallet', WALLET, false, false, '', false, true, true)
  // By its name, since the node may have other wallets.
  const wallet = { ...node.rpc, url: `${node.rpc.url}/wallet/${WALLET}` }
  const address = z.string().parse(await callNode(wallet, 'getnewaddress', '', 'bech32'))
  await node.mine(104, address)
}

/** Notes every coin that the wallet holds, as if each had been put in as capital. */
export async function noteWallet(
  db: Kysely<Database>,
  node: NodeCalls,
  at: ReturnType<typeof unixMs>,
  { name, multisig }: Pick<WalletChoice, 'name' | 'multisig'> = { name: WALLET, multisig: null },
): Promise<void> {
  const weight = multisig && multisigInputWeight(multisig)
  const listed = await walletClient(connectNode(node.rpc), name, weight).unspent(1)
  const capital = {
    wallet: 'hot' as const,
    origin: 'capital' as const,
    journalKey: journalKey('test:capital'),
  }
  const coins = listed
    .filter(({ isSpendable }) => isSpendable)
    .map(coin => ({ ...coin, ...capital }))
  await db.transaction().execute(tx => noteCoins(tx, coins, at))
}

/** A pool with a ledger, two accounts that are owed, and a rail on a real node. */
export type World = {
  readonly database: TestDatabase
  readonly db: Kysely<Database>
  readonly rail: Rail
  readonly accounts: readonly AccountId[]
  readonly clock: { now: () => ReturnType<typeof unixMs>; advance: (ms: number) => void }
  /** One run of a job, on another rail or database where told. */
  readonly plan: (parts?: Partial<JobsFrom>) => Promise<void>
  readonly advance: (parts?: Partial<JobsFrom>) => Promise<void>
  /** The jobs themselves, which remember what they said. */
  readonly jobs: (parts?: Partial<JobsFrom>) => readonly Job[]
  /** Looks after settled batches. */
  readonly watch: (parts?: Partial<JobsFrom>) => Promise<void>
  /** As the pool freezes the rail by itself. */
  readonly freeze: (reason: string) => Promise<void>
  readonly act: (batch: BatchId, operator: number, act: Act) => Promise<ActVerdict | null>
  readonly give: (batch: BatchId, act: SignedAct) => Promise<ActVerdict | null>
  readonly approve: (batch: BatchId) => Promise<void>
  readonly batches: () => Promise<{ id: BatchId; state: BatchState; note: string }[]>
  /** Plans and gives the batch's id. */
  readonly planned: () => Promise<BatchId>
  readonly balances: () => Promise<Record<string, bigint>>
  /** Owes every account as much again as at first, and lets their interval pass. */
  readonly creditAgain: () => Promise<void>
}

type JobsFrom = {
  readonly rail: Rail
  readonly log: Log
  readonly db: Kysely<Database>
  readonly frozen: (rail: string) => Promise<string | null>
  readonly approvePlanned: () => Promise<readonly BatchId[]>
}

export function railOn(
  db: Kysely<Database>,
  node: NodeRpc,
  world: {
    readonly clock: World['clock']
    readonly options?: L1Options
    readonly policy?: () => Promise<SpendPolicy>
    readonly hot?: WalletChoice
  },
): Rail {
  const { clock, options = OPTIONS, policy = async () => POLICY } = world
  const own = { name: WALLET, signer: nodeSigner(node, WALLET, options), multisig: null }
  const hot = world.hot ?? own
  return l1Rail({
    db,
    node,
    clock,
    policy,
    options,
    hot,
    cold: null,
    sidechain: null,
    channelAddress: null,
  })
}

/** @param start in milliseconds; its payees' interval has passed an hour later */
export async function createWorld(
  node: NodeCalls,
  payees: readonly string[],
  wallet?: Pick<WalletChoice, 'name' | 'multisig'>,
  start = 1_800_000_000_000,
): Promise<World> {
  const database = await testDatabase()
  const { db } = database
  let now = start
  const clock = {
    now: () => unixMs(now),
    advance: (ms: number) => {
      now += ms
    },
  }
  await noteWallet(db, node, unixMs(now), wallet)
  const accounts = await seed(db, node, payees, now)
  clock.advance(HOUR_MS)
  const rail = railOn(db, connectNode(node.rpc), { clock })
  const jobs = (from: Partial<JobsFrom> = {}) =>
    payoutJobs({
      db: from.db ?? db,
      clock,
      log: from.log ?? createLog('test', 'silent'),
      network: 'regtest',
      schemes: [SCHEME],
      rails: [from.rail ?? rail],
      rules: () => ({ version: POLICY.version, limits: NO_LIMITS, allowList: null }),
      approvePlanned: from.approvePlanned ?? (async () => []),
      frozen: from.frozen ?? (scope => frozen(db, scope)),
      silenced: from.frozen ?? (scope => frozen(db, scope)),
      freeze: (scope, reason) => freeze(db, { scope, reason, at: unixMs(now) }),
      expiresAfterMs: HOUR_MS,
      owner: 'test',
    })
  const run = (name: string, from?: Partial<JobsFrom>) => runOf(jobs(from), name)
  const plan: World['plan'] = from => run('plan-payouts', from)
  const give: World['give'] = (batch, act) => decideBatch(db, POLICY, { batch, act }, { clock })
  const act: World['act'] = async (batch, operator, said) => {
    const key = OPERATORS[operator] ?? new Uint8Array()
    const row = await db
      .selectFrom('batches')
      .select('manifest_hash')
      .where('id', '=', batch)
      .executeTakeFirstOrThrow()
    return give(batch, signAct(key, said, digest(row.manifest_hash)))
  }
  const batches = async () => {
    const rows = await db
      .selectFrom('batches')
      .select(['id', 'state', 'note'])
      .orderBy('id')
      .execute()
    return rows.map(row => ({ ...row, id: batchId(row.id) }))
  }
  return {
    database,
    db,
    rail,
    accounts,
    clock,
    plan,
    jobs,
    advance: from => run('advance-batches', from),
    watch: from => run('watch-settled', from),
    freeze: reason => freeze(db, { scope: 'l1', reason, at: unixMs(now) }),
    act,
    give,
    approve: async batch => {
      await act(batch, 0, { kind: 'approve' })
      await act(batch, 1, { kind: 'approve' })
    },
    batches,
    planned: async () => {
      await plan()
      const last = (await batches()).at(-1)
      if (last?.state !== 'planned') throw new Error('nothing was planned')
      return last.id
    },
    balances: () => balancesByName(db),
    creditAgain: async () => {
      clock.advance(HOUR_MS)
      await credit(db, accounts, now)
    },
  }
}

/** Runs one of the jobs. */
export function runOf(jobs: readonly Job[], name: string): Promise<void> {
  return jobs.find(job => job.name === name)?.run() ?? Promise.reject(new Error(`no job ${name}`))
}

async function freeze(
  db: Kysely<Database>,
  words: { readonly scope: string; readonly reason: string; readonly at: UnixMs },
): Promise<void> {
  await db.transaction().execute(tx => freezeByPool(tx, { network: 'regtest', ...words }))
}

async function balancesByName(db: Kysely<Database>): Promise<Record<string, bigint>> {
  const rows = await db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
    .select(['name', 'amount_msat'])
    .execute()
  return Object.fromEntries(rows.map(row => [row.name, row.amount_msat]))
}
