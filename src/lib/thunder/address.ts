import { assert } from '../assert.ts'
import { sha256 } from '../bitcoin/hash.ts'
import { fromHex, toHex, utf8 } from '../bytes.ts'

declare const brand: unique symbol

/**
 * A Thunder address in its bare form, base58 of 20 bytes: the only form that goes on a wire. A
 * deposit to the form that people copy is credited to an address that nobody has the key of.
 */
export type ThunderAddress = string & { readonly [brand]: 'thunder address' }

/** What a text is that somebody wrote where a Thunder address could stand. */
export type ThunderAddressOutcome =
  | {
      readonly kind: 'thunder'
      readonly address: ThunderAddress
      /** 20 bytes. */
      readonly payload: Uint8Array
    }
  /** Meant as one, and wrong: the reason completes a sentence that begins with the text. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'not thunder' }

/** The sidechain's number on the main chain. Source: thunder-rust, `THIS_SIDECHAIN`. */
export const THUNDER_SLOT = 9
/** An address is so much of the hash of a key. */
export const THUNDER_ADDRESS_BYTES = 20

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** 20 bytes have 20 (all zero) to 28 characters; nothing longer is decoded. */
const BASE58 = /^[1-9A-HJ-NP-Za-km-z]{20,28}$/
/** Any sidechain's: this tells what was meant, not whether it is right. */
const DEPOSIT = /^s(\d{1,3})_/
const CHECKSUM = /^[0-9a-f]{6}$/i
const CHECKSUM_BYTES = 3

/**
 * Reads an address as people write it: bare, or in the deposit form `s9_<bare>_<checksum>` that
 * wallets show. The all-zero address is refused, since what is paid to it is lost.
 *
 * The bare form has no checksum: with one wrong character it is most often an address too, of
 * nobody. Only the deposit form tells a typo. Its checksum may be in capitals.
 *
 * Source: thunder-rust, types/address.rs. Vectors: test/vectors/thunder-address.json.
 */
export function parseThunderAddress(text: string): ThunderAddressOutcome {
  const deposit = DEPOSIT.exec(text)
  if (deposit) return parseDepositForm(text, deposit[1] ?? '')
  const payload = decode(text)
  return payload === null ? { kind: 'not thunder' } : spendable(payload)
}

/** Every check has its own reason; none tells the right checksum, which would pass a typo on. */
function parseDepositForm(text: string, slot: string): ThunderAddressOutcome {
  if (slot !== String(THUNDER_SLOT))
    return refused(`is for sidechain ${slot}, and Thunder is sidechain ${THUNDER_SLOT}`)
  const [, bare = '', checksum, ...more] = text.split('_', 4)
  const payload = decode(bare)
  if (payload === null) return refused('has no Thunder address after its first underscore')
  if (checksum === undefined) return refused('ends before its checksum: copy all of it')
  if (more.length > 0 || !CHECKSUM.test(checksum))
    return refused('does not end in a checksum of 6 hex digits: copy all of it, and no more')
  if (checksum.toLowerCase() !== checksumOf(bare))
    return refused('has a checksum that does not fit: one of its characters is wrong')
  return spendable(payload)
}

function spendable(payload: Uint8Array): ThunderAddressOutcome {
  const address = bareAddress(payload)
  if (isBurnAddress(address)) return refused('is the all-zero address, which nobody can spend from')
  return { kind: 'thunder', address, payload }
}

function refused(reason: string): ThunderAddressOutcome {
  return { kind: 'refused', reason }
}

/**
 * Reads an address as a node writes it, bare; the all-zero one too, since blocks hold it.
 *
 * @returns null when the text is anything else, the deposit form above all
 */
export function parseBareAddress(text: string): ThunderAddress | null {
  const payload = decode(text)
  return payload === null ? null : bareAddress(payload)
}

/** @param payload 20 bytes, the first of the BLAKE3 of a public key, or all zero in a block */
export function bareAddress(payload: Uint8Array): ThunderAddress {
  assert(payload.length === THUNDER_ADDRESS_BYTES, 'a Thunder address has 20 bytes')
  let value = BigInt(`0x${toHex(payload)}`)
  let text = ''
  for (; value > 0n; value /= 58n) text = (ALPHABET[Number(value % 58n)] ?? '') + text
  return ('1'.repeat(leadingZeros(payload)) + text) as ThunderAddress
}

/** The 20 bytes that an address stands for, as outputs carry them. */
export function addressPayload(address: ThunderAddress): Uint8Array {
  const payload = decode(address)
  assert(payload !== null, 'an address of ours is base58 of 20 bytes')
  return payload
}

/** For people to copy into a wallet, never for a wire: it carries a checksum against typos. */
export function depositForm(address: ThunderAddress): string {
  return `${prefixOf(address)}${checksumOf(address)}`
}

/** Whether it is the all-zero address: what a deposit to an unreadable address is credited to. */
export function isBurnAddress(address: ThunderAddress): boolean {
  return /^1+$/.test(address)
}

function prefixOf(bare: string): string {
  return `s${THUNDER_SLOT}_${bare}_`
}

function checksumOf(bare: string): string {
  return toHex(sha256(utf8(prefixOf(bare))).subarray(0, CHECKSUM_BYTES))
}

/** Base58 without version or checksum, so all that marks an address is that it has 20 bytes. */
function decode(text: string): Uint8Array | null {
  if (!BASE58.test(text)) return null
  let value = 0n
  for (const digit of text) value = value * 58n + BigInt(ALPHABET.indexOf(digit))
  const hex = value.toString(16).padStart(2 * THUNDER_ADDRESS_BYTES, '0')
  if (hex.length > 2 * THUNDER_ADDRESS_BYTES) return null
  const payload = fromHex(hex)
  // A zero byte in front is written as a 1, so a 1 too many or too few makes another length.
  const ones = /^1*/.exec(text)?.[0].length ?? 0
  return ones === leadingZeros(payload) ? payload : null
}

function leadingZeros(payload: Uint8Array): number {
  const at = payload.findIndex(byte => byte !== 0)
  return at < 0 ? payload.length : at
}
