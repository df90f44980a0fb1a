import type { Kysely } from 'kysely'
import type { Audit } from '../api/index.ts'
import { auditChain, auditSince, type ChainHead, findingText } from '../ledger/index.ts'
import type { Database } from '../lib/db/schema.ts'
import type { UnixMs } from '../lib/ids.ts'
import {
  auditAttempts,
  auditBatches,
  auditInflight,
  auditRewards,
  auditVersions,
} from '../payouts/index.ts'
import { auditRecount, auditReferences, auditWorkChain } from '../pool/index.ts'
import { eventsHead, verifyEvents, verifyOperators } from '../treasury/index.ts'

/** A page's look goes over this much of the chain's end at first, and over these newest batches. */
const ENTRIES_A_LOOK = 10_000n
const BATCHES_A_LOOK = 200

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

/** What must hold between payouts, batches and the ledger. */
function payoutChecks(db: Kysely<Database>, newest: number | 'all'): readonly AuditCheck[] {
  return [
    check(db, 'what is in flight is what live payouts ask for', auditInflight),
    check(db, 'batches, their payouts and approvals are those of their manifests', at =>
      auditBatches(at, newest),
    ),
    check(db, 'settled payouts have their signed bytes', at => auditVersions(at, newest)),
    check(db, 'payouts over Lightning have their preimages', at => auditAttempts(at, newest)),
  ]
}

/** What must hold of who may do what, and of the log of who did. */
function peopleChecks(
  db: Kysely<Database>,
  { network, now }: { readonly network: string; readonly now: UnixMs },
): readonly AuditCheck[] {
  return [
    check(db, 'operators and keys are what signed changes add up to', at =>
      verifyOperators(at, network, now),
    ),
    {
      name: 'events: chain and words',
      run: () =>
        atOneMoment(db, async at => {
          const [complaints, head] = [await verifyEvents(at), await eventsHead(at)]
          const note = head ? `head: ${head.position} ${head.hash}` : 'nothing was done yet'
          return { complaints, notes: [note] }
        }),
    },
  ]
}

/**
 * All that a careful operator wants checked on the database, quick things first.
 *
 * @param retentionBlocks how far below the tip shares must still be there
 * @param now of whoever checks: nothing was done after it
 */
export function auditChecks(
  db: Kysely<Database>,
  {
    retentionBlocks,
    ...people
  }: { readonly retentionBlocks: number; readonly network: string; readonly now: UnixMs },
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
    ...payoutChecks(db, 'all'),
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
    ...peopleChecks(db, people),
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

/**
 * The quick checks, as the treasury's page shows them: of the ledger's chain what came since the
 * last look that found it whole, the first time its end; of the batches the newest. The look before
 * is remembered by this process and not in the database, whose tamperer would change it too.
 */
export function moneyAudit(db: Kysely<Database>): () => Promise<Audit> {
  let whole: ChainHead | null = null
  return async () => {
    const since = whole
    const { head, after, findings } = await auditSince(db, since, { entriesMax: ENTRIES_A_LOOK })
    const complaints = findings.map(findingText)
    for (const each of payoutChecks(db, BATCHES_A_LOOK))
      complaints.push(...(await runCheck(each)).complaints)
    const position = head?.position ?? 0n
    // Looks can be under way side by side; the one that saw most counts.
    if (findings.length === 0 && position >= (whole?.position ?? 0n)) whole = head
    return {
      ok: complaints.length === 0,
      entries: position,
      checkedAfter: after,
      head: head?.hash ?? null,
      complaints,
    }
  }
}
