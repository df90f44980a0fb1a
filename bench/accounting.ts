import { sql } from 'kysely'
import { chartAccount, extendChain } from '../src/ledger/index.ts'
import { epochId } from '../src/lib/ids.ts'
import type { Job } from '../src/lib/job-runner.ts'
import { createLog } from '../src/lib/log.ts'
import { sats } from '../src/lib/money.ts'
import { systemClock } from '../src/lib/time.ts'
import { creditJobs, rewardMethods } from '../src/payouts/index.ts'
import { closeEpochIfDue, openFirstEpoch } from '../src/pool/epoch-store.ts'
import { fatesAfter, lastTip, workBack } from '../src/pool/index.ts'
import { ensurePartition } from '../src/pool/retention-store.ts'
import { writeNextStatement } from '../src/pool/statement-store.ts'
import { cpuSecondsOfFamily } from './parts/cpu.ts'
import { type BenchDatabase, startDatabase } from './parts/database.ts'
import { printMachine, printTable } from './parts/report.ts'
import { measure } from './parts/scene.ts'
import { BLOCK_TARGET, FIRST_HEIGHT, SUBSIDY } from './parts/template.ts'

/** From the close of an epoch to money that is owed, for many accounts at once. */
const ACCOUNTS = 100_000
const SHARES_PER_ACCOUNT = 5
const BLOCK = 'b'.repeat(64)
const DIFFICULTY_LOG2 = 10
const log = createLog('bench', 'warn')

/** Half of the accounts are on a port that divides the block, half on one that pays the epoch. */
async function fill({ ownerDb, db }: BenchDatabase): Promise<void> {
  const now = systemClock.now()
  await openFirstEpoch(db, { blockTarget: BLOCK_TARGET, subsidy: SUBSIDY }, now)
  await ensurePartition(db, FIRST_HEIGHT)
  await sql`insert into payees (kind, destination, created_ms)
    select 'bitcoin', 'bcrt1q' || lpad(n::text, 38, '0'), ${now}
      from generate_series(1, ${ACCOUNTS}::int) as n`.execute(ownerDb)
  await sql`insert into accounts (payee_id, scheme, created_ms)
    select id, case when id % 2 = 0 then 'pps' else 'pplns' end, ${now}
      from payees order by id`.execute(ownerDb)
  await sql`insert into workers (account_id, name, created_ms)
    select id, 'rig', ${now} from accounts order by id`.execute(ownerDb)
  // In an order without any pattern, as miners find them.
  await sql`insert into shares
    select ${FIRST_HEIGHT}, sha256(format('%s %s', id, n)::bytea), 1, account_id, id, id, 1,
           ${DIFFICULTY_LOG2}, ${Buffer.alloc(80)}, ${Buffer.alloc(8)}, ${now}
      from workers, generate_series(1, ${SHARES_PER_ACCOUNT}::int) as n
     order by md5(format('%s %s', id, n))`.execute(ownerDb)
  await sql`insert into blocks
    (hash, height, epoch_id, account_id, scheme, value_sats, work, found_ms, recovered)
    values (${BLOCK}, ${FIRST_HEIGHT}, 1, 1, 'pplns', ${SUBSIDY}, 1, ${now}, false)`.execute(
    ownerDb,
  )
  await sql`insert into tips (height, hash, previous_block, time_ms, seen_ms)
    values (${FIRST_HEIGHT}, ${BLOCK}, ${'a'.repeat(64)}, ${now}, ${now})`.execute(ownerDb)
}

const postgresSeconds = ({ pid }: BenchDatabase) => cpuSecondsOfFamily(pid)

async function decideFate({ ownerDb }: BenchDatabase, seq: number, fate: string): Promise<void> {
  await sql`insert into block_fates (block_hash, seq, fate, tip_height, decided_ms)
    values (${BLOCK}, ${seq}, ${fate}, ${FIRST_HEIGHT}, ${systemClock.now()})`.execute(ownerDb)
}

function creditJobsOf({ db }: BenchDatabase): (name: string) => Promise<unknown> {
  const jobs: readonly Job[] = creditJobs({
    ...{ db, clock: systemClock, log, network: 'regtest' },
    source: {
      workBack: (from, limit) => workBack(db, from, limit),
      fatesAfter: (id, limit) => fatesAfter(db, id, limit),
      bidsPaid: async () => sats(0n),
      tipHeight: async () => (await lastTip(db))?.height ?? null,
    },
    coinbaseFloat: chartAccount('l1Float'),
    methodOf: rewardMethods({
      pplns: { method: 'pplns', window: 2 },
      pps: { method: 'pps' },
    }),
    feeBasisPoints: () => 100,
  })
  return async name => jobs.find(job => job.name === name)?.run()
}

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const { db } = database
  const credit = creditJobsOf(database)
  await fill(database)
  await sql`vacuum analyze`.execute(database.ownerDb)
  const rows: string[][] = []
  async function time(part: string, act: () => Promise<unknown> | unknown): Promise<void> {
    const from = { at: performance.now(), own: process.cpuUsage(), pg: postgresSeconds(database) }
    await act()
    const { user, system } = process.cpuUsage(from.own)
    const seconds = [
      (performance.now() - from.at) / 1000,
      (user + system) / 1e6,
      postgresSeconds(database) - from.pg,
    ]
    rows.push([part, ...seconds.map(value => value.toFixed(2))])
  }

  const context = { network: 'regtest', rewardPoolOf: (scheme: string) => scheme }
  await time('close the epoch', () =>
    closeEpochIfDue(db, { now: systemClock.now(), lengthMs: 600_000, terms: null }),
  )
  await time('work statement: count, check, encode, write', () =>
    writeNextStatement(db, context, systemClock.now()),
  )
  await time('  reading it back and decoding it takes', () => workBack(db, epochId(1n), 1))
  await time('pps: reward statement and credit of half of them', () => credit('credit-epochs'))
  await decideFate(database, 1, 'found')
  await time('pplns: reward statement and credit of half of them', () => credit('credit-blocks'))
  await decideFate(database, 2, 'mature')
  await time('the block matures: their credits become payable', () => credit('credit-blocks'))
  await time('hash chain of the ledger', () => extendChain(db))

  const { count } = await db
    .selectFrom('legs')
    .select(eb => eb.fn.countAll<bigint>().as('count'))
    .executeTakeFirstOrThrow()
  const heading = `${ACCOUNTS} accounts, ${ACCOUNTS * SHARES_PER_ACCOUNT} shares, ${count} legs`
  printTable(`${heading}, PostgreSQL ${database.version}`, [
    ['part', 'seconds', 'own CPU', 'PostgreSQL CPU'],
    ...rows,
  ])
})
