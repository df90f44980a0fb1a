import { bech32 } from 'bech32'
import { signRecoverable } from 'tiny-secp256k1'
import { sha256 } from '../../src/lib/bitcoin/hash.ts'
import { concat, fromHex, utf8 } from '../../src/lib/bytes.ts'
import { paddedBytes } from '../../src/lib/lightning/bolt11-fields.ts'

/** A tagged field: the letter of its type, and its words. */
export type Field = readonly [string, readonly number[]]

/** What a test wants of an invoice; what is left out is as an ordinary wallet has it. */
export type WrittenInvoice = {
  /** With the amount, for example `lnbcrt10u`. */
  readonly prefix?: string
  readonly createdAtSeconds?: number
  readonly paymentHash?: string
  /** In place of a description. */
  readonly descriptionHash?: string
  readonly description?: string
  readonly expirySeconds?: number
  readonly cltvBlocks?: number
  /** Blocks of each hop of each way. */
  readonly hints?: readonly (readonly number[])[]
  /** Before all others, as they are. */
  readonly first?: readonly Field[]
  /** After all others, as they are. */
  readonly last?: readonly Field[]
}

const CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const KEY = fromHex('e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734')
/** The key of that, as a node is named. */
export const INVOICE_PAYEE = '03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad'
const ANY_HASH = '0001020304050607080900010203040506070809000102030405060708090102'
/** Variable onions, payment secret, several parts. */
const FEATURES = [2, 16, 8, 0]

/** Signs an invoice as wallets do, or as none would. Source: BOLT 11. */
export function writeInvoice(wanted: WrittenInvoice = {}): string {
  const { prefix = 'lnbcrt10u', createdAtSeconds = 1_800_000_000 } = wanted
  const { descriptionHash, description = 'payout' } = wanted
  const fields: readonly Field[] = [
    ...(wanted.first ?? []),
    ['p', bytes(wanted.paymentHash ?? ANY_HASH)],
    ['s', bytes('11'.repeat(32))],
    descriptionHash === undefined ? ['d', words(utf8(description))] : ['h', bytes(descriptionHash)],
    ['x', numberWords(wanted.expirySeconds ?? 3600)],
    ['c', numberWords(wanted.cltvBlocks ?? 40)],
    ...(wanted.hints ?? []).map((hops): Field => ['r', words(concat(...hops.map(hop)))]),
    ['9', FEATURES],
    ...(wanted.last ?? []),
  ]
  const time = Array.from(
    { length: 7 },
    (_, at) => Math.floor(createdAtSeconds / 32 ** (6 - at)) % 32,
  )
  const signed = [...time, ...fields.flatMap(([tag, data]) => [...header(tag, data), ...data])]
  const hash = sha256(concat(utf8(prefix), paddedBytes(signed)))
  const { signature, recoveryId } = signRecoverable(hash, KEY)
  const signatureWords = words(concat(signature, Uint8Array.of(recoveryId)))
  return bech32.encode(prefix, [...signed, ...signatureWords], 10_000)
}

/** Hex as words. */
export function bytes(hex: string): readonly number[] {
  return words(fromHex(hex))
}

/** Most significant first, without leading zeros. */
export function numberWords(value: number): readonly number[] {
  return value < 32 ? [value] : [...numberWords(Math.floor(value / 32)), value % 32]
}

function words(data: Uint8Array): readonly number[] {
  return bech32.toWords(data)
}

function header(tag: string, data: readonly number[]): readonly number[] {
  return [CHARSET.indexOf(tag), data.length >> 5, data.length & 31]
}

function hop(blocks: number): Uint8Array {
  return concat(
    fromHex(INVOICE_PAYEE),
    new Uint8Array(16),
    Uint8Array.of(blocks >> 8, blocks & 0xff),
  )
}
