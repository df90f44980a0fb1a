import { assert } from '../lib/assert.ts'
import { type Sats, sats } from '../lib/money.ts'
import { currentRate } from './child-batch-store.ts'
import type { Asker, OwnBatchOutcome, OwnBatchParts } from './own-batch-store.ts'
import { storeOwnBatch } from './own-manifest-store.ts'
import type { Funds } from './rail.ts'
import { mainFeeAt, planWithdrawal } from './withdrawal-plan.ts'

/** What plans withdrawals besides what plans batches of the main chain. */
export type WithdrawalSource = {
  /** What the rail on Thunder can spend now. */
  readonly funds: () => Promise<Funds>
  /** Of one transaction there. */
  readonly fee: Sats
}

/**
 * Plans a withdrawal to a fresh address of the hot wallet, which no other withdrawal pays: Thunder
 * makes one output of all that go to one address, and what arrives would be nobody's in particular.
 * Only for people: the money is away for months. Node trouble is thrown.
 */
export async function planOwnWithdrawal(
  parts: OwnBatchParts,
  amount: Sats,
  asker: Extract<Asker, { kind: 'operator' }>,
): Promise<OwnBatchOutcome> {
  const { thunder, wallets, feeRateMax } = parts
  const hot = wallets.find(({ wallet }) => wallet === 'hot')?.client
  if (thunder === null || hot === undefined) return nothing('there is no Thunder to withdraw from')
  const stopped = await parts.frozen('thunder')
  if (stopped !== null) return nothing(stopped)
  const funds = await thunder.funds()
  if (funds.kind === 'waits') return nothing(funds.reason)
  assert(funds.kind === 'coins', 'Thunder is paid with coins')
  const rate = await currentRate(parts, hot)
  const mainFee = mainFeeAt(sats(rate < feeRateMax ? rate : feeRateMax))
  const made = planWithdrawal(funds.coins, { amount, fee: thunder.fee, mainFee })
  if (made.kind === 'nothing') return made
  const change = await funds.newChange()
  const destination = await hot.newAddress()
  const onThunder = { ...parts, rail: 'thunder' }
  return parts.db
    .transaction()
    .execute(tx => storeOwnBatch(tx, onThunder, { plan: made.plan, change, destination, asker }))
}

function nothing(reason: string): OwnBatchOutcome {
  return { kind: 'nothing', reason }
}
