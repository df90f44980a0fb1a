import { address as nativeAddress, networks } from 'bitcoinjs-lib'
import { type Kysely, sql } from 'kysely'
import {
  type Act,
  type OperatorKey,
  operatorKeyOf,
  type SpendPolicy,
  signAct,
} from '../../src/approval/index.ts'
import type { Devnet } from '../../src/devnet/index.ts'
import { chartAccount, minerAccount, postEntries } from '../../src/ledger/index.ts'
import { toHex } from '../../src/lib/bytes.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  type BatchId,
  batchId,
  digest,
  journalKey,
  unixMs,
} from '../../src/lib/ids.ts'
import { millisats, msatsFromSats, type Sats } from '../../src/lib/money.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'
import { decideBatch } from '../../src/payouts/index.ts'
import type { PoolScene } from '../support/pool-scene.ts'

/** The port whose accounts are paid here; the configuration of the scene has it. */
const SCHEME = 'pps'
const NOBODY = 'raw(51)'

/** What the world around the processes does, past every tap. */
export type World = {
  /** A miner who was never seen before, and who is owed this much. */
  readonly owe: (amount: Sats) => Promise<Miner>
  /** Has every job look soon. */
  readonly ring: () => Promise<void>
  /** The operator approves what is planned, past the API. */
  readonly approve: () => Promise<void>
  /** The operator says this of a planned batch to the API. @returns whether it was answered */
  readonly say: (batch: BatchId, act: Act) => Promise<boolean>
  /** Mines a block with what waits in the mempool; without need none, since every block takes time. */
  readonly mine: () => Promise<void>
  /** Mines blocks with nothing in them. */
  readonly mineEmpty: (count: number) => Promise<void>
  /** Takes the newest block back. */
  readonly unmine: () => Promise<void>
  /** Lets the time pass that a lost worker keeps its batches for. */
  readonly endLeases: () => Promise<void>
}

export type Miner = {
  readonly account: AccountId
  readonly address: string
  readonly amount: Sats
}

/** Writes what accounting would have written, and opens the world. */
export async function openWorld(db: Kysely<Database>, scene: PoolScene): Promise<World> {
  const { devnet } = scene
  await seed(db, scene)
  return {
    owe: amount => owe(db, amount),
    // Any channel does: each has every job look.
    ring: () => ring(db, 'tips'),
    approve: () => approveAll(db, scene),
    say: (batch, act) => say(db, scene, batch, act),
    mine: async () => {
      const mempool = await devnet.call('getrawmempool')
      if (!Array.isArray(mempool) || mempool.length === 0) return
      // Never the same block again: the one before may have been taken back.
      await devnet.call('generatetodescriptor', 1, `raw(6a04${toHex(systemRandom.bytes(4))})`)
      await ring(db, 'tips')
    },
    mineEmpty: async count => {
      for (let mined = 0; mined < count; mined++) await devnet.call('generateblock', NOBODY, [])
      await noteTips(db, devnet, count)
    },
    unmine: async () => {
      await devnet.call('invalidateblock', await devnet.call('getbestblockhash'))
    },
    endLeases: async () => {
      const held = db.updateTable('batches').set({ lease_until: null })
      await held.where('lease_until', 'is not', null).execute()
    },
  }
}

/** What accounting would write of the newest blocks. */
async function noteTips(db: Kysely<Database>, { call }: Devnet, count: number): Promise<void> {
  const top = Number(await call('getblockcount'))
  const at = BigInt(systemClock.now())
  const tips = []
  for (let height = top - count + 1; height <= top; height++)
    tips.push({
      height,
      hash: String(await call('getblockhash', height)),
      previous_block: String(await call('getblockhash', height - 1)),
      ...{ time_ms: at, seen_ms: at },
    })
  await db.insertInto('tips').values(tips).execute()
}

/** As an operator's client does; a process that died gives no answer. */
async function say(
  db: Kysely<Database>,
  { operatorSecret, apiPort }: PoolScene,
  batch: BatchId,
  act: Act,
): Promise<boolean> {
  const row = await db
    .selectFrom('batches')
    .select('manifest_hash')
    .where('id', '=', batch)
    .executeTakeFirstOrThrow()
  const { operator, signature } = signAct(operatorSecret, act, digest(row.manifest_hash))
  const given = { operatorKey: operator, manifestHash: row.manifest_hash, signature }
  const reason = act.kind === 'reject' ? { reason: act.reason } : {}
  const url = `http://127.0.0.1:${apiPort}/api/v1/treasury/batches/${batch}/${act.kind}`
  const reply = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...given, signature: toHex(signature), ...reason }),
  }).catch(() => null)
  return reply !== null && ANSWERED.includes(reply.status)
}
/** Done now, or done before: whoever got no answer asks again. */
const ANSWERED = [200, 409]

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
async function ring(db: Kysely<Database>, channel: 'decisions' | 'tips') {
  await sql`select pg_notify(${channel}, '')`.execute(db)
}

async function owe(db: Kysely<Database>, amount: Sats): Promise<Miner> {
  // Of nobody's key, so that what it gets stays where the oracle finds it.
  const address = nativeAddress.toBech32(systemRandom.bytes(20), 0, networks.regtest.bech32)
  const account = await oweTo(db, { kind: 'bitcoin', destination: address }, amount)
  return { account, address, amount }
}

/** Owes a payee who was never seen before so much, as if the pool had credited it. */
export async function oweTo(
  db: Kysely<Database>,
  payee: { readonly kind: 'bitcoin' | 'thunder' | 'lightning'; readonly destination: string },
  amount: Sats,
): Promise<AccountId> {
  // What was paid before is as good as a hundred blocks deep, so that looking after it takes no time.
  const past = db.updateTable('batches').set({ watched_until_height: null })
  await past.where('state', '=', 'settled').execute()
  const at = systemClock.now()
  return db.transaction().execute(async tx => {
    const { rows } = await sql<{ id: bigint }>`
      with payee as (insert into payees (kind, destination, created_ms)
                     values (${payee.kind}, ${payee.destination}, ${at}) returning id)
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
    return account
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
    await decideBatch(db, policy, given, { clock: systemClock })
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
