import type { Kysely, Transaction } from 'kysely'
import { parseOperatorKey, type SignedAct } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, digest, type UnixMs, unixMs } from '../lib/ids.ts'

/** What was said of a batch, in a fixed order. */
export async function actsOn(db: Kysely<Database>, batch: BatchId): Promise<SignedAct[]> {
  const rows = await db
    .selectFrom('approvals')
    .selectAll()
    .where('batch_id', '=', batch)
    .orderBy('operator_key')
    .orderBy('act')
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

/** Writes an act that was judged and counts, in the transaction that moves its batch. */
export async function storeAct(
  tx: Transaction<Database>,
  batch: BatchId,
  { operator, act, manifestHash, signature }: SignedAct,
  at: UnixMs,
): Promise<void> {
  await tx
    .insertInto('approvals')
    .values({
      batch_id: batch,
      operator_key: operator,
      act: act.kind,
      manifest_hash: manifestHash,
      reason: act.kind === 'reject' ? act.reason : '',
      signature,
      type: 'bip340',
      given_ms: BigInt(at),
    })
    .execute()
}

/** What somebody said of a batch, for people to read. */
export type ActReport = {
  readonly operatorKey: string
  /** `pool` where the pool's own key signed. */
  readonly alias: string
  readonly act: 'approve' | 'reject'
  readonly reason: string
  readonly signature: Uint8Array
  readonly givenAt: UnixMs
}

/** Acts read for one batch; there are no more people than that. */
const ACTS_MAX = 100

/** What was said of a batch and by whom, in the order of the acts. */
export async function actReports(
  db: Kysely<Database>,
  batch: BatchId,
): Promise<readonly ActReport[]> {
  const rows = await db
    .selectFrom('approvals')
    .leftJoin('operator_keys', 'operator_keys.key', 'operator_key')
    .leftJoin('operators', 'operators.id', 'operator_id')
    .select(['operator_key', 'alias', 'act', 'reason', 'signature', 'given_ms'])
    .where('batch_id', '=', batch)
    .orderBy('given_ms')
    .orderBy('operator_key')
    .limit(ACTS_MAX)
    .execute()
  return rows.map(row => ({
    operatorKey: row.operator_key,
    alias: row.alias ?? POOL_ALIAS,
    act: row.act,
    reason: row.reason,
    signature: new Uint8Array(row.signature),
    givenAt: unixMs(Number(row.given_ms)),
  }))
}

/** Stands for the pool's own key among the aliases; no operator can have this one. */
export const POOL_ALIAS = 'pool'

/**
 * Who approved, by the alias that miners see, in the order of the acts; `pool` where its own key
 * did. A person stays named after leaving. A batch that nobody approved is not in the answer.
 */
export async function approversOf(
  db: Kysely<Database>,
  batches: readonly BatchId[],
): Promise<ReadonlyMap<BatchId, readonly string[]>> {
  if (batches.length === 0) return new Map()
  const rows = await db
    .selectFrom('approvals')
    .leftJoin('operator_keys', 'operator_keys.key', 'operator_key')
    .leftJoin('operators', 'operators.id', 'operator_id')
    .select(['batch_id', 'alias'])
    .where('batch_id', 'in', [...batches])
    .where('act', '=', 'approve')
    .orderBy('batch_id')
    .orderBy('given_ms')
    .orderBy('operator_key')
    .execute()
  const approvers = new Map<BatchId, string[]>()
  for (const row of rows) {
    const batch = batchId(row.batch_id)
    const known = approvers.get(batch) ?? []
    const alias = row.alias ?? POOL_ALIAS
    approvers.set(batch, known.includes(alias) ? known : [...known, alias])
  }
  return approvers
}
