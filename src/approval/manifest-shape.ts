import { z } from 'zod'
import {
  type BatchId,
  batchId,
  type PayoutId,
  payoutId,
  type Txid,
  txid,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { MAX_MONEY_SATS, type Sats, sats } from '../lib/money.ts'

/** An invoice that a miner uploaded is a destination. Source: lnd, zpay32 `maxInvoiceLength`. */
const LINE_CHARS_MAX = 7089
/** More operators than this have no part in one batch. */
const EXCLUDED_MAX = 100

/** One destination's part: every payout to it added up, since it is paid once. */
export type ManifestPayee = {
  /** In the rail's canonical spelling, for example a bech32 address in lower case. */
  readonly destination: string
  readonly amount: Sats
  /** Ascending; empty only where no miner is paid. */
  readonly payouts: readonly PayoutId[]
}

/** One destination's part where each is paid by a payment of its own. */
export type ManifestLine = ManifestPayee & {
  /** The largest fee of this payment. */
  readonly feeMax: Sats
}

/**
 * What a batch is for. A `payout` pays miners; a `transfer` fills one of our own wallets from
 * another; a `consolidation` makes one coin of many; a `cpfp` spends the change of a stuck batch so
 * that it pays for its parent (child pays for parent). The last two pay nobody but ourselves. A
 * `deposit` brings our own money to Thunder, and a `withdrawal` from there back to a wallet of ours;
 * a `channel` brings it to the wallet of our lnd, where it becomes a channel on Lightning.
 */
export type Purpose = z.infer<typeof purpose>

type ManifestHead = {
  readonly purpose: Purpose
  /** Which of our wallets pays. */
  readonly wallet: 'hot' | 'cold'
  readonly batch: BatchId
  /** The network's name, so that an approval on one never counts on another. */
  readonly network: string
  readonly rail: string
  /** The largest fee of the whole batch. */
  readonly feeMax: Sats
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

/**
 * A batch that is one transaction. The transaction is not in it; whatever is built later spends the
 * anchor, so one approval covers one payment.
 */
export type CoinManifest = ManifestHead & {
  readonly version: 2
  /** Sorted by destination, each once. */
  readonly payees: readonly ManifestPayee[]
  /** The coin that every version of the transaction spends as its first input. */
  readonly anchor: { readonly txid: Txid; readonly vout: number }
  /** Where what is left over goes: an address of our own wallet. */
  readonly change: string
}

/**
 * A batch of payments that succeed and fail each for itself, on Lightning. No coin is common to two
 * of them; whoever pays keeps at most one payment of a line alive.
 */
export type LineManifest = ManifestHead & {
  readonly version: 3
  /** Sorted by destination, each once; their largest fees sum up to the batch's. */
  readonly payees: readonly ManifestLine[]
}

/** What an operator approves: who gets how much, at most for what fee, until when. */
export type Manifest = CoinManifest | LineManifest

const decimal = z
  .string()
  .regex(/^(0|[1-9]\d{0,18})$/)
  .transform(BigInt)
const money = decimal.refine(n => n <= MAX_MONEY_SATS).transform(sats)
const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const word = z.string().min(1).max(320)
const time = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).transform(unixMs)
const id = decimal.refine(n => n > 0n)

/** Every purpose that there is. */
export const PURPOSES = [
  'payout',
  'transfer',
  'consolidation',
  'cpfp',
  'deposit',
  'withdrawal',
  'channel',
] as const
const purpose = z.enum(PURPOSES)

const payee = {
  amountSats: money.refine(amount => amount > 0n),
  destination: word,
  payouts: z.array(id.transform(payoutId)),
}
const head = {
  batch: id.transform(batchId),
  createdAt: time,
  createdBy: word,
  excluded: z.array(word).max(EXCLUDED_MAX),
  expiresAt: time,
  feeMaxSats: money,
  network: word,
  policyVersion: z.number().int().min(0),
  purpose,
  rail: word,
  wallet: z.enum(['hot', 'cold']),
}

/** Reads the fields of a manifest; whether they make sense together is another question. */
export const manifestSchema = z.discriminatedUnion('version', [
  z
    .strictObject({
      ...head,
      anchor: z.strictObject({
        txid: hex64.transform(txid),
        vout: z.number().int().min(0).max(0xffffffff),
      }),
      change: word,
      payees: z.array(z.strictObject(payee)),
      version: z.literal(2),
    })
    .transform(
      ({ feeMaxSats, payees, ...rest }): CoinManifest => ({
        ...{ ...rest, feeMax: feeMaxSats },
        payees: payees.map(({ amountSats, ...each }) => ({ ...each, amount: amountSats })),
      }),
    ),
  z
    .strictObject({
      ...head,
      payees: z.array(
        z.strictObject({
          ...payee,
          destination: z.string().min(1).max(LINE_CHARS_MAX),
          feeMaxSats: money,
        }),
      ),
      version: z.literal(3),
    })
    .transform(
      ({ feeMaxSats, payees, ...rest }): LineManifest => ({
        ...{ ...rest, feeMax: feeMaxSats },
        payees: payees.map(({ amountSats, feeMaxSats: feeMax, ...each }) => ({
          ...{ ...each, feeMax },
          amount: amountSats,
        })),
      }),
    ),
])
