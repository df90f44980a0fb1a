import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { targetHex } from '../../src/lib/bitcoin/target.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { blockHash, jobId, unixMs } from '../../src/lib/ids.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { followChain } from '../../src/pool/chain-source.ts'
import { closeEpochIfDue, openFirstEpoch } from '../../src/pool/epoch-store.ts'
import { createFinderJobs } from '../../src/pool/finder-coinbase.ts'
import { assembleBlock, buildJob, headerOf, type Job } from '../../src/pool/job.ts'
import { creditedDifficulty } from '../../src/pool/recovery.ts'
import { recoverBlocks } from '../../src/pool/recovery-source.ts'
import { ensurePartition } from '../../src/pool/retention-store.ts'
import { writeNextStatement } from '../../src/pool/statement-store.ts'
import { readTemplate, type Template } from '../../src/pool/template.ts'
import { coinbaseFee, decodeWork } from '../../src/statement/index.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addBlock, addMiner, type Miner } from './mining-rows.ts'

const NOW = unixMs(5000)
const PAY_SCRIPT = fromHex(`0014${'11'.repeat(20)}`)
const TERMS = { script: fromHex(`0014${'22'.repeat(20)}`), feeBasisPoints: 200 }
const JOB_MADE_AT = unixMs(2000)
const recover = { payScript: PAY_SCRIPT, graceMs: 0, now: NOW }

let node: TestNode
let client: ReturnType<typeof bitcoindClient>
let database: TestDatabase
let miner: Miner
const opened: TestDatabase[] = []

beforeAll(async () => {
  node = await testNode()
  client = bitcoindClient(connectNode(node.rpc))
  await node.mine(1)
})

beforeEach(async () => {
  database = await testDatabase()
  opened.push(database)
  // Harder than a regtest block is, then what a regtest block allows, then harder again.
  const steps = [
    [0, -30],
    [1000, -32],
    [3000, -29],
  ] as const
  miner = await addMiner(database.db, 7, { scheme: 'solo', steps })
  await follow()
  // The blocks of earlier tests are not this one's business.
  await database.db.updateTable('tips').set({ checked_ms: 0n }).execute()
  const terms = { blockTarget: (await template()).target, subsidy: (await template()).subsidy }
  await openFirstEpoch(database.db, terms, unixMs(1))
  await ensurePartition(database.db, (await template()).height)
})

afterAll(async () => {
  await node.remove()
  for (const each of opened) await each.drop()
})

const follow = () => followChain(database.db, client, { network: 'regtest', now: NOW })

async function template(): Promise<Template> {
  const outcome = readTemplate(await client.getBlockTemplate(), 'regtest')
  if (outcome.kind === 'refused') throw new Error(outcome.reason)
  return outcome.template
}

async function nextJob(): Promise<Job> {
  return buildJob({
    id: jobId(77n),
    templateId: 66n,
    template: await template(),
    tag: '/test/',
    payScript: PAY_SCRIPT,
    cleanJobs: true,
    now: JOB_MADE_AT,
  })
}

/** Finds the block of a job, has the node accept it, and crashes before anything is booked. */
async function mineAndForget(job: Job, extranonce1: Uint8Array) {
  const extranonce2 = fromHex('0102030405060708')
  const { curTime: time, version, target } = job.template
  for (let nonce = 0; ; nonce++) {
    const choice = { extranonce1, extranonce2, time, version, nonce }
    const header = headerOf(job, choice)
    if (BigInt(`0x${headerHash(header)}`) > target) continue
    expect(await client.submitBlock(assembleBlock(job, choice))).toBeNull()
    return { hash: headerHash(header), header, extranonce2, height: job.template.height }
  }
}

async function storeJob(job: Job): Promise<void> {
  const { template: facts } = job
  await database.db
    .insertInto('templates')
    .values({
      id: job.templateId,
      height: facts.height,
      previous_block: facts.previousBlock,
      version: BigInt(facts.version),
      bits: BigInt(facts.bits),
      target: fromHex(targetHex(facts.target)),
      min_time: 0n,
      cur_time: 0n,
      value_sats: facts.value,
      subsidy_sats: facts.subsidy,
      merkle_branches: [],
      witness_commitment: facts.witnessCommitment,
      received_ms: 0n,
    })
    .execute()
  await database.db
    .insertInto('jobs')
    .values({
      id: job.id,
      template_id: job.templateId,
      coinbase1: job.coinbase1,
      coinbase2: job.coinbase2,
      created_ms: BigInt(job.createdAt),
    })
    .execute()
}

const blocks = () => database.db.selectFrom('blocks').selectAll().execute()
const shares = () => database.db.selectFrom('shares').selectAll().execute()

test('a block that a crash left unbooked is booked with its share and closes its epoch', async () => {
  const job = await nextJob()
  await storeJob(job)
  const mined = await mineAndForget(job, miner.extranonce1)
  await follow()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([mined.hash])
  expect(await blocks()).toMatchObject([
    {
      hash: mined.hash,
      height: mined.height,
      epoch_id: 1n,
      session_id: miner.session,
      account_id: miner.account,
      scheme: 'solo',
      value_sats: job.template.value,
      work: 2n,
      recovered: true,
    },
  ])
  const [share] = await shares()
  expect(share).toMatchObject({
    height: mined.height,
    account_id: miner.account,
    worker_id: miner.worker,
    session_id: miner.session,
    job_id: 77n,
    difficulty_log2: -32,
  })
  expect(share?.header).toEqual(Buffer.from(mined.header))
  expect(share?.extranonce2).toEqual(Buffer.from(mined.extranonce2))
  expect(share?.hash.toString('hex')).toBe(mined.hash)

  const due = { now: NOW, lengthMs: 1_000_000, terms: null }
  expect(await closeEpochIfDue(database.db, due)).toMatchObject({ kind: 'closed', reason: 'block' })
  const context = { network: 'regtest', rewardPoolOf: (scheme: string) => scheme }
  await writeNextStatement(database.db, context, NOW)
  const { bytes } = await database.db
    .selectFrom('work_statements')
    .select('bytes')
    .executeTakeFirstOrThrow()
  expect(decodeWork(bytes)).toMatchObject({
    kind: 'statement',
    statement: {
      lines: [{ account: miner.account, shares: 1n }],
      blocks: [{ hash: mined.hash, finder: miner.account, rewardPool: 'solo' }],
    },
  })
})

test('recovery run again, or by several at once, books nothing twice', async () => {
  const mined = await mineAndForget(await nextJob(), miner.extranonce1)
  await follow()
  await Promise.all([1, 2, 3].map(() => recoverBlocks(database.db, client, recover)))
  await database.db
    .updateTable('tips')
    .set({ checked_ms: null })
    .where('hash', '=', mined.hash)
    .execute()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([])
  expect(await blocks()).toMatchObject([{ hash: mined.hash }])
  expect(await shares()).toHaveLength(1)
})

test("where the job is lost too, the share counts at its session's lowest difficulty", async () => {
  await mineAndForget(await nextJob(), miner.extranonce1)
  await follow()
  await recoverBlocks(database.db, client, recover)
  expect(await shares()).toMatchObject([{ job_id: 0n, difficulty_log2: -32 }])
})

test('a block whose lease nobody knows is booked for the pool, without a share', async () => {
  const mined = await mineAndForget(await nextJob(), fromHex('deadbeef'))
  await follow()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([mined.hash])
  expect(await blocks()).toMatchObject([
    { session_id: null, account_id: null, scheme: 'unknown', recovered: true },
  ])
  expect(await shares()).toEqual([])
})

test('a block of a session that never authorized is booked without a finder', async () => {
  await database.ownerDb.updateTable('sessions').set({ account_id: null }).execute()
  await mineAndForget(await nextJob(), miner.extranonce1)
  await follow()
  await recoverBlocks(database.db, client, recover)
  expect(await blocks()).toMatchObject([
    { session_id: miner.session, account_id: null, scheme: 'solo' },
  ])
  expect(await shares()).toEqual([])
})

/** The session's coinbases pay its finder from now on. */
async function payFinders(): Promise<void> {
  await database.ownerDb
    .updateTable('sessions')
    .set({ finder_script: TERMS.script, finder_fee_basis_points: TERMS.feeBasisPoints })
    .execute()
}

test('a block that paid its finder is booked with what it paid whom, by the job that made it', async () => {
  await payFinders()
  const job = await nextJob()
  await storeJob(job)
  const own = createFinderJobs()(job, TERMS)
  const mined = await mineAndForget(own, miner.extranonce1)
  await follow()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([mined.hash])
  const { value } = job.template
  const fee = coinbaseFee(value, TERMS.feeBasisPoints)
  expect(fee).toBeGreaterThan(0n)
  expect(await blocks()).toMatchObject([
    {
      ...{ hash: mined.hash, account_id: miner.account, session_id: miner.session },
      ...{ value_sats: fee, finder_sats: value - fee, scheme: 'solo', recovered: true },
      finder_fee_basis_points: TERMS.feeBasisPoints,
    },
  ])
  expect(await shares()).toMatchObject([{ job_id: 77n, difficulty_log2: -32 }])
})

test('a block that paid its finder all of it is ours though it pays us nothing', async () => {
  await database.ownerDb
    .updateTable('sessions')
    .set({ finder_script: TERMS.script, finder_fee_basis_points: 0 })
    .execute()
  const own = createFinderJobs()(await nextJob(), { ...TERMS, feeBasisPoints: 0 })
  const mined = await mineAndForget(own, miner.extranonce1)
  await follow()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([mined.hash])
  expect(await blocks()).toMatchObject([
    { value_sats: 0n, finder_sats: own.template.value, account_id: miner.account },
  ])
})

test("a block that names such a session and pays otherwise is the pool's own, or a stranger's", async () => {
  await payFinders()
  const otherTerms = { ...TERMS, feeBasisPoints: 2 * TERMS.feeBasisPoints }
  const forged = createFinderJobs()(await nextJob(), otherTerms)
  const mined = await mineAndForget(forged, miner.extranonce1)
  await follow()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([mined.hash])
  const script = fromHex(`0014${'33'.repeat(20)}`)
  const foreign = createFinderJobs()(await nextJob(), { script, feeBasisPoints: 0 })
  await mineAndForget(foreign, miner.extranonce1)
  await follow()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([])
  const fee = coinbaseFee(forged.template.value, otherTerms.feeBasisPoints)
  expect(await blocks()).toMatchObject([
    {
      ...{ hash: mined.hash, account_id: null, session_id: null, scheme: 'unknown' },
      ...{ value_sats: fee, finder_sats: null },
    },
  ])
  expect(await shares()).toEqual([])
})

test('a finder has a while to book its block, and one that did is left alone', async () => {
  const { hash, height } = await mineAndForget(await nextJob(), miner.extranonce1)
  await node.mine(1)
  await follow()
  expect(await recoverBlocks(database.db, client, { ...recover, graceMs: 1 })).toEqual([])
  await addBlock(database.db, miner, { hash, height })
  expect(await recoverBlocks(database.db, client, recover)).toEqual([])
  expect(await blocks()).toMatchObject([{ hash, recovered: false }])
  const unchecked = await database.db
    .selectFrom('tips')
    .select('height')
    .where('checked_ms', 'is', null)
    .execute()
  expect(unchecked).toEqual([])
})

test('without an open epoch nothing is booked, and the block is looked at again', async () => {
  const mined = await mineAndForget(await nextJob(), miner.extranonce1)
  await follow()
  await database.ownerDb
    .updateTable('epochs')
    .set({ closed_ms: 10n, close_reason: 'time' })
    .execute()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([])
  expect(await blocks()).toEqual([])
  await database.ownerDb
    .updateTable('epochs')
    .set({ closed_ms: null, close_reason: null })
    .execute()
  expect(await recoverBlocks(database.db, client, recover)).toEqual([blockHash(mined.hash)])
})

test('a recovery that meets a closing epoch writes nothing into it', async () => {
  const mined = await mineAndForget(await nextJob(), miner.extranonce1)
  await follow()
  const outcome = await database.ownerDb.transaction().execute(async closer => {
    await sql`select from epochs where closed_ms is null for update`.execute(closer)
    const recovering = recoverBlocks(database.db, client, recover)
    const waits = await pollUntil(
      async () => {
        const { rows } = await sql`
          select from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock'`.execute(
          database.ownerDb,
        )
        return rows.length > 0 ? true : null
      },
      { everyMs: 5, timeoutMs: 45_000 },
    )
    expect(waits).toBe(true)
    await sql`update epochs set closed_ms = 5, close_reason = 'time' where id = 1`.execute(closer)
    await sql`insert into epochs (id, opened_ms, block_target, subsidy_sats)
      select 2, 5, block_target, subsidy_sats from epochs where id = 1`.execute(closer)
    return { recovering }
  })
  expect(await outcome.recovering).toEqual([])
  expect(await blocks()).toEqual([])
  expect(await recoverBlocks(database.db, client, recover)).toEqual([mined.hash])
  expect(await blocks()).toMatchObject([{ epoch_id: 2n }])
})

test('a lost share is credited what was enforced, and never more than its hash proves', () => {
  const step = fc.record({
    from: fc.nat(100).map(unixMs),
    difficultyLog2: fc.integer({ min: -33, max: 100 }),
  })
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 5 }),
      fc.option(fc.nat(100).map(unixMs)),
      fc.integer({ min: -30, max: 100 }),
      (unsorted, jobMadeAt, blockLog2) => {
        const steps = [...unsorted].sort((a, b) => a.from - b.from)
        const target = 0xffffn * 2n ** BigInt(208 - blockLog2)
        const credited = creditedDifficulty(steps, jobMadeAt, target)
        const enforced = steps.filter(each => jobMadeAt !== null && each.from <= jobMadeAt).at(-1)
        const lowest = Math.min(...steps.map(each => each.difficultyLog2))
        const wanted =
          jobMadeAt === null ? lowest : ((enforced ?? steps[0])?.difficultyLog2 ?? lowest)
        expect(credited).toBe(Math.min(wanted, blockLog2))
      },
    ),
  )
})
