import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditChecks, moneyAudit, runCheck } from '../../src/commands/audit-checks.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { systemClock } from '../../src/lib/time.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { runCommand } from './child.ts'
import { configFile } from './config-file.ts'
import { BLOCK, writeHistory } from './history.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
  await writeHistory(database.db)
})
afterAll(() => database.drop())

/** All complaints, each behind the first word of its check. */
async function complaints(db: Kysely<Database>, retentionBlocks = 1000): Promise<string[]> {
  const found: string[] = []
  for (const check of auditChecks(db, {
    retentionBlocks,
    network: 'regtest',
    now: systemClock.now(),
  })) {
    const { complaints } = await runCheck(check)
    found.push(...complaints.map(complaint => `${check.name.split(' ')[0]} ${complaint}`))
  }
  return found
}

/** What an audit says while rows are changed behind every trigger; afterwards they are as before. */
async function afterTampering(
  ...changes: readonly ReturnType<typeof sql>[]
): Promise<readonly string[]> {
  const copy = await testDatabase()
  try {
    await writeHistory(copy.db)
    await copy.ownerDb.connection().execute(async db => {
      await sql`set session_replication_role = replica`.execute(db)
      for (const change of changes) await change.execute(db)
      await sql`reset session_replication_role`.execute(db)
    })
    return await complaints(copy.db)
  } finally {
    await copy.drop()
  }
}

test('a history as the rooms write it has nothing to complain of', async () => {
  expect(await complaints(database.db)).toEqual([])
  expect(await moneyAudit(database.db)()).toMatchObject({ ok: true, entries: 7n, complaints: [] })
})

/** What was done to the rows, and the beginning of a complaint that must follow. */
const TAMPERINGS: readonly (readonly [string, ReturnType<typeof sql>, RegExp])[] = [
  [
    'a leg of the ledger',
    sql`update legs set amount_msat = amount_msat + 1 where journal_id = 2 and leg = 0`,
    /^ledger: entry credit:1:1 at place 2 is not what was posted/,
  ],
  [
    'a balance',
    sql`update ledger_balances set amount_msat = amount_msat + 1 where amount_msat > 0`,
    /^ledger: asset:l1 is kept as/,
  ],
  [
    'a missing entry',
    sql`with gone as (delete from legs where journal_id = 3)
        delete from journal where id = 3`,
    /^ledger: the entry at place 3 is missing/,
  ],
  [
    'a live payout',
    sql`update payouts set amount_sats = amount_sats + 1 where id = 2`,
    /^what account 2: 100000000 msat in flight, its live payouts ask for 100001000/,
  ],
  [
    'a payout that is no longer live',
    sql`update payouts set state = 'released' where id = 2`,
    /^what account 2: 100000000 msat in flight, its live payouts ask for 0/,
  ],
  [
    'the payee of a payout',
    sql`update payees set destination = 'bcrt1qthief' where id = 1`,
    /^batches, batch 1: bcrt1qminer1 gets what no payout asks for/,
  ],
  [
    'the state of one payout of a batch',
    sql`update payouts set state = 'approved' where id = 2`,
    /^batches, batch 2: a payout has another state/,
  ],
  [
    'a manifest',
    sql`update batches set manifest = convert_to(
          replace(convert_from(manifest, 'UTF8'), 'bcrt1qminer2', 'bcrt1qthieff'), 'UTF8')
         where id = 2`,
    /^batches, batch 2: its manifest has another hash/,
  ],
  [
    'the largest fee of a batch',
    sql`update batches set fee_max_sats = fee_max_sats * 2 where id = 2`,
    /^batches, batch 2: its manifest says something else than its row/,
  ],
  [
    'an approval',
    sql`update approvals set signature = set_byte(signature, 0, get_byte(signature, 0) # 1)`,
    /^batches, batch 1: the act \(approve\) of operator [0-9a-f]{64} proves nothing/,
  ],
  [
    'signed bytes that are gone',
    sql`update batch_versions set raw = null`,
    /^settled payout 1 is settled, but batch 1 has no signed bytes/,
  ],
  [
    'other signed bytes',
    sql`update batch_versions set raw = set_byte(raw, 50, get_byte(raw, 50) # 1)`,
    /^settled batch 1: version 1 is not transaction/,
  ],
  [
    'a line of a reward',
    sql`update reward_lines set amount_msat = amount_msat + 1 where account_id = 1`,
    /^reward reward 1: account 1: its row is not its line/,
  ],
  [
    'the bytes of a reward, its hash with them',
    sql`with changed as (
          select convert_to(replace(convert_from(bytes, 'UTF8'), 'bcrt1qminer1', 'bcrt1qthief1'),
                            'UTF8') as bytes from reward_statements)
        update reward_statements set bytes = changed.bytes,
               hash = encode(sha256(changed.bytes), 'hex') from changed`,
    /^reward reward 1: account 1: another payee or scheme than in the work/,
  ],
  [
    'the bytes of a work statement',
    sql`update work_statements set bytes = convert_to(
          replace(convert_from(bytes, 'UTF8'), 'bcrt1qminer1', 'bcrt1qthief1'), 'UTF8')
         where epoch_id = 1`,
    /^work epoch 1: hash: not that of its bytes/,
  ],
  [
    'the bytes of a work statement, its hash with them',
    sql`with changed as (
          select convert_to(replace(convert_from(bytes, 'UTF8'), 'bcrt1qminer1', 'bcrt1qthief1'),
                            'UTF8') as bytes from work_statements where epoch_id = 1)
        update work_statements set bytes = changed.bytes,
               hash = encode(sha256(changed.bytes), 'hex') from changed where epoch_id = 1`,
    /^work epoch 2: previous: not the hash of the statement before/,
  ],
  [
    'a work statement that is gone',
    sql`delete from work_statements where epoch_id = 1`,
    /^work epoch 2: epoch: does not follow the one before/,
  ],
  [
    'a share that is gone',
    sql`delete from shares where ctid = (select min(ctid) from shares where epoch_id = 1)`,
    /^work epoch 1: its shares count to another statement/,
  ],
  [
    'the difficulty of a share',
    sql`update shares set difficulty_log2 = 5 where epoch_id = 2 and account_id = 2`,
    /^work epoch 2: its shares count to another statement/,
  ],
  [
    'the account of a share',
    sql`update shares set account_id = 1 where epoch_id = 2 and account_id = 2`,
    /^shares, a share of epoch 2 names worker 2, which is missing or another's/,
  ],
  [
    'the session of a share',
    sql`update shares set session_id = 1 where epoch_id = 2 and account_id = 2`,
    /^shares, a share of epoch 2 names session 1, which is missing or another's/,
  ],
  [
    'shares that are all gone',
    sql`drop table shares_0`,
    /^work epoch 1: its shares are gone before their time/,
  ],
  [
    'the work of a worker',
    sql`update worker_work set work = work + 1 where epoch_id = 1 and account_id = 1`,
    /^work epoch 1: workers' work differs/,
  ],
  [
    'a session that is gone',
    sql`delete from sessions where id = 1`,
    /^shares, a share of epoch 1 names session 1, which is missing/,
  ],
  [
    'an account that is gone',
    sql`delete from accounts where id = 2`,
    /^work epoch 1: cannot be counted: /,
  ],
  [
    'a job that is gone',
    sql`delete from jobs`,
    /^shares, a share of epoch 2 names job 1, which is missing/,
  ],
  [
    'the epoch of a share',
    sql`update shares set epoch_id = 9 where epoch_id = 3`,
    /^shares, a share names epoch 9, which is missing/,
  ],
  [
    'the session of a reject',
    sql`update rejects set session_id = 77`,
    /^shares, a reject names session 77, which is missing/,
  ],
  [
    'the time between two epochs',
    sql`update epochs set opened_ms = opened_ms + 1 where id = 2`,
    /^work epoch 2: does not begin where epoch 1 closed/,
  ],
  [
    'a block candidate without a session',
    sql`insert into block_candidates values (${BLOCK}, 'node', 101, 1, 55, 'accepted', 0)`,
    /^shares, block candidate [0-9a-f]{64}: its session or job is missing/,
  ],
  [
    'an operator whom nobody signed for',
    sql`insert into operators (alias, roles, created_ms) values ('eve', '{approver}', 1)`,
    /^operators operators: eve is not what the signed changes add up to/,
  ],
  [
    'an event that does not follow',
    sql`insert into audit_events values
          (1, 1, 'pool', 'plan', '', '{}', 'x', ${'0'.repeat(64)})`,
    /^events: events: what place 1 says was changed/,
  ],
]

for (const [what, change, complaint] of TAMPERINGS)
  test(`${what} is found`, async () => {
    expect(await afterTampering(change)).toContainEqual(expect.stringMatching(complaint))
  })

test('shares as old as the configuration lets them be dropped are no complaint', async () => {
  const copy = await testDatabase()
  await writeHistory(copy.db)
  await sql`update tips set height = 5000`.execute(copy.ownerDb)
  await sql`drop table shares_0`.execute(copy.ownerDb)
  const checks = auditChecks(copy.db, {
    retentionBlocks: 1000,
    network: 'regtest',
    now: systemClock.now(),
  })
  const recount = checks.find(({ name }) => name.includes('counted again'))
  expect(await recount?.run()).toEqual({
    complaints: [],
    notes: ['2 epochs not counted: their shares are no longer kept'],
  })
  expect(await complaints(copy.db, 4950)).toContain(
    'work epoch 1: its shares are gone before their time',
  )
  await copy.drop()
})

test('a check that cannot be made is a complaint', async () => {
  const run = () => Promise.reject(new Error('no database'))
  expect(await runCheck({ name: 'any', run })).toEqual({
    complaints: ['could not be checked: no database'],
    notes: [],
  })
})

test('the command prints a line a check, and its exit code says whether all is well', async () => {
  const copy = await testDatabase()
  await writeHistory(copy.db)
  const config = await configFile(copy)
  const good = await runCommand(['audit', '--config', config.path])
  expect(good).toMatchObject({ code: 0, stderr: '' })
  expect(good.stdout.split('\n').filter(line => line.endsWith(': ok'))).toHaveLength(11)
  expect(good.stdout).toMatch(/^ {2}head: 7 [0-9a-f]{64}$/m)
  await sql`update payouts set state = 'released' where id = 2`.execute(copy.ownerDb)
  const bad = await runCommand(['audit', '--config', config.path])
  expect(bad.code).toBe(1)
  expect(bad.stdout).toContain('what is in flight is what live payouts ask for: 1 complaint\n')
  await config.remove()
  await copy.drop()
})
