import { assert } from './assert.ts'

/** The two digits of each byte: every share's hash is written once. */
const HEX_OF_BYTE = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower-case hex of the bytes, in their order. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX_OF_BYTE[byte]
  return text
}

/**
 * Reads strict hex: lower case, even length, nothing else. Whoever accepts other spellings on the
 * wire folds them to this one first, so that one value has one spelling inside.
 *
 * @returns null when the text is anything else
 */
export function parseHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = digitAt(text, 2 * i)
    const low = digitAt(text, 2 * i + 1)
    if (high < 0 || low < 0) return null
    bytes[i] = (high << 4) | low
  }
  return bytes
}

/** A template has thousands of hashes, so digits are looked at one by one. */
function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code >= ZERO && code <= ZERO + 9) return code - ZERO
  return code >= LOWER_A && code <= LOWER_A + 5 ? code - LOWER_A + 10 : -1
}

const ZERO = 0x30
const LOWER_A = 0x61

/** Hex that our own code wrote, where anything else is a bug. */
export function fromHex(text: string): Uint8Array {
  const bytes = parseHex(text)
  assert(bytes !== null, 'hex of our own is well formed')
  return bytes
}

/** A copy with the bytes in the opposite order (display order ↔ internal order of a hash). */
export function reversed(bytes: Uint8Array): Uint8Array {
  return bytes.slice().reverse()
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

/** The bytes as one unsigned integer, least significant byte first, as Bitcoin compares hashes. */
export function bigintFromLe(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(reversed(bytes))}`)
}

/** UTF-8. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
