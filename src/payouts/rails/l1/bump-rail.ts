import type { BatchId } from '../../../lib/ids.ts'
import { ceilDiv } from '../../../lib/money.ts'
import { manifestOf } from '../../payout-store.ts'
import type { BumpOutcome, CheckOutcome, Lease } from '../../rail.ts'
import { type BumpDecision, decideBump } from './bump.ts'
import { feeRate } from './fee-rate-client.ts'
import { type Parts, walletOf } from './l1-parts.ts'
import { approvedBatch } from './prepare-rail.ts'
import { type Approved, signVersion } from './sign-rail.ts'
import { buildTransaction, weightOf } from './transaction.ts'
import {
  blocksSince,
  storeIntent,
  VERSIONS_MAX,
  type Version,
  versionsOf,
} from './version-store.ts'

/**
 * Replaces what was sent, where it is too slow, by a version that pays a higher fee within what was
 * approved. The one that was sent stays valid: whichever a miner takes pays the batch.
 *
 * @param asks for the evidence of a batch
 */
export async function bump(
  parts: Parts,
  asks: (batch: BatchId) => Promise<CheckOutcome>,
  lease: Lease,
): Promise<BumpOutcome> {
  const evidence = await asks(lease.batch)
  const isOpen = evidence.kind === 'missing' || isUnconfirmed(evidence)
  if (!isOpen) return { kind: 'stays' }
  const versions = await versionsOf(parts.db, lease.batch)
  const [newest] = versions
  const sent = versions.find(({ raw }) => raw !== null)
  if (!newest || !sent) return { kind: 'stays' }
  const approved = await approvedBatch(parts, await manifestOf(parts.db, lease.batch))
  // A version that was begun is ended first: its co-signers may be at it.
  if (newest.raw === null) return signed(parts, lease, approved, newest)
  const decision = await decide(parts, approved, sent)
  if (decision.kind !== 'bump') return decision
  if (newest.version >= VERSIONS_MAX) return { kind: 'waits', reason: 'it has too many versions' }
  const built = buildTransaction(approved.order, decision.fee)
  if (built.kind !== 'built')
    return { kind: 'waits', reason: `a fee of ${decision.fee} sat leaves it ${built.kind}` }
  const version = {
    version: newest.version + 1,
    txid: built.txid,
    fee: decision.fee,
    psbt: await walletOf(parts, approved.manifest).client.describe(built.psbt),
    coins: approved.order.coins,
    createdAt: parts.clock.now(),
  }
  if (!(await storeIntent(parts.db, lease, version, ['sent', 'uncertain'])))
    return { kind: 'fenced' }
  return signed(parts, lease, approved, { ...version, raw: null })
}

function isUnconfirmed(evidence: CheckOutcome): boolean {
  return evidence.kind === 'waiting' && evidence.confirmations === 0
}

async function signed(
  parts: Parts,
  lease: Lease,
  approved: Approved,
  version: Version,
): Promise<BumpOutcome> {
  const outcome = await signVersion(parts, lease, { ...approved, as: 'bumped' }, version)
  switch (outcome.kind) {
    case 'prepared':
      return { kind: 'bumped' }
    case 'refused':
      return { kind: 'waits', reason: outcome.reason }
    case 'waits':
    case 'fenced':
      return outcome
  }
}

async function decide(parts: Parts, approved: Approved, sent: Version): Promise<BumpDecision> {
  const { client } = walletOf(parts, approved.manifest)
  const { anchor, feeMax } = approved.manifest
  const there = await client.mempoolSpender(anchor)
  return decideBump({
    sentFee: sent.fee,
    inMempool: there === null ? null : await client.mempoolFees(there),
    vsize: ceilDiv(BigInt(weightOf(approved.order)), 4n),
    rates: { wanted: await feeRate(parts), ...(await client.mempoolRates()) },
    blocksWaited: await blocksSince(parts.db, sent.createdAt),
    bumpAfterBlocks: parts.options.bumpAfterBlocks,
    feeMax,
  })
}
