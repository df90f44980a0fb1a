import type { Transaction } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, type Digest, digest, type UnixMs } from '../lib/ids.ts'
import {
  type ActVerdict,
  judge,
  type Policy,
  parseOperatorKey,
  type SignedAct,
} from './approval.ts'

/** A batch whose row the caller holds locked, so that no act on it is decided beside this one. */
export type BatchOfAct = {
  readonly id: BatchId
  readonly manifestHash: Digest
  readonly expiresAt: UnixMs
  readonly decided: boolean
}

/** What stands on a batch, in the order of the operators' keys. */
export async function actsOn(tx: Transaction<Database>, batch: BatchId): Promise<SignedAct[]> {
  const rows = await tx
    .selectFrom('approvals')
    .selectAll()
    .where('batch_id', '=', batch)
    .orderBy('operator_key')
    .execute()
  return rows.map(row => {
    const operator = parseOperatorKey(row.operator_key)
    assert(operator !== null, 'only acts of real keys are stored')
    return {
      operator,
      act: row.act === 'approve' ? { kind: 'approve' } : { kind: 'reject', reason: row.reason },
      manifestHash: digest(row.manifest_hash),
      signature: new Uint8Array(row.signature),
    }
  })
}

/**
 * Judges an act and writes it if it counts. The caller moves the batch in the same transaction, so
 * that the threshold is counted and the batch decided at one instant.
 */
export async function giveAct(
  tx: Transaction<Database>,
  batch: BatchOfAct,
  policy: Policy,
  given: SignedAct,
  now: UnixMs,
): Promise<ActVerdict> {
  const acts = await actsOn(tx, batch.id)
  const verdict = judge({ ...batch, acts }, policy, given, now)
  if (verdict.kind === 'refused') return verdict
  await tx
    .insertInto('approvals')
    .values({
      batch_id: batch.id,
      operator_key: given.operator,
      act: given.act.kind,
      manifest_hash: given.manifestHash,
      reason: given.act.kind === 'reject' ? given.act.reason : '',
      signature: given.signature,
      given_ms: BigInt(now),
    })
    .execute()
  return verdict
}
