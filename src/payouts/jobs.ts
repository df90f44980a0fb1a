import type { Kysely } from 'kysely'
import { unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { BatchId } from '../lib/ids.ts'
import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'
import { newsOnly } from '../lib/news.ts'
import type { Clock } from '../lib/time.ts'
import { endLease, liveBatch, liveBatches, NotPosted, takeLease } from './payout-store.ts'
import type { SpendRules } from './plan-limits.ts'
import { planPayouts } from './plan-store.ts'
import type { Lease, Rail } from './rail.ts'
import type { Scheme } from './scheme.ts'
import { endWatch, keepSettled, watchedBatches } from './settled-store.ts'
import { step } from './step-source.ts'

const PLAN_EVERY_MS = 15_000
const ADVANCE_EVERY_MS = 5000
const WATCH_EVERY_MS = 60_000
/** Steps that one batch takes in one run; the next run goes on where it stopped. */
const STEPS_A_RUN_MAX = 4

export type PayoutJobsParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly network: string
  readonly schemes: readonly Scheme[]
  readonly rails: readonly Rail[]
  readonly rules: () => SpendRules
  /** Gives planned batches the pool's own approval where the rules allow it, and says to which. */
  readonly approvePlanned: () => Promise<readonly BatchId[]>
  /** Why a rail moves nothing now, or null. */
  readonly frozen: (rail: string) => Promise<string | null>
  /**
   * Why a rail does not even send what was settled once more, or null. What only waits for the
   * first look at the wallets is no reason: they may wait for what a reorganisation took back.
   */
  readonly silenced: (rail: string) => Promise<string | null>
  /** Stops a rail until operators have looked: something was found that must not be. */
  readonly freeze: (rail: string, reason: string) => Promise<void>
  /** How long operators have to approve a batch. */
  readonly expiresAfterMs: number
  /** Names this process in leases, for people. */
  readonly owner: string
}

/**
 * The jobs that turn what is due into money that has left: one plan for all, one that takes every
 * live batch further, and one that looks after settled ones. A frozen rail plans, signs and sends
 * nothing, and is looked at as before. Each reads what is due and commits each step, so that running it
 * twice, at once, late or never changes no balance.
 */
export function payoutJobs(parts: PayoutJobsParts): readonly Job[] {
  const plans = { name: 'plan-payouts', everyMs: PLAN_EVERY_MS, run: () => plan(parts) }
  const newsOf = newsOnly(parts.log)
  const advance = {
    name: 'advance-batches',
    everyMs: ADVANCE_EVERY_MS,
    run: () => advanceAll(parts, newsOf),
  }
  const watch = {
    name: 'watch-settled',
    everyMs: WATCH_EVERY_MS,
    run: () => watchSettled(parts),
  }
  return [plans, advance, watch]
}

async function plan(parts: PayoutJobsParts): Promise<void> {
  const { log } = parts
  for (const { rail, batches, waits } of await planPayouts(parts.db, {
    ...parts,
    rules: parts.rules(),
  })) {
    if (batches.length > 0) log.info({ rail, batches: batches.map(String) }, 'batches planned')
    if (waits !== null) log.warn({ rail, reason: waits }, 'not all who are due are planned')
  }
  for (const batch of await parts.approvePlanned())
    log.info({ batch: String(batch) }, 'batch approved by the pool alone')
}

/** What is said of a batch, by topic: nothing twice in a row, however many runs come to it. */
type NewsOf = ReturnType<typeof newsOnly>

/** A batch that fails holds up no other; the first failure is told when all had their turn. */
async function advanceAll(parts: PayoutJobsParts, newsOf: NewsOf): Promise<void> {
  const { failures, fail } = failuresOf(parts.log)
  const at = parts.clock.now()
  for (const rail of parts.rails) {
    let page = await liveBatches(parts.db, rail.name, { after: null, at })
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      for (const batch of page) {
        const lease = await takeLease(parts.db, batch, parts.owner)
        if (lease) await advance({ ...parts, newsOf }, rail, lease).catch(fail(batch))
      }
      page = await liveBatches(parts.db, rail.name, { after: last, at })
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** A run tells of each batch that failed, and fails itself when all had their turn. */
function failuresOf(log: Log) {
  const failures: unknown[] = []
  const fail = (batch: BatchId) => (error: unknown) => {
    failures.push(error)
    log.error({ batch: String(batch), error: String(error) }, 'a batch failed')
  }
  return { failures, fail }
}

/** Takes a leased batch as far as it goes now, and gives the lease back whatever happens. */
async function advance(
  parts: PayoutJobsParts & { readonly newsOf: NewsOf },
  rail: Rail,
  lease: Lease,
): Promise<void> {
  const { db, log, newsOf } = parts
  const of = { batch: String(lease.batch) }
  const steps = { ...parts, log: newsOf(`steps of ${lease.batch}`) }
  const waits = newsOf(`reason of ${lease.batch}`)
  let note: string | null = null
  try {
    for (let taken = 0; taken < STEPS_A_RUN_MAX; taken++) {
      const live = await liveBatch(db, lease.batch)
      if (!live) break
      const result = await step(steps, rail, live, lease)
      note = result.note
      if (result.again) continue
      if (note !== '') waits.warn({ ...of, reason: note }, 'a batch waits')
      break
    }
  } catch (error) {
    if (!(error instanceof NotPosted)) throw error
    note = error.message
    log.error({ ...of, reason: note }, 'the ledger refused a batch')
  } finally {
    await endLease(db, lease, note)
  }
}

/**
 * A deep reorganisation can undo what was settled. The same bytes are then sent again; nothing is
 * ever paid anew. Where the anchor has gone elsewhere for good, people must look.
 */
async function watchSettled(parts: PayoutJobsParts): Promise<void> {
  const { failures, fail } = failuresOf(parts.log)
  for (const rail of parts.rails) {
    let page = await watchedBatches(parts.db, rail.name, null)
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      for (const batch of page) await watch(parts, rail, batch).catch(fail(batch))
      page = await watchedBatches(parts.db, rail.name, last)
    }
  }
  if (failures.length > 0) throw failures[0]
}

async function watch(parts: PayoutJobsParts, rail: Rail, batch: BatchId): Promise<void> {
  const outcome = await rail.check(batch)
  switch (outcome.kind) {
    case 'settled': {
      const context = { books: rail.books, at: parts.clock.now() }
      return keepSettled(parts.db, { batch, ...outcome }, context)
    }
    case 'missing':
      parts.log.warn({ batch: String(batch) }, 'a settled batch is gone, and is sent again')
      if ((await parts.silenced(rail.name)) === null) await rail.send(batch)
      return
    case 'dead':
      await parts.freeze(rail.name, `settled batch ${batch}: ${outcome.reason}`)
      // It is told once: who lifts the freeze has looked, and nothing more can become of it.
      return endWatch(parts.db, batch)
    case 'waiting':
    case 'unknown':
      return
    default:
      return unreachable(outcome)
  }
}
