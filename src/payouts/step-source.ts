import type { Kysely } from 'kysely'
import { unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { BatchId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import type { BatchEvent } from './payout.ts'
import { type LiveBatch, type MoveOutcome, moveBatch } from './payout-store.ts'
import type { CheckOutcome, Lease, PrepareOutcome, Rail } from './rail.ts'

/** What every step works with. */
export type StepParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  /** Why a rail moves nothing now, or null. */
  readonly frozen: (rail: string) => Promise<string | null>
}

/** Why the batch is where it is, and whether more can be done at once. */
export type StepResult = { readonly note: string; readonly again: boolean }

const STAYS: StepResult = { note: '', again: false }
const waits = (note: string): StepResult => ({ note, again: false })

/** Takes a leased batch one step, as far as its evidence, its approvals and a freeze allow. */
export async function step(
  parts: StepParts,
  rail: Rail,
  { state, expiresAt }: LiveBatch,
  lease: Lease,
): Promise<StepResult> {
  const move = (event: BatchEvent, note = '') => moveLeased(parts, rail, lease, event, note)
  switch (state) {
    case 'planned':
      if (parts.clock.now() < expiresAt) return STAYS
      return move({ kind: 'expired' }, 'nobody approved it in time')
    case 'approved':
      return unlessAdopted(rail, lease, () =>
        unlessFrozen(parts, rail, async () => afterPrepare(await rail.prepare(lease), move)),
      )
    case 'prepared': {
      const reason = await parts.frozen(rail.name)
      return reason === null
        ? send(rail, lease.batch, move)
        : look(rail, lease.batch, { move, reason })
    }
    case 'sent':
    case 'uncertain':
      return unlessAdopted(rail, lease, () => afterCheck(parts, rail, { lease, state, move }))
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
  { frozen }: StepParts,
  rail: Rail,
  work: () => Promise<StepResult>,
): Promise<StepResult> {
  const reason = await frozen(rail.name)
  return reason === null ? work() : waits(reason)
}

/** What signers have sent by themselves comes first, frozen or not: it has left. */
async function unlessAdopted(
  rail: Rail,
  lease: Lease,
  work: () => Promise<StepResult>,
): Promise<StepResult> {
  const outcome = await rail.adopt(lease)
  switch (outcome.kind) {
    case 'nothing':
      return work()
    case 'adopted':
      return { note: '', again: true }
    case 'waits':
      return waits(outcome.reason)
    case 'fenced':
      return STAYS
    default:
      return unreachable(outcome)
  }
}

/** Follows a batch that a freeze keeps from being sent: it may have left before. */
async function look(
  rail: Rail,
  batch: BatchId,
  { move, reason }: { readonly move: Mover; readonly reason: string },
): Promise<StepResult> {
  const outcome = await rail.check(batch)
  switch (outcome.kind) {
    case 'settled':
      return move({ kind: 'settled', fee: outcome.fee, version: outcome.version })
    case 'waiting':
      return { ...(await move({ kind: 'seen' }, reason)), again: false }
    case 'dead':
      return move({ kind: 'dead' }, outcome.reason)
    case 'missing':
    case 'unknown':
      return waits(reason)
    default:
      return unreachable(outcome)
  }
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
  parts: StepParts,
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
  parts: StepParts,
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
  { db, clock, log }: StepParts,
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
