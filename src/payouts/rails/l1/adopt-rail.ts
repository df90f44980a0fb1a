import type { BatchEvent } from '../../payout.ts'
import { coinManifestOf } from '../../payout-store.ts'
import type { AdoptOutcome, Lease } from '../../rail.ts'
import { storeMoved } from '../../signed-store.ts'
import { type Version, versionsOf } from '../../version-store.ts'
import { L1_BOOKS, type Parts, walletOf } from './l1-parts.ts'
import { orderOf } from './order-rail.ts'
import { parseRaw, transactionComplaint, txidOf } from './transaction.ts'

/**
 * Looks for versions that were begun and whose signed bytes are not stored, though the chain or the
 * mempool has them: a co-signer may finalise and send by himself, and a database may be older than
 * what it sent. Their bytes are taken from the node, checked against the order, and booked as if
 * they had been signed here.
 */
export async function adopt(parts: Parts, lease: Lease): Promise<AdoptOutcome> {
  const versions = await versionsOf(parts.db, lease.batch)
  const begun = versions.filter(({ raw }) => raw === null)
  // What a node says that may be on another chain is believed as little here as anywhere.
  if (begun.length === 0 || (await parts.complaint()) !== null) return { kind: 'nothing' }
  const manifest = await coinManifestOf(parts.db, lease.batch)
  const { client } = walletOf(parts, manifest)
  for (const version of begun) {
    const hex = await client.hexOf(version.txid)
    const raw = hex === null ? null : parseRaw(hex)
    if (raw === null || txidOf(raw) !== version.txid) continue
    if (transactionComplaint(raw, await orderOf(parts, manifest, version)) !== null) continue
    const stored = await storeMoved({ ...parts, books: L1_BOOKS }, lease, version, {
      raw,
      event: eventOf(version, versions),
    })
    return stored.kind === 'prepared' ? { kind: 'adopted' } : stored
  }
  return { kind: 'nothing' }
}

/** Books what it costs more than what is booked; where a dearer one is, settlement sees to it. */
function eventOf({ version, fee }: Version, versions: readonly Version[]): BatchEvent {
  const booked = versions.filter(({ raw }) => raw !== null).map(each => each.fee)
  if (booked.length === 0) return { kind: 'prepared', fee }
  return booked.every(each => each < fee) ? { kind: 'bumped', fee, version } : { kind: 'seen' }
}
