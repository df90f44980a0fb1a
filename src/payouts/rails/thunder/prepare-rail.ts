import type { CoinManifest, SignedAct } from '../../../approval/index.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import { spendsAll } from '../../outpoint.ts'
import { coinManifestOf, mainFeeOfBatch } from '../../payout-store.ts'
import type { Lease, PrepareOutcome } from '../../rail.ts'
import { storeMoved } from '../../signed-store.ts'
import {
  coinsOf,
  storeIntent,
  VERSIONS_MAX,
  type Version,
  versionsOf,
} from '../../version-store.ts'
import { thunderCoinsOf } from './coin-store.ts'
import type { CoinEvidence } from './evidence.ts'
import { coinFates } from './evidence-client.ts'
import { judge } from './judge-rail.ts'
import { paymentsOf, plannedAddress } from './payments.ts'
import { signedBytes, txidOf } from './signed.ts'
import { THUNDER_BOOKS } from './thunder-books.ts'
import type { Asks, Parts } from './thunder-parts.ts'
import {
  buildTransaction,
  mainFeeOf,
  type Order,
  outpointOf,
  type ThunderCoin,
  transactionComplaint,
} from './transaction.ts'

/**
 * Builds, stores, signs and stores again the first version of an approved batch. What was begun is
 * ended: it may be signed already, so neither time nor a coin that is late undoes it, only proof
 * that its anchor went elsewhere.
 *
 * @param asks for the evidence of a batch
 */
export async function prepare(parts: Parts, asks: Asks, lease: Lease): Promise<PrepareOutcome> {
  const { db, clock, chains } = parts
  const manifest = await coinManifestOf(db, lease.batch)
  const stored = (await versionsOf(db, lease.batch))[0] ?? null
  // Before anything could be signed, time ends it, whatever else it waits for.
  if (!stored && clock.now() >= manifest.expiresAt) return { kind: 'expired' }
  const deadOr = async (reason: string): Promise<PrepareOutcome> => {
    const evidence = await asks(lease.batch)
    if (evidence.kind === 'dead') return evidence
    return { kind: 'waits', reason: 'reason' in evidence ? evidence.reason : reason }
  }
  const judgement = await judge(parts, manifest)
  if (judgement.kind === 'refused')
    return stored ? deadOr(judgement.reason) : { kind: 'waits', reason: judgement.reason }
  const reason = (await chains.complaint()) ?? (await chains.stall())
  if (reason !== null) return stored ? deadOr(reason) : { kind: 'waits', reason }
  const held = await thunderCoinsOf(db, await coinsOf(db, lease.batch, manifest.anchor))
  const fates = await coinFates(parts, held)
  if (fates[0]?.fate.kind !== 'unspent') return deadOr('its anchor is not unspent')
  const coins = held.filter((_, at) => !isLost(fates[at], parts.options.finality))
  const mainFee = await mainFeeOfBatch(db, lease.batch)
  const order = orderOf(manifest, mainFee, coins)
  const version = await versionToSign(parts, lease, order, stored)
  if (version.kind !== 'version') return version
  const { acts } = judgement.approved
  return sign(parts, lease, { manifest, mainFee, acts, version: version.version, held })
}

/** What a version must be that spends these coins. */
export function orderOf(
  manifest: CoinManifest,
  mainFee: Sats,
  coins: readonly ThunderCoin[],
): Order {
  const { anchor, change, feeMax } = manifest
  const payments = paymentsOf(manifest, mainFee)
  return { anchor, coins, payments, change: plannedAddress(change), feeMax }
}

/** A coin that something foreign has spent for good: a version goes without it. */
function isLost(evidence: CoinEvidence | undefined, finality: number): boolean {
  if (evidence?.fate.kind !== 'spent') return false
  const { place } = evidence.fate
  return place?.kind === 'on chain' && place.confirmations >= finality
}

type ToSign = { readonly kind: 'version'; readonly version: Version } | PrepareOutcome

/** What was begun, or the next version where that one spends a coin that is gone. */
async function versionToSign(
  { db, clock, options }: Parts,
  lease: Lease,
  order: Order,
  stored: Version | null,
): Promise<ToSign> {
  const coins = order.coins.map(outpointOf)
  if (stored && spendsAll(stored.coins, coins)) return { kind: 'version', version: stored }
  if (stored && stored.version >= VERSIONS_MAX)
    return { kind: 'waits', reason: 'it has too many versions' }
  const most = order.feeMax - mainFeeOf(order.payments)
  const fee = options.fee < most ? options.fee : most
  if (fee < 0n) return { kind: 'waits', reason: 'its main fee is more than was approved' }
  const built = buildTransaction(order, sats(fee))
  if (built.kind !== 'built')
    return { kind: 'waits', reason: 'a coin of it is gone, and the others do not pay it' }
  const version = {
    version: (stored?.version ?? 0) + 1,
    ...{ txid: built.txid, fee: sats(fee), unsigned: built.bytes, coins },
    createdAt: clock.now(),
  }
  if (!(await storeIntent(db, lease, version, ['approved']))) return { kind: 'fenced' }
  return { kind: 'version', version: { ...version, raw: null } }
}

/** Has a stored version signed, and stores what came back only when it is the order. */
async function sign(
  parts: Parts,
  lease: Lease,
  {
    manifest,
    mainFee,
    acts,
    version,
    held,
  }: {
    readonly manifest: CoinManifest
    readonly mainFee: Sats
    readonly acts: readonly SignedAct[]
    readonly version: Version
    readonly held: readonly ThunderCoin[]
  },
): Promise<PrepareOutcome> {
  const coins = held.filter(coin => version.coins.some(each => isCoin(each, coin)))
  const bytes = version.unsigned
  const signed = await parts.signer.sign({ manifest, acts, bytes, coins })
  if (signed.kind === 'waits') return signed
  // The host alone holds these keys, so that its word ends the batch.
  if (signed.kind === 'closed') return { kind: 'expired' }
  const raw = signedBytes(bytes, signed.authorizations)
  const wrong = transactionComplaint(raw, orderOf(manifest, mainFee, coins))
  if (wrong !== null || txidOf(raw) !== version.txid)
    return { kind: 'waits', reason: `of what was signed: ${wrong ?? 'it is another transaction'}` }
  const event = { kind: 'prepared', fee: version.fee } as const
  return storeMoved({ ...parts, books: THUNDER_BOOKS }, lease, version, { raw, event })
}

function isCoin(name: Version['coins'][number], coin: ThunderCoin): boolean {
  return spendsAll([name], [outpointOf(coin)])
}
