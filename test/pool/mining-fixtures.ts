import { sql } from 'kysely'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { accountId, type SessionId, unixMs, type WorkerId } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemRandom } from '../../src/lib/random.ts'
import type { ShareRow } from '../../src/pool/group-store.ts'
import type { Job } from '../../src/pool/job.ts'
import { createSessionStore } from '../../src/pool/session-store.ts'
import type { ShareStore } from '../../src/pool/share-store.ts'
import type { CommitOutcome } from '../../src/pool/stratum/session-state.ts'
import type { TestDatabase } from '../support/database.ts'
import { NOW } from './stratum/fixtures.ts'

export const SILENT = createLog('test', 'silent')
export const FIXED_CLOCK = { now: () => NOW }

/** What accounting and payouts have written before a share can come: an epoch and an account. */
export async function prepare({ db, ownerDb }: Pick<TestDatabase, 'db' | 'ownerDb'>) {
  await openEpoch(ownerDb, 1n)
  const payee = await ownerDb
    .insertInto('payees')
    .values({ kind: 'bitcoin', destination: 'bcrt1qtest', created_ms: 1n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const account = await ownerDb
    .insertInto('accounts')
    .values({ payee_id: payee.id, scheme: 'pplns', created_ms: 1n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const sessions = createSessionStore(db, FIXED_CLOCK, systemRandom)
  const { sessionId } = await sessions.open(openRequest())
  const account7 = accountId(account.id)
  const binding = await sessions.bind({
    sessionId,
    accountId: account7,
    workerName: 'w',
    finder: null,
  })
  if (binding.kind !== 'bound') throw new Error('the first account is bound')
  return { sessions, sessionId, worker: binding.worker, accountId: account7 }
}

export const openRequest = (resumeToken: Uint8Array | null = null, scheme = 'pplns') => ({
  ...{ scheme, host: '127.0.0.1', port: 4000, agent: 'test/1', resumeToken, startLog2: -8 },
  accountId: null,
  coinbasePays: 'pool' as const,
  finder: null,
})

export async function openEpoch(db: TestDatabase['ownerDb'], id: bigint): Promise<void> {
  await db
    .insertInto('epochs')
    .values({ id, opened_ms: 1n, block_target: new Uint8Array(32), subsidy_sats: 5n })
    .execute()
}

/** Shares with made-up hashes: to the store they are rows. */
export function shareMaker(to: {
  readonly sessionId: SessionId
  readonly worker: { readonly workerId: WorkerId; readonly accountId: ShareRow['accountId'] }
  readonly job: Job
}) {
  let count = 0
  return (): ShareRow => {
    count += 1
    const hash = fromHex(count.toString(16).padStart(64, '0'))
    const header = new Uint8Array(80).fill(count % 256)
    const rest = { hash, header, extranonce2: new Uint8Array(8), difficultyLog2: -8 }
    const { job, sessionId, worker } = to
    const { height } = job.template
    return { ...rest, height, ...worker, sessionId, jobId: job.id, receivedAt: unixMs(NOW + count) }
  }
}

export function recordShare(store: ShareStore, share: ShareRow): Promise<CommitOutcome> {
  return new Promise(resolve =>
    store.record({ share, candidates: [], block: null }, outcome => resolve(outcome)),
  )
}

export async function storedHashes({ ownerDb }: Pick<TestDatabase, 'ownerDb'>): Promise<string[]> {
  const rows = await ownerDb.selectFrom('shares').select('hash').orderBy('hash').execute()
  return rows.map(({ hash }) => toHex(hash))
}

/** Until somebody waits for a lock in the database. */
export async function untilBlocked({ ownerDb }: Pick<TestDatabase, 'ownerDb'>): Promise<void> {
  const blocked = await pollUntil(
    async () => {
      const { rows } = await sql`
        select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`.execute(ownerDb)
      return rows.length > 0 || null
    },
    { everyMs: 20, timeoutMs: 45_000 },
  )
  if (!blocked) throw new Error('nobody waits')
}
