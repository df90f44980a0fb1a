import { bech32 } from 'bech32'
import * as secp256k1 from 'tiny-secp256k1'
import { sha256 } from '../bitcoin/hash.ts'
import type { Network } from '../bitcoin/network.ts'
import { concat, toHex, utf8 } from '../bytes.ts'
import { type PaymentHash, paymentHash, type UnixMs, unixMs } from '../ids.ts'
import { MAX_MONEY_SATS, type Millisats, millisats } from '../money.ts'
import { type Bolt11Fields, paddedBytes, readFields } from './bolt11-fields.ts'

/** An invoice as its payee signed it. Whatever it says in words is somebody else's text. */
export type Bolt11 = {
  /** In lower case, as it is stored and paid. */
  readonly text: string
  /** The networks whose invoices begin so: testnet4 shares its beginning with older ones. */
  readonly network: Network
  /** Exact; null where the payer may choose. */
  readonly amount: Millisats | null
  readonly paymentHash: PaymentHash
  /** The node that is paid: a compressed public key in hex. */
  readonly payee: string
  readonly createdAt: UnixMs
  readonly expiresAt: UnixMs
  readonly description: string | null
  /** SHA-256 of a description that is elsewhere, in hex. */
  readonly descriptionHash: string | null
  /** Blocks that the last hop must leave. */
  readonly minFinalCltvBlocks: number
  /** Ways to a payee that is not in the public graph, each hop by the blocks that it asks for. */
  readonly routeHints: readonly (readonly number[])[]
}

export type Bolt11Outcome =
  | { readonly kind: 'invoice'; readonly invoice: Bolt11 }
  | { readonly kind: 'refused'; readonly reason: string }

/** lnd reads no longer ones. Source: lnd, zpay32 `maxInvoiceLength`. */
const INVOICE_CHARS_MAX = 7089
const NETWORKS: Readonly<Record<string, Network>> = {
  bc: 'mainnet',
  tb: 'testnet4',
  tbs: 'signet',
  bcrt: 'regtest',
}
/** An amount has no leading zero; more digits than these are more than all bitcoin. */
const PREFIX = /^ln(bc|tb|tbs|bcrt)(?:([1-9]\d{0,18})([munp]?))?$/
/** Millisats of one, by the letter behind the number; a pico-bitcoin is a tenth of one. */
const MULTIPLIERS: Readonly<Record<string, bigint>> = {
  '': 100_000_000_000n,
  m: 100_000_000n,
  u: 100_000n,
  n: 100n,
}
const TIMESTAMP_WORDS = 7
const SIGNATURE_WORDS = 104
const SIGNATURE_BYTES = 64
const EXPIRY_SECONDS_DEFAULT = 3600
/** Beyond these lnd counts in nanoseconds past the end of its number, and takes it for expired. */
const EXPIRY_SECONDS_MAX = 9_223_372_036
const CLTV_BLOCKS_DEFAULT = 18

/**
 * Reads an invoice and checks its signature. Of a field that comes twice the first counts, as it
 * does for lnd: two readers that took different hashes would look for a payment that is none.
 *
 * Source: BOLT 11; lnd, zpay32/decode.go. Vectors: test/vectors/bolt11.json.
 */
export function parseBolt11(text: string): Bolt11Outcome {
  if (text.length > INVOICE_CHARS_MAX) return refused('it is too long for an invoice')
  const decoded = bech32.decodeUnsafe(text, INVOICE_CHARS_MAX)
  if (!decoded) return refused('it is no whole invoice: a character is wrong or missing')
  const prefix = readPrefix(decoded.prefix)
  if (prefix === null)
    return refused('it begins as no invoice in bitcoin does, or with an amount that is none')
  const signed = decoded.words.slice(0, -SIGNATURE_WORDS)
  if (signed.length < TIMESTAMP_WORDS) return refused('it is too short for an invoice')
  const fields = readFields(signed.slice(TIMESTAMP_WORDS))
  if (fields.kind === 'refused') return fields
  if ((fields.expirySeconds ?? 0) > EXPIRY_SECONDS_MAX) return refused('it lasts for centuries')
  const payee = signer(decoded.prefix, signed, decoded.words.slice(-SIGNATURE_WORDS), fields.payee)
  if (payee === null) return refused('its signature is wrong')
  const createdAtSeconds = signed
    .slice(0, TIMESTAMP_WORDS)
    .reduce((sum, word) => sum * 32 + word, 0)
  const invoice = {
    ...{ text: text.toLowerCase(), ...prefix, payee },
    ...details(fields, createdAtSeconds),
  }
  return { kind: 'invoice', invoice }
}

function details(fields: Bolt11Fields, createdAtSeconds: number) {
  const expirySeconds = fields.expirySeconds ?? EXPIRY_SECONDS_DEFAULT
  return {
    paymentHash: paymentHash(fields.paymentHash),
    createdAt: unixMs(1000 * createdAtSeconds),
    expiresAt: unixMs(1000 * (createdAtSeconds + expirySeconds)),
    description: fields.description,
    descriptionHash: fields.descriptionHash,
    minFinalCltvBlocks: fields.minFinalCltvBlocks ?? CLTV_BLOCKS_DEFAULT,
    routeHints: fields.routeHints,
  }
}

function readPrefix(text: string): Pick<Bolt11, 'network' | 'amount'> | null {
  const [, currency = '', digits, letter = ''] = PREFIX.exec(text) ?? []
  const network = NETWORKS[currency]
  if (network === undefined) return null
  if (digits === undefined) return { network, amount: null }
  const number = BigInt(digits)
  // A millisat is the least that can be paid: of ten pico-bitcoin none may be left over.
  if (letter === 'p' && number % 10n !== 0n) return null
  const amount = letter === 'p' ? number / 10n : number * (MULTIPLIERS[letter] ?? 0n)
  return amount <= 1000n * MAX_MONEY_SATS ? { network, amount: millisats(amount) } : null
}

/**
 * Who signed it, or null where the signature is none. A payee that is named must have signed in the
 * one form that nobody can turn into another (low s).
 */
function signer(
  prefix: string,
  signed: readonly number[],
  signatureWords: readonly number[],
  named: Uint8Array | null,
): string | null {
  const hash = sha256(concat(utf8(prefix), paddedBytes(signed)))
  const bytes = paddedBytes(signatureWords)
  const signature = bytes.slice(0, SIGNATURE_BYTES)
  const recovery = bytes[SIGNATURE_BYTES]
  if (recovery !== 0 && recovery !== 1 && recovery !== 2 && recovery !== 3) return null
  try {
    if (named === null) {
      const key = secp256k1.recover(hash, signature, recovery, true)
      return key && toHex(key)
    }
    return secp256k1.verify(hash, named, signature, true) ? toHex(named) : null
  } catch {
    return null
  }
}

function refused(reason: string): Extract<Bolt11Outcome, { kind: 'refused' }> {
  return { kind: 'refused', reason }
}
