import type { CoinManifest } from '../../../approval/index.ts'
import type { BatchId } from '../../../lib/ids.ts'
import { spendsAll } from '../../outpoint.ts'
import { coinManifestOf } from '../../payout-store.ts'
import type { CheckOutcome, Lease, PrepareOutcome } from '../../rail.ts'
import { storeIntent, VERSIONS_MAX, type Version, versionsOf } from '../../version-store.ts'
import { feeRate } from './fee-rate-client.ts'
import { judge } from './judge-rail.ts'
import { type Parts, walletOf } from './l1-parts.ts'
import { nextOrder } from './order-rail.ts'
import { signVersion } from './sign-rail.ts'
import { buildTransaction, feeFor, type Order, spentBy, weightOf } from './transaction.ts'

/**
 * Builds, stores, signs and stores again the first version of an approved batch. What was begun is
 * ended: it may be signed already, so neither time nor fees undo it, only proof that its anchor
 * went elsewhere, or its only signer's word that it signed nothing and never will.
 *
 * @param asks for the evidence of a batch
 */
export async function prepare(
  parts: Parts,
  asks: (batch: BatchId) => Promise<CheckOutcome>,
  lease: Lease,
): Promise<PrepareOutcome> {
  const { db } = parts
  const manifest = await coinManifestOf(db, lease.batch)
  const stored = (await versionsOf(db, lease.batch))[0] ?? null
  // Before anything could be signed, time ends it, whatever else it waits for.
  if (!stored && parts.clock.now() >= manifest.expiresAt) return { kind: 'expired' }
  const deadOr = async (reason: string): Promise<PrepareOutcome> => {
    const evidence = await asks(lease.batch)
    if (evidence.kind === 'dead') return evidence
    return { kind: 'waits', reason: 'reason' in evidence ? evidence.reason : reason }
  }
  const judgement = await judge(parts, manifest)
  if (judgement.kind === 'refused') return stored ? deadOr(judgement.reason) : waits(judgement)
  const reason = await parts.complaint()
  if (reason !== null) return stored ? deadOr(reason) : { kind: 'waits', reason }
  if (!(await anchorIsThere(parts, manifest))) return deadOr('its anchor is spent')
  const version = await versionToSign(parts, lease, manifest, stored)
  if (version.kind !== 'version') return version
  const work = { approved: judgement.approved, as: 'prepared' } as const
  const signed = await signVersion(parts, lease, version.version, work)
  if (signed.kind === 'closed') return { kind: 'expired' }
  return signed.kind === 'refused' ? deadOr(signed.reason) : signed
}

function waits({ reason }: { readonly reason: string }): PrepareOutcome {
  return { kind: 'waits', reason }
}

type ToSign = { readonly kind: 'version'; readonly version: Version } | PrepareOutcome

/** What was begun, or the next version where that one can no longer confirm. */
async function versionToSign(
  parts: Parts,
  lease: Lease,
  manifest: CoinManifest,
  stored: Version | null,
): Promise<ToSign> {
  const { client } = walletOf(parts, manifest)
  const next = await nextOrder(parts, manifest)
  if (next.kind === 'waits') return next
  const { order } = next
  if (stored && (await isStillGood(parts, stored, order)))
    return { kind: 'version', version: stored }
  if (stored && stored.version >= VERSIONS_MAX)
    return { kind: 'waits', reason: 'it has too many versions' }
  // A child pays exactly what was approved: its parent's size is not in its own weight.
  const fee =
    manifest.purpose === 'cpfp' ? order.feeMax : feeFor(weightOf(order), await feeRate(parts))
  const built = buildTransaction(order, fee)
  switch (built.kind) {
    case 'too dear':
      return { kind: 'waits', reason: `it would cost ${fee} sat, approved are ${order.feeMax}` }
    case 'too poor':
      return { kind: 'waits', reason: 'a coin of it is gone, and the others do not pay it' }
    case 'built': {
      const version = {
        version: (stored?.version ?? 0) + 1,
        txid: built.txid,
        ...{ fee, unsigned: await client.describe(built.psbt), coins: spentBy(order) },
        createdAt: parts.clock.now(),
      }
      if (!(await storeIntent(parts.db, lease, version, ['approved']))) return { kind: 'fenced' }
      return { kind: 'version', version: { ...version, raw: null } }
    }
  }
}

/** One whose coin is gone, or that mempools would drop for its fee, waits for nothing. */
async function isStillGood({ hot }: Parts, stored: Version, order: Order): Promise<boolean> {
  if (!spendsAll(stored.coins, spentBy(order))) return false
  const { floor } = await hot.client.mempoolRates()
  return stored.fee >= feeFor(weightOf(order), floor)
}

/** A child's anchor is an output that no block has yet; any other is confirmed. */
function anchorIsThere(parts: Parts, manifest: CoinManifest): Promise<boolean> {
  const { client } = walletOf(parts, manifest)
  const { anchor, purpose } = manifest
  return purpose === 'cpfp' ? client.isInMempoolOrChain(anchor) : client.isUnspent(anchor)
}
