import { assert, unreachable } from '../lib/assert.ts'
import { equalBytes, toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest } from '../lib/ids.ts'
import { MAX_MONEY_SATS, type Sats, sats } from '../lib/money.ts'
import { parseThunderAddress } from '../lib/thunder/address.ts'
import { canonicalJson } from './canonical.ts'
import {
  type CoinManifest,
  type LineManifest,
  type Manifest,
  type ManifestPayee,
  manifestSchema,
} from './manifest-shape.ts'
import { taggedHash } from './tagged-hash.ts'

/** A manifest larger than this is not read: 1,000 payees take about a tenth of it. */
export const MANIFEST_BYTES_MAX = 4_000_000
/** The one rail whose batches are many payments. */
const LINE_RAIL = 'lightning'

/** Sum of what the payees get, without the fee. */
export function manifestTotal(manifest: Manifest): Sats {
  return sats(manifest.payees.reduce((sum, payee) => sum + payee.amount, 0n))
}

/**
 * The canonical bytes: JSON in UTF-8 with sorted keys and no spaces, whole numbers of money and ids
 * as decimal text. One manifest has one spelling, so that it has one hash.
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  assert(isOrdered(manifest), 'payees, payouts and aliases are sorted, each once')
  assert(fitsPurpose(manifest), 'a batch pays whom its purpose says')
  assert(manifest.createdAt < manifest.expiresAt, 'a manifest expires after it is made')
  const { feeMax, payees, ...rest } = manifest
  const written = payees.map(({ amount, ...each }: ManifestPayee) => ({
    ...writtenFee(each),
    amountSats: amount,
  }))
  const bytes = utf8(canonicalJson({ ...rest, feeMaxSats: feeMax, payees: written }))
  assert(bytes.length <= MANIFEST_BYTES_MAX, 'a manifest is small enough to be read again')
  return bytes
}

/**
 * Reads canonical bytes, and nothing that only looks like them: an unknown or missing field, a
 * space, another order of keys or another spelling of a number is refused.
 *
 * @returns null when encoding the result would not give the same bytes
 */
export function decodeManifest(bytes: Uint8Array): Manifest | null {
  if (bytes.length > MANIFEST_BYTES_MAX) return null
  const manifest = manifestFromJson(parseJson(bytes))
  return manifest !== null && equalBytes(encodeManifest(manifest), bytes) ? manifest : null
}

/**
 * Reads a manifest that came as JSON in whatever spelling, for example in a reply of the API.
 * Whoever signs encodes it again, so that what was read is what the hash is of.
 *
 * @returns null unless it has exactly the fields of a manifest and they make sense together
 */
export function manifestFromJson(json: unknown): Manifest | null {
  const parsed = manifestSchema.safeParse(json)
  if (!parsed.success) return null
  const manifest = parsed.data
  const paid = manifest.payees.reduce((sum, { amount }) => sum + amount, 0n)
  const isSound = paid <= MAX_MONEY_SATS && isOrdered(manifest)
  return isSound && fitsPurpose(manifest) && manifest.createdAt < manifest.expiresAt
    ? manifest
    : null
}

/** What approvals bind to: a tagged hash of the canonical bytes. */
export function manifestHash(bytes: Uint8Array): Digest {
  return digest(toHex(taggedHash('sidepool/manifest/2', bytes)))
}

function writtenFee<T extends object>(each: T & { readonly feeMax?: Sats }) {
  const { feeMax, ...rest } = each
  return feeMax === undefined ? rest : { ...rest, feeMaxSats: feeMax }
}

function fitsPurpose(manifest: Manifest): boolean {
  return manifest.version === 2 ? fitsCoins(manifest) : fitsLines(manifest)
}

function fitsLines({ purpose, rail, wallet, payees, feeMax }: LineManifest): boolean {
  const fees = payees.reduce((sum, line) => sum + line.feeMax, 0n)
  const isPayout = purpose === 'payout' && payees.length > 0
  const isOurs = rail === LINE_RAIL && wallet === 'hot' && fees === feeMax
  return isPayout && isOurs && payees.every(({ payouts }) => payouts.length > 0)
}

function fitsCoins({ purpose, rail, payees }: CoinManifest): boolean {
  const isOfOneWithoutPayouts = payees.length === 1 && payees[0]?.payouts.length === 0
  if (rail === LINE_RAIL) return false
  switch (purpose) {
    case 'payout':
      return payees.length > 0 && payees.every(({ payouts }) => payouts.length > 0)
    case 'transfer':
      return isOfOneWithoutPayouts
    case 'deposit':
      // In any form but the bare one, what is deposited is lost.
      return rail === 'l1' && isOfOneWithoutPayouts && isBareAddress(payees[0]?.destination ?? '')
    case 'channel':
      return rail === 'l1' && isOfOneWithoutPayouts
    case 'withdrawal':
      return rail === 'thunder' && isOfOneWithoutPayouts
    case 'consolidation':
    case 'cpfp':
      return payees.length === 0
    default:
      return unreachable(purpose)
  }
}

function isBareAddress(text: string): boolean {
  const parsed = parseThunderAddress(text)
  return parsed.kind === 'thunder' && parsed.address === text
}

function isOrdered({ payees, excluded }: Manifest): boolean {
  const destinations = payees.map(payee => payee.destination)
  const rises = <T extends string | bigint>(items: readonly T[]) =>
    items.every((item, index) => index === 0 || (items[index - 1] ?? item) < item)
  const ids = payees.flatMap(payee => payee.payouts)
  return (
    rises(destinations) &&
    rises(excluded) &&
    payees.every(payee => rises(payee.payouts)) &&
    new Set(ids).size === ids.length
  )
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return null
  }
}
