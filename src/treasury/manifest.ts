import { z } from 'zod'
import { assert } from '../lib/assert.ts'
import { equalBytes, toHex, utf8 } from '../lib/bytes.ts'
import {
  type BatchId,
  batchId,
  type Digest,
  digest,
  type PayoutId,
  payoutId,
  type Txid,
  txid,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { MAX_MONEY_SATS, type Sats, sats } from '../lib/money.ts'
import { taggedHash } from './tagged-hash.ts'

/** A manifest larger than this is not read: 1,000 payees take about a tenth of it. */
export const MANIFEST_BYTES_MAX = 4_000_000

/** One destination's part: every payout to it added up, since a transaction pays it once. */
export type ManifestPayee = {
  /** In the rail's canonical spelling, for example a bech32 address in lower case. */
  readonly destination: string
  readonly amount: Sats
  /** Ascending. */
  readonly payouts: readonly PayoutId[]
}

/**
 * What an operator approves: who gets how much, at most for what fee, until when. The transaction
 * is not in it; whatever is built later spends the anchor, so one approval covers one payment.
 */
export type Manifest = {
  readonly version: 1
  readonly batch: BatchId
  /** The network's name, so that an approval on one never counts on another. */
  readonly network: string
  readonly rail: string
  /** Sorted by destination, each once. */
  readonly payees: readonly ManifestPayee[]
  /** The largest fee of the whole transaction. */
  readonly feeMax: Sats
  /** The coin that every version of the transaction spends as its first input. */
  readonly anchor: { readonly txid: Txid; readonly vout: number }
  /** Where what is left over goes: an address of our own wallet. */
  readonly change: string
  readonly createdAt: UnixMs
  /** From this instant on nothing new is signed. */
  readonly expiresAt: UnixMs
  /** The version of the policy in force when it was made. */
  readonly policyVersion: number
  /** Who asked for it, for example `plan:daily`. */
  readonly createdBy: string
}

const decimal = z
  .string()
  .regex(/^(0|[1-9]\d{0,18})$/)
  .transform(BigInt)
const money = decimal.refine(n => n <= MAX_MONEY_SATS).transform(sats)
const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const word = z.string().min(1).max(320)
const time = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).transform(unixMs)
const id = decimal.refine(n => n > 0n)

const manifestSchema = z.strictObject({
  anchor: z.strictObject({
    txid: hex64.transform(txid),
    vout: z.number().int().min(0).max(0xffffffff),
  }),
  batch: id.transform(batchId),
  change: word,
  createdAt: time,
  createdBy: word,
  expiresAt: time,
  feeMaxSats: money,
  network: word,
  payees: z
    .array(
      z.strictObject({
        amountSats: money.refine(amount => amount > 0n),
        destination: word,
        payouts: z.array(id.transform(payoutId)).min(1),
      }),
    )
    .min(1),
  policyVersion: z.number().int().min(0),
  rail: word,
  version: z.literal(1),
})

/** Sum of what the payees get, without the fee. */
export function manifestTotal(manifest: Manifest): Sats {
  return sats(manifest.payees.reduce((sum, payee) => sum + payee.amount, 0n))
}

/**
 * The canonical bytes: JSON in UTF-8 with sorted keys and no spaces, whole numbers of money and ids
 * as decimal text. One manifest has one spelling, so that it has one hash.
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  assert(isOrdered(manifest), 'payees and their payouts are sorted, each once')
  assert(manifest.createdAt < manifest.expiresAt, 'a manifest expires after it is made')
  const { feeMax, payees, ...rest } = manifest
  const bytes = utf8(
    canonicalJson({
      ...rest,
      feeMaxSats: feeMax,
      payees: payees.map(({ amount, ...payee }) => ({ ...payee, amountSats: amount })),
    }),
  )
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
  const { feeMaxSats, payees, ...rest } = parsed.data
  const manifest: Manifest = {
    ...rest,
    feeMax: feeMaxSats,
    payees: payees.map(({ amountSats, ...payee }) => ({ ...payee, amount: amountSats })),
  }
  const paid = payees.reduce((sum, payee) => sum + payee.amountSats, 0n)
  if (paid > MAX_MONEY_SATS || !isOrdered(manifest)) return null
  return manifest.createdAt < manifest.expiresAt ? manifest : null
}

/** What approvals bind to: a tagged hash of the canonical bytes. */
export function manifestHash(bytes: Uint8Array): Digest {
  return digest(toHex(taggedHash('sidepool/manifest/1', bytes)))
}

function isOrdered({ payees }: Manifest): boolean {
  const destinations = payees.map(payee => payee.destination)
  const rises = <T extends string | bigint>(items: readonly T[]) =>
    items.every((item, index) => index === 0 || (items[index - 1] ?? item) < item)
  const ids = payees.flatMap(payee => payee.payouts)
  return (
    rises(destinations) &&
    payees.every(payee => rises(payee.payouts)) &&
    new Set(ids).size === ids.length
  )
}

function canonicalJson(value: unknown): string {
  if (typeof value === 'bigint') return `"${value}"`
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `"${key}":${canonicalJson(field)}`).join(',')}}`
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return null
  }
}
