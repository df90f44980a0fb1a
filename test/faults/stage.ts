import { address as nativeAddress, networks } from 'bitcoinjs-lib'
import { type Kysely, sql } from 'kysely'
import { chartAccount, minerAccount, postEntries } from '../../src/ledger/index.ts'
import { unreachable } from '../../src/lib/assert.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  batchId,
  digest,
  journalKey,
  unixMs,
} from '../../src/lib/ids.ts'
import { millisats, msatsFromSats, type Sats } from '../../src/lib/money.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'
import { decideBatch, L1_BOOKS } from '../../src/payouts/index.ts'
import {
  type OperatorKey,
  operatorKeyOf,
  type SpendPolicy,
  signAct,
} from '../../src/treasury/index.ts'
import type { PoolProcess } from '../support/pool-process.ts'
import { type PoolScene, poolScene } from '../support/pool-scene.ts'
import { startTapProxy, type TapProxy } from '../support/tap-proxy.ts'
import { type Striker, striker } from './boundary.ts'

/** The port whose accounts are paid here; the configuration of the scene has it. */
const SCHEME = 'pps'
/** No share is ever mined here. */
const HASHES_PER_BLOCK = 1n << 40n

/** A payouts process of the real program between two taps, with miners to pay. */
export type Stage = {
  readonly scene: PoolScene
  /** As the pool's owner, past the taps. */
  readonly db: Kysely<Database>
  readonly striker: Striker
  readonly process: PoolProcess
  /** A miner who was never seen before, and who is owed this much at once. */
  readonly owe: (amount: Sats) => Promise<Miner>
  /**
   * Does once what the world around the process does all the time: the operator approves what is
   * planned, and a block is mined when something waits for one.
   */
  readonly nudge: () => Promise<void>
  /** Resolves when a database that was killed has been started again. */
  readonly databaseIsBack: () => Promise<void>
  /** Lets the time pass that a lost worker keeps its batches for. */
  readonly endLeases: () => Promise<void>
  /** Starts the process after its death, with a queue that has lost everything. */
  readonly startAgain: () => Promise<void>
  readonly remove: () => Promise<void>
}

export type Miner = {
  readonly account: AccountId
  readonly address: string
  readonly amount: Sats
}

export async function openStage(): Promise<Stage> {
  let node: TapProxy | undefined
  let payouts: PoolProcess | undefined
  let database: TapProxy | undefined
  let databaseIsBack = Promise.resolve()
  const struck = striker(blow => {
    switch (blow) {
      case 'kill':
        payouts?.kill()
        break
      case 'cut':
        database?.cut()
        node?.cut()
        break
      case 'kill database':
        databaseIsBack = scene.crashPostgres()
        break
      default:
        unreachable(blow)
    }
  })
  const scene = await poolScene({
    hashesPerBlock: HASHES_PER_BLOCK,
    nodeUrl: async devnet => {
      const port = Number(new URL(devnet.poolNodeUrl).port)
      node = await startTapProxy(() => port, struck.tap('node'))
      return `http://127.0.0.1:${node.port}`
    },
  })
  database = await startTapProxy(() => scene.postgres().port, struck.tap('database'))
  const tapped = new URL(scene.appUrl)
  tapped.port = String(database.port)
  const process = scene.role('payouts', { databaseUrl: tapped.href })
  payouts = process
  const db = openDatabase(scene.postgres().ownerUrl('postgres'), { max: 3 })
  await seed(db, scene)
  await process.start()
  return {
    ...{ scene, db, striker: struck, process },
    owe: async amount => {
      const miner = await owe(db, amount)
      await ring(db, 'epochs')
      return miner
    },
    nudge: async () => {
      await approveAll(db, scene)
      await mineIfWaiting(db, scene)
    },
    databaseIsBack: () => databaseIsBack,
    endLeases: async () => {
      const held = db.updateTable('batches').set({ lease_until: null })
      await held.where('lease_until', 'is not', null).execute()
    },
    startAgain: async () => {
      await flushQueue(db)
      struck.revive()
      await process.start()
    },
    remove: async () => {
      struck.revive()
      await db.destroy()
      await scene.remove()
      await node?.close()
      await database?.close()
    },
  }
}

/** What accounting would have written: a tip, and a statement from which intervals count. */
async function seed(db: Kysely<Database>, { devnet }: PoolScene): Promise<void> {
  const height = Number(await devnet.call('getblockcount'))
  const hash = String(await devnet.call('getblockhash', height))
  const previous = String(await devnet.call('getblockhash', height - 1))
  await sql`insert into tips (height, hash, previous_block, time_ms, seen_ms)
            values (${height}, ${hash}, ${previous}, 0, 0)`.execute(db)
  await sql`insert into epochs (id, opened_ms, block_target, subsidy_sats, closed_ms, close_reason)
            values (1, 0, ${Buffer.alloc(32, 0x7f)}, 5000000000, 1, 'time')`.execute(db)
  await sql`insert into reward_statements (number, reward_pool, epoch_id, height, hash, bytes,
                                           created_ms)
            values (1, ${SCHEME}, 1, 0, ${'a'.repeat(64)}, '', 0)`.execute(db)
  // Nothing was mined, so there is nothing to credit but what a test makes the pool owe.
  await sql`insert into credit_progress (name, done) values ('statements', 1)`.execute(db)
}

/** As whoever writes what jobs wait for. A process that does not run misses it, and looks anyway. */
async function ring(db: Kysely<Database>, channel: 'epochs' | 'decisions' | 'tips') {
  await sql`select pg_notify(${channel}, '')`.execute(db)
}

async function owe(db: Kysely<Database>, amount: Sats): Promise<Miner> {
  // Of nobody's key, so that what it gets stays where the oracle finds it.
  const address = nativeAddress.toBech32(systemRandom.bytes(20), 0, networks.regtest.bech32)
  const at = systemClock.now()
  return db.transaction().execute(async tx => {
    const { rows } = await sql<{ id: bigint }>`
      with payee as (insert into payees (kind, destination, created_ms)
                     values ('bitcoin', ${address}, ${at}) returning id)
      insert into accounts (payee_id, scheme, created_ms)
      select id, ${SCHEME}, ${at} from payee returning id`.execute(tx)
    const account = accountId(rows[0]?.id ?? 0n)
    const owed = msatsFromSats(amount)
    await sql`insert into reward_lines (statement_number, account_id, amount_msat)
              values (1, ${account}, ${owed})`.execute(tx)
    const legs = [
      { account: chartAccount('ppsCost'), amount: owed },
      { account: minerAccount(account, 'payable'), amount: millisats(-owed) },
    ]
    const entry = { key: journalKey(`credit:test:${account}`), event: 'credit', legs, at }
    const [outcome] = await postEntries(tx, [entry])
    if (outcome?.kind !== 'posted') throw new Error('the ledger refuses a credit')
    return { account, address, amount }
  })
}

async function approveAll(db: Kysely<Database>, { operatorSecret }: PoolScene): Promise<void> {
  const policy = policyOf(operatorKeyOf(operatorSecret))
  const planned = await db
    .selectFrom('batches')
    .select(['id', 'manifest_hash'])
    .where('state', '=', 'planned')
    .execute()
  for (const { id, manifest_hash: hash } of planned) {
    const act = signAct(operatorSecret, { kind: 'approve' }, digest(hash))
    const given = { batch: batchId(id), act }
    await decideBatch(db, policy, given, { books: L1_BOOKS, clock: systemClock })
    await ring(db, 'decisions')
  }
}

/** As the configuration has it: the scene's one operator is enough for any amount. */
function policyOf(key: OperatorKey): SpendPolicy {
  const keys = [{ key, notAfter: unixMs(Number.MAX_SAFE_INTEGER) }]
  return {
    version: 1,
    operators: [{ alias: 'scene-operator', roles: ['approver'], keys }],
    bands: [{ upTo: null, approvals: 1 }],
    auto: null,
    limits: { perBatch: null, perDay: null, perDestinationPerDay: null },
    allowList: null,
  }
}

/** A block for what waits in the mempool; without need none, since every block takes time. */
async function mineIfWaiting(db: Kysely<Database>, { devnet }: PoolScene): Promise<void> {
  const sent = await db
    .selectFrom('batches')
    .select('id')
    .where('state', '=', 'sent')
    .executeTakeFirst()
  const mempool = await devnet.call('getrawmempool')
  if (sent && Array.isArray(mempool) && mempool.length > 0) {
    await devnet.mine(1)
    await ring(db, 'tips')
  }
}

async function flushQueue(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select quote_ident(tablename) as name from pg_tables
     where schemaname = 'bullmq' and tablename <> 'migration'`.execute(db)
  await sql.raw(`truncate ${rows.map(({ name }) => `bullmq.${name}`).join(', ')}`).execute(db)
}
