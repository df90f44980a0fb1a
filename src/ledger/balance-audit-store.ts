import { type Kysely, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { FINDINGS_MAX, type Finding } from './finding.ts'

/** Accounts whose sums are held at a time; the next ones follow. */
const ACCOUNTS_A_PAGE = 5000
/** Legs summed by one statement, so that none is long, however many one account has. */
const LEGS_A_SUM = 200_000

/** Which accounts are kept at something else than the sum of their legs, the first ones. */
export async function findWrongBalances(db: Kysely<Database>): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (let last = -1n; findings.length < FINDINGS_MAX; ) {
    const { rows } = await sql<{ id: bigint; name: string; kept: bigint }>`
      select id, name, coalesce(amount_msat, 0) as kept
        from ledger_accounts left join ledger_balances on account_id = id
       where id > ${last} order by id limit ${ACCOUNTS_A_PAGE}`.execute(db)
    const [first] = rows
    const end = rows.at(-1)
    if (first === undefined || end === undefined) break
    const sums = await sumLegs(db, first.id, end.id)
    for (const { id, name, kept } of rows) {
      const legsMsat = sums.get(id) ?? 0n
      if (kept !== legsMsat)
        findings.push({ kind: 'wrong balance', account: name, keptMsat: kept, legsMsat })
    }
    last = end.id
  }
  return findings.slice(0, FINDINGS_MAX)
}

/** The legs of accounts from one id to another, summed along the index in pieces. */
async function sumLegs(
  db: Kysely<Database>,
  from: bigint,
  to: bigint,
): Promise<ReadonlyMap<bigint, bigint>> {
  const sums = new Map<bigint, bigint>()
  let after = { account: from, journal: -1n }
  for (;;) {
    // With ties, so that legs of one account in one entry are never parted.
    const { rows } = await sql<{ id: bigint; sum: bigint; legs: bigint; last: bigint }>`
      select account_id as id, sum(amount_msat) as sum, count(*) as legs, max(journal_id) as last
        from (select account_id, journal_id, amount_msat from legs
               where (account_id, journal_id) > (${after.account}::bigint, ${after.journal}::bigint)
                 and account_id <= ${to}
               order by account_id, journal_id
               fetch first ${LEGS_A_SUM} rows with ties) as part
       group by account_id order by account_id`.execute(db)
    for (const { id, sum } of rows) sums.set(id, (sums.get(id) ?? 0n) + sum)
    assert(sums.size <= ACCOUNTS_A_PAGE, 'no more sums are held than there are accounts on a page')
    const end = rows.at(-1)
    const read = rows.reduce((count, { legs }) => count + legs, 0n)
    if (end === undefined || read < BigInt(LEGS_A_SUM)) return sums
    after = { account: end.id, journal: end.last }
  }
}
