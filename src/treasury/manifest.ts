import { z } from 'zod'
import { assert, unreachable } from '../lib/assert.ts'
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
import { parseThunderAddress } from '../lib/thunder/address.ts'
import { canonicalJson } from './canonical.ts'
import { taggedHash } from './tagged-hash.ts'

/** A manifest larger than this is not read: 1,000 payees take about a tenth of it. */
export const MANIFEST_BYTES_MAX = 4_000_000
/** More operators than this have no part in one batch. */
const EXCLUDED_MAX = 100

/** One destination's part: every payout to it added up, since a transaction pays it once. */
export type ManifestPayee = {
  /** In the rail's canonical spelling, for example a bech32 address in lower case. */
  readonly destination: string
  readonly amount: Sats
  /** Ascending; empty only where no miner is paid. */
  readonly payouts: readonly PayoutId[]
}

/**
 * What a batch is for. A `payout` pays miners; a `transfer` fills one of our own wallets from
 * another; a `consolidation` makes one coin of many; a `cpfp` spends the change of a stuck batch so
 * that it pays for its parent (child pays for parent). The last two pay nobody but ourselves. A
 * `deposit` brings our own money to Thunder, and a `withdrawal` from there back to a wallet of ours.
 */
export type Purpose = z.infer<typeof purpose>

/**
 * What an operator approves: who gets how much, at most for what fee, until when. The transaction
 * is not in it; whatever is built later spends the anchor, so one approval covers one payment.
 */
export type Manifest = {
  readonly version: 2
  readonly purpose: Purpose
  /** Which of our wallets the anchor, and every other coin, is of. */
  readonly wallet: 'hot' | 'cold'
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
  /** Who asked for it: `plan:daily`, or `operator:` and an alias. */
  readonly createdBy: string
  /**
   * Aliases, sorted, of operators whose approval does not count: who asked for it, and who last
   * changed one of its destinations.
   */
  readonly excluded: readonly string[]
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

const purpose = z.enum(['payout', 'transfer', 'consolidation', 'cpfp', 'deposit', 'withdrawal'])

const manifestSchema = z.strictObject({
  anchor: z.strictObject({
    txid: hex64.transform(txid),
    vout: z.number().int().min(0).max(0xffffffff),
  }),
  batch: id.transform(batchId),
  change: word,
  createdAt: time,
  createdBy: word,
  excluded: z.array(word).max(EXCLUDED_MAX),
  expiresAt: time,
  feeMaxSats: money,
  network: word,
  payees: z.array(
    z.strictObject({
      amountSats: money.refine(amount => amount > 0n),
      destination: word,
      payouts: z.array(id.transform(payoutId)),
    }),
  ),
  policyVersion: z.number().int().min(0),
  purpose,
  rail: word,
  version: z.literal(2),
  wallet: z.enum(['hot', 'cold']),
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
  assert(isOrdered(manifest), 'payees, payouts and aliases are sorted, each once')
  assert(fitsPurpose(manifest), 'a batch pays whom its purpose says')
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
  if (paid > MAX_MONEY_SATS || !isOrdered(manifest) || !fitsPurpose(manifest)) return null
  return manifest.createdAt < manifest.expiresAt ? manifest : null
}

/** What approvals bind to: a tagged hash of the canonical bytes. */
export function manifestHash(bytes: Uint8Array): Digest {
  return digest(toHex(taggedHash('sidepool/manifest/2', bytes)))
}

function fitsPurpose({ purpose, rail, payees }: Manifest): boolean {
  const isOfOneWithoutPayouts = payees.length === 1 && payees[0]?.payouts.length === 0
  switch (purpose) {
    case 'payout':
      return payees.length > 0 && payees.every(({ payouts }) => payouts.length > 0)
    case 'transfer':
      return isOfOneWithoutPayouts
    case 'deposit':
      // In any form but the bare one, what is deposited is lost.
      return rail === 'l1' && isOfOneWithoutPayouts && isBareAddress(payees[0]?.destination ?? '')
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
