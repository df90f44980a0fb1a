import type { BatchId } from '../../../lib/ids.ts'
import { actsOn, type Manifest, verdictText } from '../../../treasury/index.ts'
import { judgeBatch } from '../../decide-store.ts'
import { factsComplaint } from '../../facts-store.ts'
import { manifestOf } from '../../payout-store.ts'
import type { CheckOutcome, Coin, Lease, PrepareOutcome } from '../../rail.ts'
import { addressScript } from './destination.ts'
import { feeRate } from './fee-rate-client.ts'
import { type Parts, walletOf } from './l1-parts.ts'
import { type Approved, signVersion } from './sign-rail.ts'
import { buildTransaction, feeFor, type Order, weightOf } from './transaction.ts'
import { coinsOf, storeIntent, type Version, versionsOf } from './version-store.ts'

/**
 * Builds, stores, signs and stores again the first version of an approved batch. What was begun is
 * ended: it may be signed already, so neither time nor fees undo it, only proof that its anchor
 * went elsewhere.
 *
 * @param asks for the evidence of a batch
 */
export async function prepare(
  parts: Parts,
  asks: (batch: BatchId) => Promise<CheckOutcome>,
  lease: Lease,
): Promise<PrepareOutcome> {
  const { db } = parts
  const manifest = await manifestOf(db, lease.batch)
  const stored = (await versionsOf(db, lease.batch))[0] ?? null
  // Before anything could be signed, time ends it, whatever else it waits for.
  if (!stored && parts.clock.now() >= manifest.expiresAt) return { kind: 'expired' }
  const deadOr = async (reason: string): Promise<PrepareOutcome> => {
    const evidence = await asks(lease.batch)
    if (evidence.kind === 'dead') return evidence
    return { kind: 'waits', reason: 'reason' in evidence ? evidence.reason : reason }
  }
  const reason = (await refusal(parts, manifest)) ?? (await parts.complaint())
  if (reason !== null) return stored ? deadOr(reason) : { kind: 'waits', reason }
  if (!(await anchorIsThere(parts, manifest))) return deadOr('its anchor is spent')
  const approved = await approvedBatch(parts, manifest)
  const version = await versionToSign(parts, lease, approved, stored)
  if (version.kind !== 'version') return version
  const signed = await signVersion(parts, lease, { ...approved, as: 'prepared' }, version.version)
  return signed.kind === 'refused' ? deadOr(signed.reason) : signed
}

/** A batch with what stands on it and what a version of it must be, of the coins it has now. */
export async function approvedBatch(parts: Parts, manifest: Manifest): Promise<Approved> {
  const { db, options } = parts
  const acts = await actsOn(db, manifest.batch)
  const order: Order = {
    coins: await liveCoins(parts, manifest),
    payments: manifest.payees.map(({ destination, amount }) => ({
      script: addressScript(destination, options.network),
      amount,
    })),
    changeScript: addressScript(manifest.change, options.network),
    feeMax: manifest.feeMax,
  }
  return { manifest, acts, order }
}

type ToSign = { readonly kind: 'version'; readonly version: Version } | PrepareOutcome

/** What was begun, or the next version where a coin of it is gone for good. */
async function versionToSign(
  parts: Parts,
  lease: Lease,
  { manifest, order }: Approved,
  stored: Version | null,
): Promise<ToSign> {
  if (stored && spendsAll(stored, order.coins)) return { kind: 'version', version: stored }
  const fee = feeFor(weightOf(order), await feeRate(parts))
  const built = buildTransaction(order, fee)
  switch (built.kind) {
    case 'too dear':
      return { kind: 'waits', reason: `it would cost ${fee} sat, approved are ${order.feeMax}` }
    case 'too poor':
      return { kind: 'waits', reason: 'a coin of it is gone, and the others do not pay it' }
    case 'built': {
      const psbt = await walletOf(parts, manifest).client.describe(built.psbt)
      const version = {
        version: (stored?.version ?? 0) + 1,
        txid: built.txid,
        ...{ fee, psbt, coins: order.coins },
        createdAt: parts.clock.now(),
      }
      if (!(await storeIntent(parts.db, lease, version, ['approved']))) return { kind: 'fenced' }
      return { kind: 'version', version: { ...version, raw: null } }
    }
  }
}

function spendsAll(version: Version, coins: readonly Coin[]): boolean {
  const names = (list: readonly Pick<Coin, 'txid' | 'vout'>[]) =>
    list.map(({ txid, vout }) => `${txid}:${vout}`).join()
  return names(version.coins) === names(coins)
}

/** Checks what a wallet, which may sign anything, does not: who approved, and what. */
async function refusal(parts: Parts, manifest: Manifest): Promise<string | null> {
  const { db, clock, policy, options } = parts
  if (manifest.network !== options.network || manifest.rail !== 'l1')
    return 'it is not for this rail'
  const verdict = await judgeBatch(db, await policy(), manifest.batch, clock.now())
  if (verdict.kind !== 'approved') return verdictText(verdict)
  const wrong = await factsComplaint(db, manifest)
  if (wrong !== null) return wrong
  const { client } = walletOf(parts, manifest)
  return (await client.isOurs(manifest.change))
    ? null
    : 'its change is not an address of the wallet'
}

/** A child's anchor is an output that no block has yet; any other is confirmed. */
function anchorIsThere(parts: Parts, manifest: Manifest): Promise<boolean> {
  const { client } = walletOf(parts, manifest)
  const { anchor, purpose } = manifest
  return purpose === 'cpfp' ? client.isInMempoolOrChain(anchor) : client.isUnspent(anchor)
}

/**
 * The batch's coins without those that something foreign has spent for good: a later version goes
 * without them. The anchor stays, since without it nothing is a version of this batch.
 */
async function liveCoins(parts: Parts, manifest: Manifest): Promise<readonly Coin[]> {
  const { client } = walletOf(parts, manifest)
  const [anchor, ...others] = await coinsOf(parts.db, manifest.batch, manifest.anchor)
  const own = new Set((await versionsOf(parts.db, manifest.batch)).map(({ txid }) => txid))
  const kept: Coin[] = anchor ? [anchor] : []
  for (const coin of others) {
    if (await client.isUnspent(coin)) kept.push(coin)
    else {
      const by = await client.spenderOf(coin)
      const depth = by === null ? 0 : await client.depthOf(by)
      if (by === null || own.has(by) || depth < parts.options.finality) kept.push(coin)
    }
  }
  return kept
}
