import { sha256 } from '@noble/hashes/sha2.js'
import { assert } from '../lib/assert.ts'
import { toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest } from '../lib/ids.ts'

/** What a statement is made of once its quantities are written as text. */
export type Plain =
  | null
  | string
  | number
  | readonly Plain[]
  | { readonly [key: string]: Plain | undefined }

/**
 * A statement of more bytes is neither made nor read: 64 MiB hold some 250,000 accounts, and a
 * reader is never made to hold what a stranger sends.
 */
export const STATEMENT_BYTES_MAX = 64 * 1024 * 1024

/**
 * The one spelling of a value: JSON in UTF-8, keys sorted by code unit, no spaces, strings as
 * `JSON.stringify` writes them, whole numbers only. A key without a value is left out.
 */
export function canonicalBytes(value: Plain): Uint8Array {
  const bytes = utf8(canonicalText(value))
  assert(bytes.length <= STATEMENT_BYTES_MAX, 'a statement stays below its limit')
  return bytes
}

function canonicalText(value: Plain): string {
  if (value === null || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    assert(Number.isSafeInteger(value), 'a number in a statement is whole')
    return value.toString()
  }
  if (isList(value)) return `[${value.map(canonicalText).join(',')}]`
  const members = Object.entries(value)
    .filter((member): member is [string, Plain] => member[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalText(member)}`)
  return `{${members.join(',')}}`
}

/** `Array.isArray` does not narrow a readonly array. */
function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value)
}

/**
 * Reads bytes as JSON, nothing more: whether they are canonical shows when they are written again.
 *
 * @returns undefined when they are no JSON in UTF-8, or too many
 */
export function parseBytes(bytes: Uint8Array): unknown {
  if (bytes.length > STATEMENT_BYTES_MAX) return undefined
  try {
    // A byte order mark is kept, so that the JSON parser refuses it.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** SHA-256 of a statement's canonical bytes: what the next statement names as `previous`. */
export function hashStatement(bytes: Uint8Array): Digest {
  return digest(toHex(sha256(bytes)))
}
