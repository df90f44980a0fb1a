import { type Kysely, sql, type Transaction } from 'kysely'
import {
  allowingOwn,
  approverOf,
  encodeManifest,
  isWithinAuto,
  judgeSpend,
  limitRefusal,
  manifestHash,
  type SignedAct,
  type SpendPolicy,
  type SpendVerdict,
  signAct,
} from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { BatchState, Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, digest, type UnixMs } from '../lib/ids.ts'
import type { Clock } from '../lib/time.ts'
import {
  type ActVerdict,
  actorRefusal,
  actsOn,
  type BatchBeforeAct,
  judgeAct,
  recordEvent,
  storeAct,
} from '../treasury/index.ts'
import { applyEvent, lockBatch, manifestOf } from './payout-store.ts'
import { railFacts } from './rails/index.ts'
import { lockSpending, spentByRules } from './spent-store.ts'

/** Planned batches small enough that one run looks at, the oldest first; the others wait. */
const BATCHES_A_RUN_MAX = 100
const NOTE_CHARACTERS_MAX = 500

/** What deciding needs besides the batch. */
export type DecideParts = { readonly clock: Clock }

/**
 * What the rules of this moment say of a stored batch: its manifest, the acts on it, its part of
 * the day. Asked again whenever it is about to be signed, so that an approver who left, a key that
 * expired or a limit that fell since its approval holds it back.
 */
export async function judgeBatch(
  db: Kysely<Database>,
  policy: SpendPolicy,
  batch: BatchId,
  at: UnixMs,
): Promise<SpendVerdict> {
  const manifest = await manifestOf(db, batch)
  const acts = await actsOn(db, batch)
  const spent = await spentByRules(db, policy, at, batch)
  return judgeSpend(allowingOwn(policy, manifest), { manifest, acts }, spent, at)
}

/**
 * Writes an operator's act and does at once what it decides. Whoever is no approver, or cannot
 * prove it, is told so before anything is read or locked.
 *
 * @returns null where there is no such batch
 */
export async function decideBatch(
  db: Kysely<Database>,
  policy: SpendPolicy,
  given: { readonly batch: BatchId; readonly act: SignedAct },
  { clock }: DecideParts,
): Promise<ActVerdict | null> {
  const at = clock.now()
  const refusal = actorRefusal(policy, given.act, at)
  if (refusal !== null) return { kind: 'refused', reason: refusal }
  return db.transaction().execute(async tx => {
    const row = await lockBatch(tx, given.batch)
    if (!row) return null
    const batch = {
      manifest: await manifestOf(tx, given.batch),
      manifestHash: digest(row.manifest_hash),
      takes: await takenActs(tx, given.batch, row.state),
      acts: await actsOn(tx, given.batch),
    }
    const spent = await spentByRules(tx, policy, at, given.batch)
    const verdict = judgeAct(policy, batch, given.act, { spent, now: at })
    if (verdict.kind === 'refused') return verdict
    await storeAct(tx, given.batch, given.act, at)
    const alias = approverOf(policy, given.act.operator, at)?.alias
    assert(alias !== undefined, 'only an approver is accepted')
    const { state, rail } = row
    await settleVerdict(tx, { ...given, state, rail, alias }, verdict.batch, at)
    await recordAct(tx, `operator:${alias}`, given.batch, given.act, at)
    return verdict
  })
}

/** A batch whose acts just came to something. */
type Judged = {
  readonly batch: BatchId
  readonly state: BatchState
  readonly rail: string
  readonly act: SignedAct
  readonly alias: string
}

async function settleVerdict(
  tx: Transaction<Database>,
  { batch, state, rail, act, alias }: Judged,
  verdict: 'waits' | 'approved' | 'rejected',
  at: UnixMs,
): Promise<void> {
  // An approved batch that lost an approver keeps its state, and is judged again when it is signed.
  if (verdict === 'waits' || verdict === state) return
  const context = { books: railFacts(rail).books, at }
  const moved = await applyEvent(tx, { batch, state }, { kind: verdict }, context)
  assert(moved.kind === 'moved', 'an open batch can be approved and rejected')
  if (act.act.kind !== 'reject') return
  const note = `rejected by ${alias}: ${act.act.reason}`.slice(0, NOTE_CHARACTERS_MAX)
  // Whoever works on it just now has lost it, and writes no other word over this one.
  const lost = { lease_owner: null, lease_until: null, fence: sql<bigint>`fence + 1` }
  await tx
    .updateTable('batches')
    .set({ note, ...lost })
    .where('id', '=', batch)
    .execute()
}

/**
 * Gives the pool's own approval to planned batches within the auto band: an act like any other, by
 * a key that the host holds, in the commit that approves the batch. One at a time and under the
 * lock of the day's figures, so that two together never take more than the band's day.
 *
 * @param secretKey the pool's: 32 bytes, the other half of the policy's `auto.poolKey`
 * @returns the batches that it approved
 */
export async function autoApprove(
  db: Kysely<Database>,
  policy: SpendPolicy,
  secretKey: Uint8Array,
  parts: DecideParts,
): Promise<readonly BatchId[]> {
  if (policy.auto === null) return []
  const rows = await db
    .selectFrom('batches')
    .select('id')
    .where('state', '=', 'planned')
    .where(sql<boolean>`total_sats + fee_max_sats <= ${policy.auto.perBatch}`)
    .orderBy('id')
    .limit(BATCHES_A_RUN_MAX)
    .execute()
  const approved: BatchId[] = []
  for (const batch of rows.map(({ id }) => batchId(id))) {
    const isApproved = await db
      .transaction()
      .execute(tx => approveAlone(tx, policy, { batch, secretKey }, parts))
    if (isApproved) approved.push(batch)
  }
  return approved
}

async function approveAlone(
  tx: Transaction<Database>,
  policy: SpendPolicy,
  { batch, secretKey }: { readonly batch: BatchId; readonly secretKey: Uint8Array },
  { clock }: DecideParts,
): Promise<boolean> {
  await lockSpending(tx)
  const row = await lockBatch(tx, batch)
  const at = clock.now()
  if (row?.state !== 'planned' || BigInt(at) >= row.expires_ms) return false
  const manifest = await manifestOf(tx, batch)
  const spent = await spentByRules(tx, policy, at, batch)
  if (limitRefusal(allowingOwn(policy, manifest), manifest, spent) !== null) return false
  if (!isWithinAuto(policy, manifest, spent)) return false
  const act = signAct(secretKey, { kind: 'approve' }, manifestHash(encodeManifest(manifest)))
  assert(act.operator === policy.auto?.poolKey, 'the key at hand is the one of the policy')
  await storeAct(tx, batch, act, at)
  await tx.updateTable('batches').set({ auto_approved: true }).where('id', '=', batch).execute()
  const event = { kind: 'approved' } as const
  const { books } = railFacts(row.rail)
  const moved = await applyEvent(tx, { batch, state: row.state }, event, { books, at })
  assert(moved.kind === 'moved', 'a planned batch can be approved')
  await recordAct(tx, 'pool', batch, act, at)
  return true
}

/** Which acts still count: what was given to be signed is ended by evidence only. */
async function takenActs(
  tx: Transaction<Database>,
  batch: BatchId,
  state: BatchState,
): Promise<BatchBeforeAct['takes']> {
  if (state === 'planned') return 'any act'
  if (state !== 'approved') return 'nothing'
  const built = await tx
    .selectFrom('batch_versions')
    .select('version')
    .where('batch_id', '=', batch)
    .limit(1)
    .executeTakeFirst()
  return built === undefined ? 'any act' : 'approvals'
}

function recordAct(
  tx: Transaction<Database>,
  actor: string,
  batch: BatchId,
  { act, operator, manifestHash: manifest }: SignedAct,
  at: UnixMs,
): Promise<void> {
  const reason = act.kind === 'reject' ? { reason: act.reason } : {}
  const detail = { manifest, key: operator, ...reason }
  return recordEvent(tx, { at, actor, action: act.kind, subject: `batch:${batch}`, detail })
}
