import { type Kysely, sql, type Transaction } from 'kysely'
import { balancesOf } from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { Database, Wallet } from '../lib/db/schema.ts'
import { type BatchId, batchId, unixMs } from '../lib/ids.ts'
import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'
import type { Sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import {
  encodeManifest,
  limitRefusal,
  type Manifest,
  manifestHash,
  manifestTotal,
  recordEvent,
  type SpendPolicy,
} from '../treasury/index.ts'
import {
  type FloatRule,
  floatMove,
  type OwnPlan,
  type OwnPlanOutcome,
  planConsolidation,
  planTransfer,
} from './own-batch.ts'
import type { Coin } from './rail.ts'
import { floatAccount, ownCoins } from './rails/l1/coin-store.ts'
import { otherWallet, outpointText } from './rails/l1/coins.ts'
import { feeRateNow } from './rails/l1/fee-rate.ts'
import { isNodeTrouble, type WalletClient } from './rails/l1/wallet-client.ts'
import type { FloatWallet } from './reconcile-store.ts'
import { lockSpending, spentInLastDay } from './spent-store.ts'

const LOOK_EVERY_MS = 60_000

export type OwnBatchParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly network: string
  readonly rail: string
  readonly wallets: readonly FloatWallet[]
  /** Confirmations that a coin must have. */
  readonly finality: number
  /** Fee rates, satoshis a thousand virtual bytes. */
  readonly feeRateMin: Sats
  readonly feeRateMax: Sats
  readonly confirmWithin: number
  /** How long operators have before the batch lapses. */
  readonly expiresAfterMs: number
  readonly rules: () => Pick<SpendPolicy, 'version' | 'limits' | 'allowList'>
  /** Why the rail moves nothing now, or null. */
  readonly frozen: (rail: string) => Promise<string | null>
}

/** When own batches are planned by themselves; null is never. */
export type OwnBatchRules = {
  readonly float: FloatRule | null
  readonly consolidate: { readonly coinsOver: number; readonly feeRateMax: Sats } | null
}

export type OwnWish =
  | { readonly kind: 'consolidation'; readonly wallet: Wallet }
  | { readonly kind: 'transfer'; readonly from: Wallet; readonly amount: Sats }

/** Who asks; an operator who asks cannot approve what was asked for. */
export type Asker =
  | { readonly kind: 'plan' }
  | { readonly kind: 'operator'; readonly alias: string }

export type OwnBatchOutcome =
  | { readonly kind: 'planned'; readonly batch: BatchId }
  | { readonly kind: 'nothing'; readonly reason: string }

/**
 * Plans the batches that keep the float as it should be: filled from the cold wallet, emptied into
 * it above the cap, and its small coins made one while that is cheap. Each waits for approvals like
 * any other; run twice or at once it plans one.
 */
export function ownBatchJob(parts: OwnBatchParts, rules: OwnBatchRules): Job {
  return { name: 'own-batches', everyMs: LOOK_EVERY_MS, run: () => planDue(parts, rules) }
}

async function planDue(parts: OwnBatchParts, rules: OwnBatchRules): Promise<void> {
  const { log, rail } = parts
  if ((await parts.frozen(rail)) !== null) return
  try {
    for (const wish of await dueWishes(parts, rules)) {
      const outcome = await planOwnBatch(parts, wish, { kind: 'plan' })
      if (outcome.kind === 'planned')
        log.info({ batch: String(outcome.batch), purpose: wish.kind }, 'batch planned')
      else log.warn({ purpose: wish.kind, reason: outcome.reason }, 'nothing planned')
    }
  } catch (error) {
    if (!isNodeTrouble(error)) throw error
    log.warn({ reason: error.message }, 'nothing planned')
  }
}

async function dueWishes(
  parts: OwnBatchParts,
  { float, consolidate }: OwnBatchRules,
): Promise<readonly OwnWish[]> {
  const { db } = parts
  const wishes: OwnWish[] = []
  if (float !== null && !(await isUnderWay(db, 'transfer', null))) {
    const account = floatAccount('hot')
    const held = (await balancesOf(db, [account])).get(account) ?? 0n
    const move = floatMove(held / 1000n, float)
    if (move !== null) wishes.push({ kind: 'transfer', ...move })
  }
  if (consolidate === null) return wishes
  for (const { wallet, client } of parts.wallets) {
    if (await isUnderWay(db, 'consolidation', wallet)) continue
    const { free } = await ownCoins(db, wallet, await client.coins(parts.finality))
    if (free.length <= consolidate.coinsOver) continue
    if ((await currentRate(parts, client)) <= consolidate.feeRateMax)
      wishes.push({ kind: 'consolidation', wallet })
  }
  return wishes
}

/** Plans one own batch now, unless one like it is under way. Node trouble is thrown. */
export async function planOwnBatch(
  parts: OwnBatchParts,
  wish: OwnWish,
  asker: Asker,
): Promise<OwnBatchOutcome> {
  const stopped = await parts.frozen(parts.rail)
  if (stopped !== null) return { kind: 'nothing', reason: stopped }
  const from = wish.kind === 'transfer' ? wish.from : wish.wallet
  const source = parts.wallets.find(({ wallet }) => wallet === from)
  const target = parts.wallets.find(({ wallet }) => wallet === otherWallet(from))
  if (!source) return { kind: 'nothing', reason: `there is no ${from} wallet` }
  const { free } = await ownCoins(parts.db, from, await source.client.coins(parts.finality))
  const made = planOf(parts, wish, free)
  if (made.kind === 'nothing') return made
  // The node is asked before any lock is held; what it answered is checked again behind it.
  const change = await source.client.newChangeAddress()
  const destination = wish.kind === 'transfer' ? await target?.client.newAddress() : null
  if (destination === undefined) return { kind: 'nothing', reason: 'there is no other wallet' }
  const { plan } = made
  return parts.db
    .transaction()
    .execute(tx => store(tx, parts, { plan, change, destination, asker }))
}

function planOf(parts: OwnBatchParts, wish: OwnWish, free: readonly Coin[]): OwnPlanOutcome {
  switch (wish.kind) {
    case 'consolidation':
      return planConsolidation(wish.wallet, free, parts.feeRateMax)
    case 'transfer':
      return planTransfer(wish.from, free, wish.amount, parts.feeRateMax)
    default:
      return unreachable(wish)
  }
}

type Made = {
  readonly plan: OwnPlan
  readonly change: string
  /** Where a transfer pays; null for any other. */
  readonly destination: string | null
  readonly asker: Asker
}

async function store(
  tx: Transaction<Database>,
  parts: OwnBatchParts,
  made: Made,
): Promise<OwnBatchOutcome> {
  const { plan, asker } = made
  // The same lock as for payouts, so that no two plans of a rail choose the same coins.
  await sql`select pg_advisory_xact_lock(hashtext('plan'), hashtext(${parts.rail}))`.execute(tx)
  await lockSpending(tx)
  const at = parts.clock.now()
  const wallet = plan.purpose === 'transfer' ? null : plan.wallet
  if (await isUnderWay(tx, plan.purpose, wallet))
    return { kind: 'nothing', reason: `a ${plan.purpose} is under way` }
  const { free } = await ownCoins(tx, plan.wallet, plan.coins)
  if (free.length < plan.coins.length)
    return { kind: 'nothing', reason: 'a coin was taken meanwhile' }
  const manifest = manifestFor(parts, made, { batch: await takeBatchId(tx), at })
  const refusal = limitRefusal(parts.rules(), manifest, await spentInLastDay(tx, at, null))
  if (refusal !== null) return { kind: 'nothing', reason: `a limit forbids it: ${refusal.kind}` }
  await insert(tx, manifest, plan.coins)
  await recordEvent(tx, {
    at,
    actor: asker.kind === 'operator' ? `operator:${asker.alias}` : 'pool',
    action: `plan ${plan.purpose}`,
    subject: `batch:${manifest.batch}`,
    detail: { wallet: plan.wallet, coins: plan.coins.map(outpointText) },
  })
  return { kind: 'planned', batch: manifest.batch }
}

function manifestFor(
  { network, rail, rules, expiresAfterMs }: OwnBatchParts,
  { plan, change, destination, asker }: Made,
  { batch, at }: { readonly batch: BatchId; readonly at: number },
): Manifest {
  const { purpose, wallet, amount, feeMax, coins } = plan
  const [anchor] = coins
  assert(anchor !== undefined, 'a plan has an anchor')
  assert((amount === null) === (destination === null), 'only a transfer pays somewhere')
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

async function insert(tx: Transaction<Database>, manifest: Manifest, coins: readonly Coin[]) {
  const bytes = encodeManifest(manifest)
  await sql`
    insert into batches (id, rail, state, manifest, manifest_hash, anchor_txid, anchor_vout,
                         total_sats, fee_max_sats, created_ms, expires_ms, purpose, wallet)
    overriding system value
    values (${manifest.batch}, ${manifest.rail}, 'planned', ${bytes}, ${manifestHash(bytes)},
            ${manifest.anchor.txid}, ${manifest.anchor.vout}, ${manifestTotal(manifest)},
            ${manifest.feeMax}, ${manifest.createdAt}, ${manifest.expiresAt},
            ${manifest.purpose}, ${manifest.wallet})`.execute(tx)
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

/** @param wallet whose batches count, or null for either */
async function isUnderWay(
  db: Kysely<Database>,
  purpose: OwnPlan['purpose'],
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

async function currentRate(parts: OwnBatchParts, client: WalletClient): Promise<Sats> {
  const { feeRateMin, feeRateMax } = parts
  const estimate = await client.estimatedFeeRate(parts.confirmWithin)
  const { floor } = await client.mempoolRates()
  return feeRateNow({ estimate, mempoolMin: floor, feeRateMin, feeRateMax })
}
