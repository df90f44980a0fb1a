import type { CoinManifest } from '../../../approval/index.ts'
import type { Sats } from '../../../lib/money.ts'
import type { Approved } from '../../judge-store.ts'
import type { BatchEvent } from '../../payout.ts'
import type { Lease } from '../../rail.ts'
import { type StoreOutcome, storeMoved } from '../../signed-store.ts'
import type { Version } from '../../version-store.ts'
import { signaturesIn } from './cosign.ts'
import { finalAround } from './deposit.ts'
import { L1_BOOKS, type Parts, walletOf } from './l1-parts.ts'
import { orderOf } from './order-rail.ts'
import { feeRateOf, type Order, parseRaw, transactionComplaint, txidOf } from './transaction.ts'
import type { WalletClient } from './wallet-client.ts'

export type SignOutcome =
  | StoreOutcome
  /** Its only signer has signed nothing of the batch, and never will. */
  | { readonly kind: 'closed' }
  /** It is signed, and the mempool would not take it: evidence may say that its anchor is gone. */
  | { readonly kind: 'refused'; readonly reason: string }

/** `prepared` is of what has never left, `bumped` replaces what has. */
type Work = { readonly approved: Approved<CoinManifest>; readonly as: 'prepared' | 'bumped' }

/**
 * Has a stored version signed, and stores what came back only when it is the order and nothing
 * else; the batch moves to `prepared`, and is booked, in the same commit.
 */
export async function signVersion(
  parts: Parts,
  lease: Lease,
  version: Version,
  { approved: { manifest, acts }, as }: Work,
): Promise<SignOutcome> {
  const { client, signer } = walletOf(parts, manifest)
  const signed = await signer.sign({ manifest, acts, psbt: version.unsigned })
  if (signed.kind !== 'signed') return signed
  const order = await orderOf(parts, manifest, version)
  const raw = await finalBytes(client, signed.psbt, order)
  if (raw === null) {
    const reason = `signed in full by ${signaturesIn(signed.psbt)}, and it needs more`
    return { kind: 'waits', reason }
  }
  const wrong = transactionComplaint(raw, order)
  if (wrong !== null || txidOf(raw) !== version.txid) {
    return { kind: 'waits', reason: wrong ?? 'another transaction was signed' }
  }
  const refused = await mempoolComplaint(client, manifest, { raw, fee: version.fee })
  if (refused !== null)
    return { kind: 'refused', reason: `the mempool would refuse it: ${refused}` }
  const { fee } = version
  const event: BatchEvent =
    as === 'prepared'
      ? { kind: 'prepared', fee }
      : { kind: 'bumped', fee, version: version.version }
  return storeMoved({ ...parts, books: L1_BOOKS }, lease, version, { raw, event })
}

/** Made final by the node, which verifies the signatures of our own inputs. */
async function finalBytes(
  client: WalletClient,
  psbt: Uint8Array,
  { treasury }: Order,
): Promise<Uint8Array | null> {
  const made = await client.finalise(psbt)
  if (made.kind === 'final') return parseRaw(made.hex)
  return treasury === null ? null : finalAround(made.psbt, treasury)
}

/**
 * Why the mempool would refuse it, or null. A deposit is not asked about: nodes that know no
 * sidechains relay none, and what they say of it proves nothing.
 */
async function mempoolComplaint(
  client: WalletClient,
  { purpose }: CoinManifest,
  { raw, fee }: { readonly raw: Uint8Array; readonly fee: Sats },
): Promise<string | null> {
  return purpose === 'deposit' ? null : client.mempoolComplaint(raw, feeRateOf(raw, fee))
}
