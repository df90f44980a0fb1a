import {
  approverOf,
  isPlainReason,
  judgeApprovals,
  type Manifest,
  operatorWith,
  type SignedAct,
  type SpendPolicy,
  type Spent,
  verifyAct,
} from '../approval/index.ts'
import type { Digest, UnixMs } from '../lib/ids.ts'

/** What a batch looks like to an act. */
export type BatchBeforeAct = {
  readonly manifest: Manifest
  readonly manifestHash: Digest
  /**
   * Any act until something of it was given to be signed; then approvals alone, since whoever signs
   * may have stricter rules than ours and wait for more of them; and nothing once it is signed.
   */
  readonly takes: 'any act' | 'approvals' | 'nothing'
  /** All that was said of it, in any order. */
  readonly acts: readonly SignedAct[]
}

/** Why an act does not count, whatever it is about; nothing is written then, nor locked. */
export type ActorRefusal =
  /** No operator has this key, or it has expired. */
  | 'unknown operator'
  | 'not an approver'
  | 'bad signature'
  /** Empty, too long, or not plain text. */
  | 'bad reason'

/** Why an act does not count on its batch; nothing is written then. */
export type ActRefusal =
  | ActorRefusal
  /** It is about other bytes: an older, edited or foreign manifest. */
  | 'other manifest'
  /** The operator asked for the batch, or changed one of its destinations. */
  | 'own batch'
  /** This person said so before, with whatever key. */
  | 'repeated'
  | 'expired'
  | 'already decided'

/** What an act does to its batch. */
export type ActVerdict =
  | { readonly kind: 'accepted'; readonly batch: 'waits' | 'approved' | 'rejected' }
  | { readonly kind: 'refused'; readonly reason: ActRefusal }

/**
 * Whether an act is an approver's at all. It needs nothing of the batch, so that whoever has no key
 * of ours is turned away before anything is read or locked.
 */
export function actorRefusal(
  policy: SpendPolicy,
  given: SignedAct,
  now: UnixMs,
): ActorRefusal | null {
  if (given.act.kind === 'reject' && !isPlainReason(given.act.reason)) return 'bad reason'
  if (operatorWith(policy, given.operator, now) === null) return 'unknown operator'
  if (approverOf(policy, given.operator, now) === null) return 'not an approver'
  return verifyAct(given) ? null : 'bad signature'
}

/**
 * Decides what an act does. One rejection ends a batch, also after its approver's own approval and
 * after the batch is approved, as long as nothing of it was given to be signed. An approval counts
 * while the batch has not enough of them, which can be so again when an approver has left, and while
 * whoever signs has refused it.
 */
export function judgeAct(
  policy: SpendPolicy,
  batch: BatchBeforeAct,
  given: SignedAct,
  { spent, now }: { readonly spent: Spent; readonly now: UnixMs },
): ActVerdict {
  const refusal = actorRefusal(policy, given, now) ?? batchRefusal(policy, batch, given, now)
  if (refusal !== null) return { kind: 'refused', reason: refusal }
  const { kind: before } = judgeApprovals(policy, batch, spent, now)
  const isEnough = before === 'approved' && batch.takes === 'any act'
  if (before === 'rejected' || (isEnough && given.act.kind === 'approve'))
    return { kind: 'refused', reason: 'already decided' }
  const after = { ...batch, acts: [...batch.acts, given] }
  return { kind: 'accepted', batch: judgeApprovals(policy, after, spent, now).kind }
}

function batchRefusal(
  policy: SpendPolicy,
  batch: BatchBeforeAct,
  { operator, act, manifestHash }: SignedAct,
  now: UnixMs,
): ActRefusal | null {
  if (manifestHash !== batch.manifestHash) return 'other manifest'
  const person = approverOf(policy, operator, now)
  const isApproval = act.kind === 'approve'
  if (isApproval && person && batch.manifest.excluded.includes(person.alias)) return 'own batch'
  const isRepeated = batch.acts.some(
    each =>
      each.act.kind === act.kind && approverOf(policy, each.operator, now)?.alias === person?.alias,
  )
  if (isRepeated) return 'repeated'
  if (batch.takes === 'nothing' || (batch.takes === 'approvals' && !isApproval))
    return 'already decided'
  return now >= batch.manifest.expiresAt ? 'expired' : null
}
