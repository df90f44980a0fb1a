import type { Kysely } from 'kysely'
import type { SpendPolicy } from '../approval/index.ts'
import { balancesOf } from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import type { Database, Wallet } from '../lib/db/schema.ts'
import type { BatchId } from '../lib/ids.ts'
import type { Job } from '../lib/job-runner.ts'
import type { Log } from '../lib/log.ts'
import type { Sats } from '../lib/money.ts'
import type { ThunderAddress } from '../lib/thunder/address.ts'
import type { Clock } from '../lib/time.ts'
import { currentRate, planChildOf, stuckBatches } from './child-batch-store.ts'
import { isNodeTrouble } from './node-trouble-client.ts'
import {
  type FloatRule,
  floatMove,
  type OwnPlan,
  type OwnPlanOutcome,
  type Purse,
  planChannel,
  planConsolidation,
  planDeposit,
  planTransfer,
} from './own-batch.ts'
import { isUnderWay, storeOwnBatch } from './own-manifest-store.ts'
import { floatAccount, ownCoins } from './rails/l1/coin-store.ts'
import { otherWallet } from './rails/l1/coins.ts'
import type { FloatWallet } from './reconcile-store.ts'
import { planOwnWithdrawal, type WithdrawalSource } from './withdrawal-plan-store.ts'

const LOOK_EVERY_MS = 60_000

export type OwnBatchParts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly network: Network
  readonly rail: string
  readonly wallets: readonly FloatWallet[]
  /** Where deposits are credited on Thunder, an address of ours; null where none are made. */
  readonly depositAddress: ThunderAddress | null
  /** Of our lnd's own wallet; null where no channels are filled from here. */
  readonly channelAddress: string | null
  /** What withdrawals from Thunder are planned with; null where none are. */
  readonly thunder: WithdrawalSource | null
  /** Confirmations that a coin must have. */
  readonly finality: number
  /** Fee rates, satoshis a thousand virtual bytes. */
  readonly feeRateMin: Sats
  readonly feeRateMax: Sats
  readonly confirmWithin: number
  /** Blocks that a transaction has before it counts as too slow. */
  readonly bumpAfterBlocks: number
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
  /** Brings an amount to Thunder. */
  | { readonly kind: 'deposit'; readonly from: Wallet; readonly amount: Sats }
  /** Brings an amount to the wallet of our lnd, for a channel. */
  | { readonly kind: 'channel'; readonly from: Wallet; readonly amount: Sats }
  /** Brings an amount back from Thunder, months later. */
  | { readonly kind: 'withdrawal'; readonly amount: Sats }
  /** Pays for a batch that is on its way and too slow. */
  | { readonly kind: 'cpfp'; readonly parent: BatchId }

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
  for (const parent of await stuckBatches(parts)) wishes.push({ kind: 'cpfp', parent })
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
  if (wish.kind === 'withdrawal') {
    assert(asker.kind === 'operator', 'only people ask for what is away for months')
    return planOwnWithdrawal(parts, wish.amount, asker)
  }
  const stopped = await parts.frozen(parts.rail)
  if (stopped !== null) return { kind: 'nothing', reason: stopped }
  const made =
    wish.kind === 'cpfp' ? await planChildOf(parts, wish.parent) : await planOf(parts, wish)
  if (made.kind === 'nothing') return made
  const { plan } = made
  const clientOf = (name: Wallet) => parts.wallets.find(({ wallet }) => wallet === name)?.client
  // The node is asked before any lock is held; what it answered is checked again behind it.
  const change = await clientOf(plan.wallet)?.newChangeAddress()
  const destination = await destinationOf(parts, plan)
  if (change === undefined || destination === undefined)
    return { kind: 'nothing', reason: 'there is no such place to move it to' }
  return parts.db
    .transaction()
    .execute(tx => storeOwnBatch(tx, parts, { plan, change, destination, asker }))
}

/** @returns null where it goes nowhere, undefined where there is no such place */
async function destinationOf(
  { wallets, depositAddress, channelAddress }: OwnBatchParts,
  plan: OwnPlan,
): Promise<string | null | undefined> {
  switch (plan.purpose) {
    case 'transfer':
      return wallets.find(({ wallet }) => wallet === otherWallet(plan.wallet))?.client.newAddress()
    case 'deposit':
      return depositAddress ?? undefined
    case 'channel':
      return channelAddress ?? undefined
    case 'consolidation':
    case 'cpfp':
      return null
    default:
      return unreachable(plan.purpose)
  }
}

async function planOf(
  parts: OwnBatchParts,
  wish: Exclude<OwnWish, { kind: 'cpfp' | 'withdrawal' }>,
): Promise<OwnPlanOutcome> {
  const { db, wallets, finality, feeRateMax } = parts
  const from = wish.kind === 'consolidation' ? wish.wallet : wish.from
  const client = wallets.find(({ wallet }) => wallet === from)?.client
  if (!client) return { kind: 'nothing', reason: `there is no ${from} wallet` }
  const { free } = await ownCoins(db, from, await client.coins(finality))
  const purse: Purse = { wallet: from, free, multisigWeight: client.multisigWeight }
  switch (wish.kind) {
    case 'consolidation':
      return planConsolidation(purse, feeRateMax)
    case 'transfer':
      return planTransfer(purse, wish.amount, feeRateMax)
    case 'deposit':
      return planDeposit(purse, wish.amount, feeRateMax)
    case 'channel':
      return planChannel(purse, wish.amount, feeRateMax)
    default:
      return unreachable(wish)
  }
}
