import { bech32 } from 'bech32'
import { isPointCompressed } from 'tiny-secp256k1'
import { toHex } from '../bytes.ts'

/** What the tagged fields say; null stands for what is not there. Numbers are as written. */
export type Bolt11Fields = {
  readonly kind: 'fields'
  readonly paymentHash: string
  readonly description: string | null
  readonly descriptionHash: string | null
  readonly payee: Uint8Array | null
  readonly expirySeconds: number | null
  readonly minFinalCltvBlocks: number | null
  readonly routeHints: readonly (readonly number[])[]
}

type Refused = { readonly kind: 'refused'; readonly reason: string }
type Words = readonly number[]

/** The types of fields, which are words of Bech32 too. Source: BOLT 11, "Tagged Fields". */
const TAG = { p: 1, r: 3, features: 5, x: 6, d: 13, s: 16, n: 19, h: 23, c: 24 } as const
const HEADER_WORDS = 3
const HASH_WORDS = 52
const KEY_WORDS = 53
/** A longer number than of so many words is no time and no count of blocks. */
const NUMBER_WORDS_MAX = 7
/**
 * What a payer must know, and lnd does: onions of variable length, payment secret, several parts,
 * metadata. An invoice that can be paid again (AMP) is not among them. Source: BOLT 9.
 */
const KNOWN_FEATURES: readonly number[] = [8, 14, 16, 48]
const KEY_BYTES = 33
const HOP_BYTES = 51

/**
 * Reads the fields between timestamp and signature. One of a wrong length counts as unknown where
 * the specification says so, and unknown ones are skipped.
 */
export function readFields(words: Words): Bolt11Fields | Refused {
  const fields = cut(words)
  if (fields === null) return refused('a field of it is cut off')
  const first = (tag: number, length?: number) =>
    fields.find(field => field.tag === tag && (length ?? field.data.length) === field.data.length)
      ?.data ?? null
  const demand = unknownDemand(first(TAG.features))
  if (demand !== null) return refused(`it asks for a feature that is not known here (${demand})`)

  const hashes = [first(TAG.p, HASH_WORDS), first(TAG.s, HASH_WORDS), first(TAG.h, HASH_WORDS)]
  const [hash, secret, descriptionHash] = hashes.map(exact)
  const [text, payee] = [exact(first(TAG.d)), exact(first(TAG.n, KEY_WORDS))]
  const hops = fields.filter(({ tag }) => tag === TAG.r).map(({ data }) => readHint(data))
  const [expiry, cltv] = [readNumber(first(TAG.x)), readNumber(first(TAG.c))]
  if ([hash, secret, descriptionHash, text, payee, expiry, cltv, ...hops].includes('wrong'))
    return refused('a field of it makes no sense')

  if (!isBytes(hash)) return refused('it has no payment hash')
  if (!isBytes(secret)) return refused('it has no payment secret')
  if (isBytes(text) === isBytes(descriptionHash))
    return refused('it needs a description or the hash of one, not both')
  return {
    kind: 'fields',
    paymentHash: toHex(hash),
    description: isBytes(text) ? new TextDecoder().decode(text) : null,
    descriptionHash: isBytes(descriptionHash) ? toHex(descriptionHash) : null,
    payee: isBytes(payee) ? payee : null,
    expirySeconds: typeof expiry === 'number' ? expiry : null,
    minFinalCltvBlocks: typeof cltv === 'number' ? cltv : null,
    routeHints: hops.filter(hint => hint !== 'wrong'),
  }
}

/** The words' bits as bytes, the last one filled up with zeros: what is signed is made of these. */
export function paddedBytes(words: Words): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((5 * words.length) / 8))
  for (const [index, word] of words.entries()) {
    const bit = 5 * index
    const shifted = word << (11 - (bit % 8))
    const at = bit >> 3
    bytes[at] = (bytes[at] ?? 0) | (shifted >> 8)
    if (at + 1 < bytes.length) bytes[at + 1] = (bytes[at + 1] ?? 0) | (shifted & 0xff)
  }
  return bytes
}

/** Null where the last one is not whole. */
function cut(words: Words): readonly { readonly tag: number; readonly data: Words }[] | null {
  const fields = []
  for (let at = 0; at < words.length; ) {
    const [tag = 0, high = 0, low = 0] = words.slice(at, at + HEADER_WORDS)
    const end = at + HEADER_WORDS + 32 * high + low
    if (end > words.length || at + HEADER_WORDS > words.length) return null
    fields.push({ tag, data: words.slice(at + HEADER_WORDS, end) })
    at = end
  }
  return fields
}

/** Exactly the bytes that were written; wrong where what fills up the last word is not zero. */
function exact(words: Words | null | undefined): Uint8Array | 'wrong' | null {
  if (!words) return null
  const bytes = bech32.fromWordsUnsafe(words)
  return bytes ? Uint8Array.from(bytes) : 'wrong'
}

function isBytes(value: Uint8Array | 'wrong' | null | undefined): value is Uint8Array {
  return value instanceof Uint8Array
}

function readNumber(words: Words | null): number | 'wrong' | null {
  if (words === null) return null
  if (words.length > NUMBER_WORDS_MAX) return 'wrong'
  return words.reduce((sum, word) => sum * 32 + word, 0)
}

/** The lowest even bit that is set and not known: a payer that knows it not must not pay. */
function unknownDemand(words: Words | null): number | null {
  const bits = [...(words ?? [])].reverse()
  const set = bits.flatMap((word, index) =>
    [0, 1, 2, 3, 4].filter(bit => (word >> bit) & 1).map(bit => 5 * index + bit),
  )
  return set.find(bit => bit % 2 === 0 && !KNOWN_FEATURES.includes(bit)) ?? null
}

/** key (33 bytes), channel (8), fees (4 + 4), blocks (2), for each hop. */
function readHint(words: Words): readonly number[] | 'wrong' {
  const bytes = exact(words)
  if (!isBytes(bytes) || bytes.length % HOP_BYTES !== 0) return 'wrong'
  const hops = Array.from({ length: bytes.length / HOP_BYTES }, (_, index) =>
    bytes.subarray(HOP_BYTES * index, HOP_BYTES * (index + 1)),
  )
  if (!hops.every(hop => isPointCompressed(hop.slice(0, KEY_BYTES)))) return 'wrong'
  return hops.map(hop => 256 * (hop[HOP_BYTES - 2] ?? 0) + (hop[HOP_BYTES - 1] ?? 0))
}

function refused(reason: string): Refused {
  return { kind: 'refused', reason }
}
