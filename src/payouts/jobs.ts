import type { Kysely } from 'kysely'
import { unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { BatchId } from '../lib/ids.ts'
import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import type { BatchEvent } from './payout.ts'
import {
  endLease,
  type LiveBatch,
  liveBatch,
  liveBatches,
  type MoveOutcome,
  moveBatch,
  NotPosted,
  takeLease,
} from './payout-store.ts'
import type { SpendRules } from './plan-limits.ts'
import { planPayouts } from './plan-store.ts'
import type { CheckOutcome, Lease, PrepareOutcome, Rail } from './rail.ts'
import type { Scheme } from './scheme.ts'
import { keepSettled, watchedBatches } from './settled-store.ts'

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
  const advance = {
    name: 'advance-batches',
    everyMs: ADVANCE_EVERY_MS,
    run: () => advanceAll(parts),
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

/** A batch that fails holds up no other; the first failure is told when all had their turn. */
async function advanceAll(parts: PayoutJobsParts): Promise<void> {
  const failures: unknown[] = []
  for (const rail of parts.rails) {
    let page = await liveBatches(parts.db, rail.name, null)
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      for (const batch of page) {
        const lease = await takeLease(parts.db, batch, parts.owner)
        if (lease) await advance(parts, rail, lease).catch(error => failures.push(error))
      }
      page = await liveBatches(parts.db, rail.name, last)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** Takes a leased batch as far as it goes now, and gives the lease back whatever happens. */
async function advance(parts: PayoutJobsParts, rail: Rail, lease: Lease): Promise<void> {
  const { db, log } = parts
  let note: string | null = null
  try {
    for (let taken = 0; taken < STEPS_A_RUN_MAX; taken++) {
      const live = await liveBatch(db, lease.batch)
      if (!live) break
      const result = await step(parts, rail, live, lease)
      note = result.note
      if (!result.again) break
    }
  } catch (error) {
    if (!(error instanceof NotPosted)) throw error
    note = error.message
    log.error({ batch: String(lease.batch), reason: note }, 'the ledger refused a batch')
  } finally {
    await endLease(db, lease, note)
  }
}

/** Why the batch is where it is, and whether more can be done at once. */
type StepResult = { readonly note: string; readonly again: boolean }

const STAYS: StepResult = { note: '', again: false }
const waits = (note: string): StepResult => ({ note, again: false })

async function step(
  parts: PayoutJobsParts,
  rail: Rail,
  { state, expiresAt }: LiveBatch,
  lease: Lease,
): Promise<StepResult> {
  const move = (event: BatchEvent, note = '') => moveLeased(parts, rail, lease, event, note)
  // What may have left is always followed; only what is still here stays where it is.
  if (state === 'approved' || state === 'prepared') {
    const stopped = await parts.frozen(rail.name)
    if (stopped !== null) return waits(stopped)
  }
  switch (state) {
    case 'planned':
      if (parts.clock.now() < expiresAt) return STAYS
      return move({ kind: 'expired' }, 'nobody approved it in time')
    case 'approved':
      return unlessFrozen(parts, rail, async () => afterPrepare(await rail.prepare(lease), move))
    case 'prepared':
      return unlessFrozen(parts, rail, () => send(rail, lease.batch, move))
    case 'sent':
    case 'uncertain':
      return afterCheck(parts, rail, { lease, state, move })
    case 'settled':
    case 'released':
      return STAYS
    default:
      return unreachable(state)
  }
}

type Mover = (event: BatchEvent, note?: string) => Promise<StepResult>

/** What moves money is not done on a frozen rail; what only looks is never asked this. */
async function unlessFrozen(
  { frozen }: PayoutJobsParts,
  rail: Rail,
  work: () => Promise<StepResult>,
): Promise<StepResult> {
  const reason = await frozen(rail.name)
  return reason === null ? work() : waits(reason)
}

async function send(rail: Rail, batch: BatchId, move: Mover): Promise<StepResult> {
  const sent = await rail.send(batch)
  if (sent.kind === 'sent') return move({ kind: 'seen' })
  return { ...(await move({ kind: 'lost' }, sent.reason)), again: false }
}

async function afterPrepare(outcome: PrepareOutcome, move: Mover): Promise<StepResult> {
  switch (outcome.kind) {
    case 'prepared':
      return { note: '', again: true }
    case 'waits':
      return waits(outcome.reason)
    case 'expired':
      return move({ kind: 'expired' }, 'its time was up before it was signed')
    case 'dead':
      return move({ kind: 'dead' }, outcome.reason)
    case 'fenced':
      return STAYS
    default:
      return unreachable(outcome)
  }
}

async function afterCheck(
  parts: PayoutJobsParts,
  rail: Rail,
  { lease, state, move }: { lease: Lease; state: 'sent' | 'uncertain'; move: Mover },
): Promise<StepResult> {
  const outcome: CheckOutcome = await rail.check(lease.batch)
  const seen = async () =>
    state === 'sent' ? STAYS : { ...(await move({ kind: 'seen' })), again: false }
  switch (outcome.kind) {
    case 'settled':
      return move({ kind: 'settled', fee: outcome.fee, version: outcome.version })
    case 'waiting': {
      const result = await seen()
      return outcome.confirmations > 0 ? result : bumped(parts, rail, lease, result)
    }
    case 'missing':
      return unlessFrozen(parts, rail, async () => {
        const sent = await rail.send(lease.batch)
        if (sent.kind === 'sent') return bumped(parts, rail, lease, await seen())
        const lost = { ...(await move({ kind: 'lost' }, sent.reason)), again: false }
        return bumped(parts, rail, lease, { ...lost, note: sent.reason })
      })
    case 'dead':
      return move({ kind: 'dead' }, outcome.reason)
    case 'unknown':
      return waits(outcome.reason)
    default:
      return unreachable(outcome)
  }
}

/** What is on its way may be too slow; a further version is sent in the next step. */
async function bumped(
  parts: PayoutJobsParts,
  rail: Rail,
  lease: Lease,
  otherwise: StepResult,
): Promise<StepResult> {
  return unlessFrozen(parts, rail, async () => {
    const outcome = await rail.bump(lease)
    switch (outcome.kind) {
      case 'bumped':
        parts.log.info({ batch: String(lease.batch) }, 'batch replaced by a dearer version')
        return { note: '', again: true }
      case 'waits':
        return waits(outcome.reason)
      case 'stays':
        return otherwise
      case 'fenced':
        return STAYS
      default:
        return unreachable(outcome)
    }
  })
}

async function moveLeased(
  { db, clock, log }: PayoutJobsParts,
  rail: Rail,
  lease: Lease,
  event: BatchEvent,
  note: string,
): Promise<StepResult> {
  const context = { books: rail.books, at: clock.now() }
  const moved: MoveOutcome = await db
    .transaction()
    .execute(tx => moveBatch(tx, lease, event, context))
  if (moved.kind !== 'moved') return STAYS
  log.info({ batch: String(lease.batch), state: moved.state, event: event.kind }, 'batch moved')
  return { note, again: true }
}

/**
 * A deep reorganisation can undo what was settled. The same bytes are then sent again; nothing is
 * ever paid anew. Where the anchor has gone elsewhere for good, people must look.
 */
async function watchSettled(parts: PayoutJobsParts): Promise<void> {
  for (const rail of parts.rails) {
    for (const batch of await watchedBatches(parts.db, rail.name)) {
      const outcome = await rail.check(batch)
      switch (outcome.kind) {
        case 'settled': {
          const at = parts.clock.now()
          await keepSettled(parts.db, { batch, ...outcome }, { books: rail.books, at })
          break
        }
        case 'missing':
          parts.log.warn({ batch: String(batch) }, 'a settled batch is gone, and is sent again')
          if ((await parts.frozen(rail.name)) === null) await rail.send(batch)
          break
        case 'dead':
          await parts.freeze(rail.name, `settled batch ${batch}: ${outcome.reason}`)
          break
        case 'waiting':
        case 'unknown':
          break
        default:
          unreachable(outcome)
      }
    }
  }
}
