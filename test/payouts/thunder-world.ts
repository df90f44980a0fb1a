import type { Kysely } from 'kysely'
import { z } from 'zod'
import { signAct } from '../../src/approval/index.ts'
import { chartAccount } from '../../src/ledger/index.ts'
import type { BatchState, Database } from '../../src/lib/db/schema.ts'
import {
  type AccountId,
  type BatchId,
  batchId,
  digest,
  journalKey,
  type Txid,
  unixMs,
} from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { msatsFromSats, sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { type ThunderClient, thunderClient } from '../../src/lib/nodes/thunder-client.ts'
import { parseBareAddress, type ThunderAddress } from '../../src/lib/thunder/address.ts'
import { outputTotal } from '../../src/lib/thunder/transaction.ts'
import { decideBatch } from '../../src/payouts/decide-store.ts'
import { payoutJobs } from '../../src/payouts/jobs.ts'
import type { Rail } from '../../src/payouts/rail.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { noteThunderCoins } from '../../src/payouts/rails/thunder/coin-store.ts'
import { thunderNodeSigner } from '../../src/payouts/rails/thunder/node-signer-client.ts'
import { thunderReconciler } from '../../src/payouts/rails/thunder/reconcile-store.ts'
import type { ThunderSigner } from '../../src/payouts/rails/thunder/signer.ts'
import type { ThunderOptions } from '../../src/payouts/rails/thunder/thunder-parts.ts'
import { thunderRail } from '../../src/payouts/rails/thunder/thunder-rail.ts'
import type { Reconciler } from '../../src/payouts/reconciler.ts'
import { freezeByPool, frozen } from '../../src/treasury/index.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { mineDeposit } from '../support/deposit.ts'
import { TEST_MNEMONIC, type TestSidechain } from '../support/sidechain.ts'
import { HOUR_MS, OPERATORS, POLICY, WALLET } from './l1-world.ts'
import { credit, SCHEME, seed } from './seed.ts'
import { thunderAddressOf } from './thunder-order.ts'

export const FINALITY = 3
export const FEE = sats(500n)
/** A file of tests has fewer. */
const PAYEES_MAX = 1000
const RULES = {
  version: POLICY.version,
  limits: { perBatch: null, perDay: null, perDestinationPerDay: null },
  allowList: null,
}
const ON_THUNDER = { ...SCHEME, rails: ['thunder'] }

/** A Thunder node whose wallet is the pool's, with coins that were deposited and credited. */
export type ThunderScene = {
  readonly sidechain: TestSidechain
  readonly client: ThunderClient
  readonly addresses: readonly ThunderAddress[]
  /** Deposits and mines until Thunder has credited it. */
  readonly deposit: (address: ThunderAddress, amount: bigint) => Promise<void>
  /** An address that nobody has paid yet. */
  readonly newPayee: () => ThunderAddress
}

export async function thunderScene(
  sidechain: TestSidechain,
  amounts: readonly bigint[],
): Promise<ThunderScene> {
  const { urls, thunderCall, node } = sidechain
  await thunderCall('set_seed_from_mnemonic', TEST_MNEMONIC)
  const addresses = []
  for (let n = 0; n < 2; n++) addresses.push(addressIn(await thunderCall('get_new_address')))
  const client = thunderClient({ ...urls, network: 'regtest' })
  const deposit = async (address: ThunderAddress, amount: bigint) => {
    await mineDeposit(sidechain, address, amount)
    await sidechain.mineSideBlock()
  }
  // A chain that is not new has paid the payees of earlier runs.
  let payees = Number(await node.cli('getblockcount')) * PAYEES_MAX
  for (const [index, amount] of amounts.entries()) {
    const address = addresses[index % addresses.length]
    if (address) await deposit(address, amount)
  }
  return { sidechain, client, addresses, deposit, newPayee: () => thunderAddressOf(payees++) }
}

function addressIn(text: unknown): ThunderAddress {
  const address = parseBareAddress(z.string().parse(text))
  if (address === null) throw new Error('the node gives addresses')
  return address
}

/** A pool that owes its payees, and pays them on Thunder. */
export type ThunderWorld = {
  readonly database: TestDatabase
  readonly db: Kysely<Database>
  readonly scene: ThunderScene
  readonly rail: Rail
  readonly accounts: readonly AccountId[]
  readonly clock: { now: () => ReturnType<typeof unixMs>; advance: (ms: number) => void }
  readonly railWith: (bend: Partial<ThunderOptions> & { signer?: ThunderSigner }) => Rail
  readonly plan: (rail?: Rail) => Promise<void>
  readonly advance: (rail?: Rail) => Promise<void>
  readonly watch: () => Promise<void>
  readonly planned: () => Promise<BatchId>
  readonly approve: (batch: BatchId) => Promise<void>
  readonly batches: () => Promise<{ id: BatchId; state: BatchState; note: string }[]>
  readonly txids: () => Promise<Txid[]>
  readonly reconciler: Reconciler
  readonly creditAgain: () => Promise<void>
  /** What an address has, in satoshis. */
  readonly holds: (address: string) => Promise<bigint>
}

/** Notes every coin that our addresses can spend now, as if each had been a deposit of ours. */
export async function thunderWorld(
  scene: ThunderScene,
  payees: readonly string[],
  start = 1_800_000_000_000,
): Promise<ThunderWorld> {
  const { sidechain, client, addresses } = scene
  const database = await testDatabase()
  const { db } = database
  let now = start
  const clock = {
    now: () => unixMs(now),
    advance: (ms: number) => {
      now += ms
    },
  }
  const listed = await client.getUtxos(addresses)
  const coins = listed.filter(({ output }) => output.content.kind === 'value')
  const booked = { origin: 'deposit' as const, journalKey: journalKey('test:deposit') }
  const noted = coins.map(({ outPoint, output }) => ({
    ...{ outPoint, address: output.address, value: outputTotal(output) },
    ...booked,
  }))
  await db.transaction().execute(tx => noteThunderCoins(tx, noted, unixMs(now)))
  const capital = msatsFromSats(sats(noted.reduce((sum, { value }) => sum + value, 0n)))
  const on = { float: chartAccount('thunderFloat'), capital }
  const accounts = await seed(db, sidechain.node, payees, now, on)
  clock.advance(HOUR_MS)
  const watch = {
    client,
    node: bitcoindClient(connectNode(sidechain.node.rpc)),
    complaint: async () => null,
  }
  const { isOurs } = walletClient(connectNode(sidechain.node.rpc), WALLET)
  const railWith: ThunderWorld['railWith'] = ({ signer, ...bend }) => {
    const options = {
      ...{ network: 'regtest' as const, addresses, fee: FEE, finality: FINALITY, floatCap: null },
      ...bend,
    }
    const node = thunderNodeSigner(client, options)
    const policy = async () => POLICY
    return thunderRail({ ...watch, db, clock, policy, options, isOurs, signer: signer ?? node })
  }
  const rail = railWith({})
  const log = createLog('test', 'silent')
  const run = (name: string, on: Rail) =>
    payoutJobs({
      ...{ db, clock, log, network: 'regtest', schemes: [ON_THUNDER], rails: [on] },
      rules: () => RULES,
      approvePlanned: async () => [],
      frozen: scope => frozen(db, scope),
      silenced: scope => frozen(db, scope),
      freeze: async (scope, reason) => {
        await db
          .transaction()
          .execute(tx => freezeByPool(tx, { network: 'regtest', scope, reason, at: clock.now() }))
      },
      ...{ expiresAfterMs: HOUR_MS, owner: 'test' },
    })
      .find(job => job.name === name)
      ?.run() ?? Promise.reject(new Error(`no job ${name}`))
  const batches = async () => {
    const rows = await db
      .selectFrom('batches')
      .select(['id', 'state', 'note'])
      .orderBy('id')
      .execute()
    return rows.map(row => ({ ...row, id: batchId(row.id) }))
  }
  return {
    ...{ database, db, scene, rail, accounts, clock, railWith, batches },
    plan: (other = rail) => run('plan-payouts', other),
    advance: (other = rail) => run('advance-batches', other),
    watch: () => run('watch-settled', rail),
    planned: async () => {
      await run('plan-payouts', rail)
      const last = (await batches()).at(-1)
      if (last?.state !== 'planned') throw new Error('nothing was planned')
      return last.id
    },
    approve: async batch => {
      const row = await db
        .selectFrom('batches')
        .select('manifest_hash')
        .where('id', '=', batch)
        .executeTakeFirstOrThrow()
      for (const key of OPERATORS.slice(0, 2)) {
        const act = signAct(key, { kind: 'approve' }, digest(row.manifest_hash))
        await decideBatch(db, POLICY, { batch, act }, { clock })
      }
    },
    txids: async () => {
      const rows = await db
        .selectFrom('batch_versions')
        .select('txid')
        .orderBy('batch_id')
        .orderBy('version')
        .execute()
      return rows.map(row => row.txid as Txid)
    },
    reconciler: thunderReconciler({
      ...{ db, clock, log, network: 'regtest', client, addresses, complaint: watch.complaint },
    }),
    creditAgain: async () => {
      clock.advance(HOUR_MS)
      await credit(db, accounts, now, { ...on, capital: msatsFromSats(sats(1n)) })
    },
    holds: async address => {
      const found = await client.getUtxos([addressIn(address)])
      return found.reduce((sum, { output }) => sum + outputTotal(output), 0n)
    },
  }
}
