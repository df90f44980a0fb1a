import { type Kysely, sql, type Transaction } from 'kysely'
import {
  allowingOwn,
  type CoinManifest,
  encodeManifest,
  limitRefusal,
  manifestHash,
  manifestTotal,
} from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { Database, Wallet } from '../lib/db/schema.ts'
import { type BatchId, batchId, unixMs } from '../lib/ids.ts'
import { recordEvent } from '../treasury/index.ts'
import { outpointText } from './outpoint.ts'
import type { OwnPlan } from './own-batch.ts'
import type { Asker, OwnBatchOutcome, OwnBatchParts } from './own-batch-store.ts'
import { ownCoins } from './rails/l1/coin-store.ts'
import { heldAmong } from './rails/thunder/coin-store.ts'
import { lockSpending, spentInLastDay } from './spent-store.ts'
import type { WithdrawalPlan } from './withdrawal-plan.ts'
import { totalWithdrawing } from './withdrawal-store.ts'

/** A plan with what the node gave for it. */
export type MadePlan = {
  readonly plan: OwnPlan | WithdrawalPlan
  readonly change: string
  /** Where a transfer, a deposit or a withdrawal goes; null for any other. */
  readonly destination: string | null
  readonly asker: Asker
}

/**
 * Reserves the coins of a plan under a manifest that waits for approvals, unless one like it is
 * under way, a coin was taken meanwhile, or a limit forbids it.
 */
export async function storeOwnBatch(
  tx: Transaction<Database>,
  parts: OwnBatchParts,
  made: MadePlan,
): Promise<OwnBatchOutcome> {
  const { plan, asker } = made
  // The same lock as for payouts, so that no two plans of a rail choose the same coins.
  await sql`select pg_advisory_xact_lock(hashtext('plan'), hashtext(${parts.rail}))`.execute(tx)
  await lockSpending(tx)
  const at = parts.clock.now()
  const taken = plan.parent === null ? await ownTaken(tx, made) : await childTaken(tx, plan)
  if (taken !== null) return { kind: 'nothing', reason: taken }
  const manifest = manifestFor(parts, made, { batch: await takeBatchId(tx), at })
  const rules = allowingOwn(parts.rules(), manifest)
  const refusal = limitRefusal(rules, manifest, await spentInLastDay(tx, at, null))
  if (refusal !== null) return { kind: 'nothing', reason: `a limit forbids it: ${refusal.kind}` }
  await insert(tx, manifest, plan)
  await recordEvent(tx, {
    at,
    actor: asker.kind === 'operator' ? `operator:${asker.alias}` : 'pool',
    action: `plan ${plan.purpose}`,
    subject: `batch:${manifest.batch}`,
    detail: { wallet: plan.wallet, coins: plan.coins.map(outpointText) },
  })
  return { kind: 'planned', batch: manifest.batch }
}

async function ownTaken(
  tx: Transaction<Database>,
  { plan: { purpose, wallet, coins }, asker }: MadePlan,
): Promise<string | null> {
  // What people take out of Thunder would else come back to it by itself, and cost both ways.
  if (purpose === 'deposit' && asker.kind === 'plan' && (await totalWithdrawing(tx)) > 0n)
    return 'a withdrawal is under way'
  if (await isUnderWay(tx, purpose, purpose === 'consolidation' ? wallet : null))
    return `a ${purpose} is under way`
  const isTaken =
    purpose === 'withdrawal'
      ? (await heldAmong(tx, coins)).size > 0
      : (await ownCoins(tx, wallet, coins)).free.length < coins.length
  return isTaken ? 'a coin was taken meanwhile' : null
}

/** A child's coin is not noted before its parent has settled; nobody else may hold it. */
async function childTaken(
  tx: Transaction<Database>,
  plan: MadePlan['plan'],
): Promise<string | null> {
  const parent = await tx
    .selectFrom('batches')
    .select('state')
    .where('id', '=', plan.parent)
    .forShare()
    .executeTakeFirst()
  if (parent?.state !== 'sent' && parent?.state !== 'uncertain')
    return 'the batch is not on its way'
  for (const { txid, vout } of plan.coins) {
    const held = await tx
      .selectFrom('reserved_outputs')
      .select('batch_id')
      .where('txid', '=', txid)
      .where('vout', '=', vout)
      .where('released_ms', 'is', null)
      .executeTakeFirst()
    if (held) return 'it has a child'
  }
  return null
}

function manifestFor(
  { network, rail, rules, expiresAfterMs }: OwnBatchParts,
  { plan, change, destination, asker }: MadePlan,
  { batch, at }: { readonly batch: BatchId; readonly at: number },
): CoinManifest {
  const { purpose, wallet, amount, feeMax, coins } = plan
  const [anchor] = coins
  assert(anchor !== undefined, 'a plan has an anchor')
  assert((amount === null) === (destination === null), 'what has an amount goes somewhere')
  const payees =
    amount === null || destination === null ? [] : [{ destination, amount, payouts: [] }]
  return {
    version: 2,
    ...{ purpose, wallet, batch, network, rail, payees, feeMax, change },
    anchor: { txid: anchor.txid, vout: anchor.vout },
    createdAt: unixMs(at),
    expiresAt: unixMs(at + expiresAfterMs),
    policyVersion: rules().version,
    createdBy: asker.kind === 'operator' ? `operator:${asker.alias}` : 'plan:own',
    excluded: asker.kind === 'operator' ? [asker.alias] : [],
  }
}

async function takeBatchId(tx: Transaction<Database>): Promise<BatchId> {
  const { rows } = await sql<{ id: bigint }>`
    select nextval(pg_get_serial_sequence('batches', 'id')) as id`.execute(tx)
  assert(rows[0] !== undefined, 'a sequence gives an id')
  return batchId(rows[0].id)
}

async function insert(tx: Transaction<Database>, manifest: CoinManifest, plan: MadePlan['plan']) {
  const { coins, parent } = plan
  const mainFee = plan.purpose === 'withdrawal' ? plan.mainFee : 0n
  const bytes = encodeManifest(manifest)
  await sql`
    insert into batches (id, rail, state, manifest, manifest_hash, anchor_txid, anchor_vout,
                         total_sats, fee_max_sats, main_fee_sats, created_ms, expires_ms,
                         purpose, wallet, parent_id)
    overriding system value
    values (${manifest.batch}, ${manifest.rail}, 'planned', ${bytes}, ${manifestHash(bytes)},
            ${manifest.anchor.txid}, ${manifest.anchor.vout}, ${manifestTotal(manifest)},
            ${manifest.feeMax}, ${mainFee}, ${manifest.createdAt}, ${manifest.expiresAt},
            ${manifest.purpose}, ${manifest.wallet}, ${parent})`.execute(tx)
  await tx
    .insertInto('reserved_outputs')
    .values(
      coins.map(({ txid, vout, value, script }) => ({
        ...{ txid, vout, script },
        batch_id: manifest.batch,
        value_sats: value,
        released_ms: null,
      })),
    )
    .execute()
}

/** What the batches of a purpose that have not ended move together. */
export async function totalUnderWay(
  db: Kysely<Database>,
  purpose: MadePlan['plan']['purpose'],
): Promise<bigint> {
  const row = await db
    .selectFrom('batches')
    .select(eb => eb.fn.sum<bigint>('total_sats').as('total'))
    .where('purpose', '=', purpose)
    .where('state', 'not in', ['settled', 'released'])
    .executeTakeFirst()
  return BigInt(row?.total ?? 0n)
}

/**
 * Whether a batch of that purpose has not ended.
 *
 * @param wallet whose batches count, or null for either
 */
export async function isUnderWay(
  db: Kysely<Database>,
  purpose: MadePlan['plan']['purpose'],
  wallet: Wallet | null,
): Promise<boolean> {
  let query = db
    .selectFrom('batches')
    .select('id')
    .where('purpose', '=', purpose)
    .where('state', 'not in', ['settled', 'released'])
  if (wallet !== null) query = query.where('wallet', '=', wallet)
  return (await query.limit(1).executeTakeFirst()) !== undefined
}
