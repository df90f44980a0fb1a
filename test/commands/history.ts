import { createHash } from 'node:crypto'
import { Transaction } from 'bitcoinjs-lib'
import { type Kysely, sql } from 'kysely'
import {
  type CoinManifest,
  encodeManifest,
  manifestHash,
  signAct,
} from '../../src/approval/index.ts'
import {
  chartAccount,
  type Entry,
  extendChain,
  type Leg,
  mergeLegs,
  minerAccount,
  postEntries,
} from '../../src/ledger/index.ts'
import { targetFromDifficultyLog2 } from '../../src/lib/bitcoin/target.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  batchId,
  digest,
  journalKey,
  payoutId,
  txid,
  unixMs,
} from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import { creditJobs, rewardMethods, rewardStatementOf } from '../../src/payouts/index.ts'
import { closeEpochIfDue, openFirstEpoch } from '../../src/pool/epoch-store.ts'
import { fatesAfter, lastTip, workBack } from '../../src/pool/index.ts'
import { writeNextStatement } from '../../src/pool/statement-store.ts'
import { addBlock, addMiner, commitShares, type Miner } from '../pool/mining-rows.ts'
import { insertVersion } from '../support/version.ts'

export const OPERATOR_SECRET = fromHex('07'.repeat(32))
export const START_MS = 1_800_000_000_000
const HEIGHT = 101
const TERMS = { blockTarget: targetFromDifficultyLog2(6), subsidy: sats(5_000_000_000n) }
const FEE_BASIS_POINTS = 100
const PAID = sats(100_000n)

/** SHA-256 of a text, as hex: the hash that something so named has in these tests. */
export const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
/** The share that found the block of the second epoch, and so its hash. */
export const BLOCK = hashOf('block')
export const CONTEXT = { network: 'regtest', rewardPoolOf: (scheme: string) => scheme }

export type History = {
  readonly miners: readonly [Miner, Miner]
  readonly txid: string
  readonly rewardHash: string
}

/**
 * Two miners, three epochs (the last one open), a mature block whose reward was credited, a batch
 * that settled and one that waits for approval: written as the rooms write it.
 */
export async function writeHistory(db: Kysely<Database>): Promise<History> {
  const miners = [await addMiner(db, 1), await addMiner(db, 2)] as const
  await addJob(db)
  await sql`select ensure_share_partition(${HEIGHT}::integer)`.execute(db)
  await openFirstEpoch(db, TERMS, unixMs(START_MS))
  const share = (name: string) => ({ height: HEIGHT, difficultyLog2: 4, name })
  await commitShares(db, miners[0], ['a1', 'a2'].map(share))
  await commitShares(db, miners[1], ['b1'].map(share))
  await closeEpoch(db, 1)
  await commitShares(db, miners[0], ['a3', 'block'].map(share))
  await commitShares(db, miners[1], ['b2'].map(share))
  await addReject(db, miners[1])
  await addBlock(db, miners[0], { hash: BLOCK, height: HEIGHT })
  await addFates(db)
  await closeEpoch(db, 2)
  await commitShares(db, miners[1], ['b3'].map(share))
  const rewardHash = await credit(db)
  const paid = await addBatch(db, miners[0], 1n)
  await addBatch(db, miners[1], 2n)
  await extendChain(db)
  return { miners, txid: paid, rewardHash }
}

async function addJob(db: Kysely<Database>) {
  await db
    .insertInto('templates')
    .values({
      id: 1n,
      height: HEIGHT,
      previous_block: hashOf('previous'),
      version: 0x2000_0000n,
      bits: 0x207f_ffffn,
      target: Buffer.alloc(32, 255),
      min_time: 0n,
      cur_time: 0n,
      value_sats: 5_000_000_000n,
      subsidy_sats: 5_000_000_000n,
      merkle_branches: [],
      witness_commitment: null,
      transactions: null,
      received_ms: BigInt(START_MS),
    })
    .execute()
  const halves = { coinbase1: utf8('1'), coinbase2: utf8('2') }
  await db
    .insertInto('jobs')
    .values({ id: 1n, template_id: 1n, ...halves, created_ms: BigInt(START_MS) })
    .execute()
  const tip = { height: HEIGHT - 1, hash: hashOf('previous'), previous_block: hashOf('older') }
  await db
    .insertInto('tips')
    .values({ ...tip, time_ms: BigInt(START_MS), seen_ms: BigInt(START_MS), checked_ms: null })
    .execute()
}

async function addReject(db: Kysely<Database>, miner: Miner) {
  const { account: account_id, worker: worker_id, session: session_id } = miner
  await db
    .insertInto('rejects')
    .values({ epoch_id: 2n, account_id, worker_id, session_id, reason: 'stale', count: 3n })
    .execute()
}

async function closeEpoch(db: Kysely<Database>, number: number) {
  const now = unixMs(START_MS + number * 60_000)
  await closeEpochIfDue(db, { now, lengthMs: 60_000, terms: TERMS })
  await writeNextStatement(db, CONTEXT, now)
}

async function addFates(db: Kysely<Database>) {
  for (const [index, fate] of (['found', 'mature'] as const).entries())
    await db
      .insertInto('block_fates')
      .values({
        block_hash: BLOCK,
        seq: index + 1,
        fate,
        tip_height: HEIGHT + 100 * index,
        decided_ms: BigInt(START_MS + 1),
      })
      .execute()
}

/** Credits what the blocks earned, as the payouts role does. @returns the statement's hash */
async function credit(db: Kysely<Database>): Promise<string> {
  const jobs = creditJobs({
    db,
    clock: { now: () => unixMs(START_MS + 200_000) },
    log: createLog('test', 'silent'),
    network: CONTEXT.network,
    source: {
      workBack: (from, limit) => workBack(db, from, limit),
      fatesAfter: (id, limit) => fatesAfter(db, id, limit),
      bidsPaid: async () => sats(0n),
      tipHeight: async () => (await lastTip(db))?.height ?? null,
    },
    coinbaseFloat: chartAccount('l1Float'),
    methodOf: rewardMethods({ pplns: { method: 'pplns', window: 5 } }),
    feeBasisPoints: () => FEE_BASIS_POINTS,
  })
  for (const job of jobs) await job.run()
  const reward = await rewardStatementOf(db, 1n)
  if (reward === null) throw new Error('the block was credited')
  return reward.hash
}

async function post(db: Kysely<Database>, key: string, event: string, legs: readonly Leg[]) {
  const at = unixMs(START_MS + 200_000)
  const entry: Entry = { key: journalKey(key), event, legs: mergeLegs(legs), at }
  const outcomes = await db.transaction().execute(tx => postEntries(tx, [entry]))
  if (outcomes[0]?.kind !== 'posted') throw new Error(`${key}: ${outcomes[0]?.kind}`)
}

function coinManifestOf(number: bigint, destination: string): CoinManifest {
  return {
    version: 2,
    purpose: 'payout',
    wallet: 'hot',
    batch: batchId(number),
    network: 'regtest',
    rail: 'l1',
    payees: [{ destination, amount: PAID, payouts: [payoutId(number)] }],
    feeMax: sats(5_000n),
    anchor: { txid: txid(hashOf(`anchor ${number}`)), vout: 0 },
    change: 'bcrt1qchange',
    createdAt: unixMs(START_MS + 300_000),
    expiresAt: unixMs(START_MS * 2),
    policyVersion: 1,
    createdBy: 'plan:pplns',
    excluded: [],
  }
}

/** Batch 1 has settled, the other waits. @returns the txid of what paid */
async function addBatch(db: Kysely<Database>, miner: Miner, number: bigint): Promise<string> {
  const account = accountId(miner.account)
  const state = number === 1n ? ('settled' as const) : ('planned' as const)
  const manifest = coinManifestOf(number, `bcrt1qminer${number}`)
  const bytes = encodeManifest(manifest)
  const hash = manifestHash(bytes)
  const ended_ms = state === 'settled' ? BigInt(START_MS + 400_000) : null
  const planned_ms = BigInt(manifest.createdAt)
  await db
    .insertInto('batches')
    .values({
      rail: 'l1',
      state,
      manifest: bytes,
      manifest_hash: hash,
      anchor_txid: manifest.anchor.txid,
      anchor_vout: 0,
      total_sats: PAID,
      fee_max_sats: manifest.feeMax,
      created_ms: planned_ms,
      expires_ms: BigInt(manifest.expiresAt),
      ended_ms,
      lease_owner: null,
      lease_until: null,
    })
    .execute()
  const payout = { account_id: miner.account, batch_id: number, amount_sats: PAID, state }
  await db
    .insertInto('payouts')
    .values({ ...payout, planned_ms, planned_height: HEIGHT + 100, ended_ms })
    .execute()
  await postPlanned(db, number, account)
  return state === 'settled' ? settle(db, number, account, hash) : ''
}

async function postPlanned(db: Kysely<Database>, number: bigint, account: AccountId) {
  await post(db, `batch:${number}:planned`, 'payout planned', [
    { account: minerAccount(account, 'payable'), amount: msatsFromSats(PAID) },
    { account: minerAccount(account, 'inflight'), amount: millisats(-msatsFromSats(PAID)) },
  ])
}

async function settle(db: Kysely<Database>, number: bigint, account: AccountId, hash: string) {
  const act = signAct(OPERATOR_SECRET, { kind: 'approve' }, digest(hash))
  await db
    .insertInto('approvals')
    .values({
      batch_id: number,
      operator_key: act.operator,
      act: 'approve',
      manifest_hash: hash,
      reason: '',
      signature: act.signature,
      given_ms: BigInt(START_MS + 310_000),
    })
    .execute()
  const transaction = new Transaction()
  transaction.addInput(fromHex(hashOf('anchor 1')), 0)
  transaction.addOutput(fromHex(`0014${'00'.repeat(20)}`), PAID)
  const paid = transaction.getId()
  await insertVersion(db, {
    batch_id: number,
    version: 1,
    txid: paid,
    unsigned: utf8('psbt'),
    raw: new Uint8Array(transaction.toBuffer()),
    fee_sats: 1_000n,
    created_ms: BigInt(START_MS + 320_000),
  })
  await post(db, `batch:${number}:settled`, 'payout settled', [
    { account: minerAccount(account, 'inflight'), amount: msatsFromSats(PAID) },
    { account: chartAccount('feeL1'), amount: millisats(1_000_000n) },
    { account: chartAccount('l1Float'), amount: millisats(-msatsFromSats(PAID) - 1_000_000n) },
  ])
  return paid
}
