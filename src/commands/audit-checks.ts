import type { Kysely } from 'kysely'
import type { Audit } from '../api/index.ts'
import { auditChain, type Finding } from '../ledger/index.ts'
import { unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { auditBatches, auditInflight, auditRewards, auditVersions } from '../payouts/index.ts'
import { auditRecount, auditReferences, auditWorkChain } from '../pool/index.ts'

/** What a check found. Without complaints all is well, as far as the notes do not say otherwise. */
export type CheckResult = {
  readonly complaints: readonly string[]
  readonly notes: readonly string[]
}

/** One thing that must hold in the database. */
export type AuditCheck = { readonly name: string; readonly run: () => Promise<CheckResult> }

/** Each check sees the database as of one moment, so that a running pool does not disturb it. */
function check(
  db: Kysely<Database>,
  name: string,
  find: (db: Kysely<Database>) => Promise<readonly string[]>,
): AuditCheck {
  return {
    name,
    run: async () => ({ complaints: await atOneMoment(db, find), notes: [] }),
  }
}

function atOneMoment<T>(
  db: Kysely<Database>,
  read: (db: Kysely<Database>) => Promise<T>,
): Promise<T> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(read)
}

/** What must hold between payouts, batches and the ledger; quick enough for a page. */
function payoutChecks(db: Kysely<Database>): readonly AuditCheck[] {
  return [
    check(db, 'what is in flight is what live payouts ask for', auditInflight),
    check(db, 'batches, their payouts and approvals are those of their manifests', auditBatches),
    check(db, 'settled payouts have their signed bytes', auditVersions),
  ]
}

/**
 * All that a careful operator wants checked on the database, quick things first.
 *
 * @param retentionBlocks how far below the tip shares must still be there
 */
export function auditChecks(
  db: Kysely<Database>,
  { retentionBlocks }: { readonly retentionBlocks: number },
): readonly AuditCheck[] {
  return [
    {
      name: 'ledger: chain, entries, balances',
      run: async () => {
        const { findings, head } = await auditChain(db)
        const note = head ? `head: ${head.position} ${head.hash}` : 'no entry is chained yet'
        return { complaints: findings.map(findingText), notes: [note] }
      },
    },
    ...payoutChecks(db),
    check(db, 'reward statements: chain, lines, computed again', auditRewards),
    check(db, 'work statements: chain and sums', auditWorkChain),
    {
      name: 'work statements: counted again from their shares',
      run: async () => {
        const { complaints, notKept } = await atOneMoment(db, at =>
          auditRecount(at, retentionBlocks),
        )
        const note = `${notKept} epochs not counted: their shares are no longer kept`
        return { complaints, notes: notKept > 0 ? [note] : [] }
      },
    },
    check(db, 'shares, rejects and candidates name rows that are there', auditReferences),
  ]
}

/** Runs a check; one that cannot be made is a complaint, since nothing says that all is well. */
export async function runCheck({ run }: AuditCheck): Promise<CheckResult> {
  try {
    return await run()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { complaints: [`could not be checked: ${reason}`], notes: [] }
  }
}

/** The quick checks, as the treasury's page shows them. */
export async function auditMoney(db: Kysely<Database>): Promise<Audit> {
  const { head, findings } = await auditChain(db)
  const complaints = findings.map(findingText)
  for (const each of payoutChecks(db)) complaints.push(...(await runCheck(each)).complaints)
  return {
    ok: complaints.length === 0,
    entries: head?.position ?? 0n,
    head: head?.hash ?? null,
    complaints,
  }
}

function findingText(finding: Finding): string {
  switch (finding.kind) {
    case 'missing position':
      return `place ${finding.position} of the chain is missing`
    case 'missing entry':
      return `the entry at place ${finding.position} is missing`
    case 'changed':
      return `entry ${finding.key} at place ${finding.position} is not what was posted`
    case 'broken link':
      return `the hash of ${finding.key} at place ${finding.position} does not follow`
    case 'unbalanced':
      return `entry ${finding.key} does not balance: ${finding.sumMsat} msat over`
    case 'wrong balance':
      return `${finding.account} is kept as ${finding.keptMsat} msat, its legs are ${finding.legsMsat}`
    default:
      return unreachable(finding)
  }
}
