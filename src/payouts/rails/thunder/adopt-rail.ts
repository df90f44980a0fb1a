import type { Txid } from '../../../lib/ids.ts'
import type { ThunderBlock } from '../../../lib/thunder/block.ts'
import { thunderTxid, transactionBytes } from '../../../lib/thunder/transaction.ts'
import { coinManifestOf, mainFeeOfBatch } from '../../payout-store.ts'
import type { AdoptOutcome, Lease } from '../../rail.ts'
import { storeMoved } from '../../signed-store.ts'
import { versionsOf } from '../../version-store.ts'
import { thunderCoinsOf } from './coin-store.ts'
import { orderOf } from './prepare-rail.ts'
import { signedBytes } from './signed.ts'
import { THUNDER_BOOKS } from './thunder-books.ts'
import type { Parts } from './thunder-parts.ts'
import { transactionComplaint } from './transaction.ts'

/**
 * Looks for a version that was begun and whose signed bytes are not stored, though a block has it:
 * a database may be older than what it sent. The bytes are taken from that block, checked against
 * the order, and booked as if they had been signed here.
 */
export async function adopt(parts: Parts, lease: Lease): Promise<AdoptOutcome> {
  const { db, chains } = parts
  const versions = await versionsOf(db, lease.batch)
  const begun = versions.filter(({ raw }) => raw === null)
  if (begun.length === 0 || (await chains.complaint()) !== null) return { kind: 'nothing' }
  const found = await chains.side.find(new Set(begun.map(({ txid }) => txid)), false)
  const version = begun.find(({ txid }) => found?.txids.has(txid))
  if (!found || !version) return { kind: 'nothing' }
  const raw = signedIn(await chains.side.blockOf(found.hash), version.txid)
  const manifest = await coinManifestOf(db, lease.batch)
  const mainFee = await mainFeeOfBatch(db, lease.batch)
  const order = orderOf(manifest, mainFee, await thunderCoinsOf(db, version.coins))
  if (raw === null || transactionComplaint(raw, order) !== null) return { kind: 'nothing' }
  const isFirst = versions.every(each => each.raw === null)
  // Where another version was booked, settlement makes up the difference.
  const event = isFirst ? ({ kind: 'prepared', fee: version.fee } as const) : SEEN
  const stored = await storeMoved({ ...parts, books: THUNDER_BOOKS }, lease, version, {
    raw,
    event,
  })
  return stored.kind === 'prepared' ? { kind: 'adopted' } : stored
}

const SEEN = { kind: 'seen' } as const

/** The transaction of a block with its authorizations, which stand there one after the other. */
function signedIn({ body }: ThunderBlock, id: Txid): Uint8Array | null {
  let from = 0
  for (const transaction of body.transactions) {
    const bytes = transactionBytes(transaction)
    const to = from + transaction.inputs.length
    if (thunderTxid(bytes) === id) return signedBytes(bytes, body.authorizations.slice(from, to))
    from = to
  }
  return null
}
