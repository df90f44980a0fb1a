import { sql } from 'kysely'
import { auditChain, auditSince, extendChain } from '../src/ledger/index.ts'
import { cpuSecondsOfFamily } from './parts/cpu.ts'
import { type BenchDatabase, startDatabase } from './parts/database.ts'
import { printMachine, printTable } from './parts/report.ts'
import { measure } from './parts/scene.ts'

/** The ledger of a large pool: most entries are small, and some credit every miner at once. */
const ENTRIES = 1_000_000
const MINERS = 100_000
const LARGE_ENTRIES = 10
const MIB = 2 ** 20

/**
 * Writes entries as the ledger would, but past its triggers and in few statements; the chain is
 * then made by the ledger itself.
 */
async function fill({ ownerDb }: BenchDatabase): Promise<void> {
  await ownerDb.connection().execute(async db => {
    await sql`set session_replication_role = replica`.execute(db)
    await sql`set statement_timeout = 0`.execute(db)
    await sql`
      insert into ledger_accounts (name, kind)
      select 'expense:pps_cost', 'expense' union all
      select 'miner:' || n || ':payable', 'liability'
        from generate_series(1, ${MINERS}::int) as n`.execute(db)
    // Account 1 is the cost, account n + 1 the miner n; '.' stands before 'm', so it is leg 0.
    await sql`
      insert into legs
      select n, leg, case leg when 0 then 1 else 2 + n % ${MINERS}::int end,
             case leg when 0 then 1000 + n else -1000 - n end
        from generate_series(1, ${ENTRIES}::int) as n, generate_series(0, 1) as leg`.execute(db)
    await sql`
      insert into legs
      select ${ENTRIES}::int + n, leg, leg + 1, case leg when 0 then ${MINERS}::int else -1 end
        from generate_series(1, ${LARGE_ENTRIES}::int) as n,
             generate_series(0, ${MINERS}::int) as leg`.execute(db)
    await sql`
      insert into journal (id, key, request_hash, event, posted_ms) overriding system value
      select journal_id, 'bench:' || journal_id,
             encode(sha256(convert_to('bench:' || journal_id || chr(10) || 'bench' || chr(10) ||
               string_agg(name || ' ' || amount_msat, chr(10) order by leg), 'UTF8')), 'hex'),
             'bench', 1000 + journal_id
        from legs join ledger_accounts on id = account_id
       group by journal_id order by journal_id`.execute(db)
    await sql`insert into journal_unchained select id from journal`.execute(db)
    await sql`
      insert into ledger_balances
      select account_id, kind, sum(amount_msat)
        from legs join ledger_accounts on id = account_id group by account_id, kind`.execute(db)
    await sql`vacuum analyze`.execute(db)
  })
}

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  await fill(database)
  const { db } = database
  const rows: string[][] = []
  async function time<T>(part: string, act: () => Promise<T>): Promise<T> {
    const pg = () => cpuSecondsOfFamily(database.pid)
    const from = { at: performance.now(), cpu: process.cpuUsage(), pg: pg() }
    let top = 0
    const watch = setInterval(() => {
      top = Math.max(top, process.memoryUsage.rss())
    }, 20)
    const result = await act().finally(() => clearInterval(watch))
    const { user, system } = process.cpuUsage(from.cpu)
    const seconds = [(performance.now() - from.at) / 1000, (user + system) / 1e6, pg() - from.pg]
    rows.push([part, ...seconds.map(each => each.toFixed(1)), (top / MIB).toFixed(0)])
    return result
  }

  const chained = await time('chain them all', () => extendChain(db))
  const { head, findings } = await time('audit them all', () => auditChain(db))
  await time('a look at the last 10,000', () => auditSince(db, null, { entriesMax: 10_000n }))
  await time('a look since the one before', () => auditSince(db, head, { entriesMax: 10_000n }))
  if (findings.length > 0 || head?.position !== BigInt(chained))
    throw new Error(`the audit found ${JSON.stringify(findings[0]?.kind)}`)
  const legs = 2 * ENTRIES + LARGE_ENTRIES * (MINERS + 1)
  printTable(`${chained} entries, ${legs} legs, PostgreSQL ${database.version}`, [
    ['part', 'seconds', 'own CPU', 'PostgreSQL CPU', 'resident MiB at most'],
    ...rows,
  ])
})
