import { assert, unreachable } from '../lib/assert.ts'
import { sha256d } from '../lib/bitcoin/hash.ts'
import { opReturnOf, readOpReturn } from '../lib/bitcoin/op-return.ts'
import { concat, equalBytes, fromHex, toHex } from '../lib/bytes.ts'

/** How the miners of a block vote on the withdrawal bundles of all active slots. */
export type BundleVotes =
  | { readonly kind: 'repeat previous' }
  /** One element for each active slot, ascending; 0xfe alarms, 0xff abstains. */
  | { readonly kind: 'one byte'; readonly votes: readonly number[] }
  /** Likewise, 0xfffe and 0xffff; valid only where an element is above 253. */
  | { readonly kind: 'two bytes'; readonly votes: readonly number[] }
  | { readonly kind: 'leading by 50' }

/** What a coinbase output can say under BIP 300 and 301; slots are 0 to 255. */
export type CoinbaseMessage =
  /** Proposes a sidechain for a slot. */
  | { readonly kind: 'M1'; readonly slot: number; readonly description: Uint8Array }
  /** Votes for a proposal; the hash is `descriptionHash` of its description. */
  | { readonly kind: 'M2'; readonly slot: number; readonly descriptionHash: Uint8Array }
  /** Proposes a withdrawal bundle by its M6ID, internal order. */
  | { readonly kind: 'M3'; readonly slot: number; readonly bundle: Uint8Array }
  | { readonly kind: 'M4'; readonly votes: BundleVotes }
  /** Accepts a side block; its hash is 64 hex digits in the order of the bytes. */
  | { readonly kind: 'M7'; readonly slot: number; readonly sideBlock: string }

const TAGS = {
  M1: Uint8Array.of(0xd5, 0xe0, 0xc4, 0xaf),
  // The enforcer's; the text of BIP 300 ends it with bf.
  M2: Uint8Array.of(0xd6, 0xe1, 0xc5, 0xdf),
  M3: Uint8Array.of(0xd4, 0x5a, 0xa9, 0x43),
  M4: Uint8Array.of(0xd7, 0x7d, 0x17, 0x76),
  M7: Uint8Array.of(0xd1, 0x61, 0x73, 0x68),
} as const
const TAG_BYTES = 4
const HASH_BYTES = 32
const VOTE_FORMS = ['repeat previous', 'one byte', 'two bytes', 'leading by 50'] as const

/**
 * The output script of a message. Vectors: test/vectors/bmm-messages.json.
 * Source: bip300301_enforcer, lib/messages.rs, which departs from the text of BIP 300 in places.
 */
export function messageScript(message: CoinbaseMessage): Uint8Array {
  return opReturnOf(concat(TAGS[message.kind], bodyOf(message)))
}

function bodyOf(message: CoinbaseMessage): Uint8Array {
  switch (message.kind) {
    case 'M1':
      return concat(slotByte(message.slot), message.description)
    case 'M2':
      return concat(slotByte(message.slot), hash32(message.descriptionHash))
    case 'M3':
      return concat(slotByte(message.slot), hash32(message.bundle))
    case 'M4':
      return voteBytes(message.votes)
    case 'M7':
      return concat(slotByte(message.slot), hash32(fromHex(message.sideBlock)))
    default:
      return unreachable(message)
  }
}

function voteBytes(votes: BundleVotes): Uint8Array {
  const form = Uint8Array.of(VOTE_FORMS.indexOf(votes.kind))
  if (votes.kind === 'one byte') return concat(form, Uint8Array.from(votes.votes))
  if (votes.kind !== 'two bytes') return form
  return concat(form, ...votes.votes.map(vote => Uint8Array.of(vote & 0xff, vote >> 8)))
}

/**
 * Reads an output script of a coinbase.
 *
 * @returns null for what an enforcer takes for an ordinary output
 */
export function readMessage(script: Uint8Array): CoinbaseMessage | null {
  const data = readOpReturn(script)
  if (data === null) return null
  const body = data.subarray(TAG_BYTES)
  const is = (tag: Uint8Array) => equalBytes(data.subarray(0, TAG_BYTES), tag)
  const [slot, rest] = [body[0], body.slice(1)]
  if (is(TAGS.M4)) return readVotes(body)
  if (slot === undefined) return null
  if (is(TAGS.M1)) return { kind: 'M1', slot, description: rest }
  if (rest.length !== HASH_BYTES) return null
  if (is(TAGS.M2)) return { kind: 'M2', slot, descriptionHash: rest }
  if (is(TAGS.M3)) return { kind: 'M3', slot, bundle: rest }
  if (is(TAGS.M7)) return { kind: 'M7', slot, sideBlock: toHex(rest) }
  return null
}

function readVotes(body: Uint8Array): CoinbaseMessage | null {
  const kind = VOTE_FORMS[body[0] ?? VOTE_FORMS.length]
  const rest = body.subarray(1)
  if (kind === undefined) return null
  if (kind === 'one byte') return { kind: 'M4', votes: { kind, votes: [...rest] } }
  if (kind !== 'two bytes') return rest.length === 0 ? { kind: 'M4', votes: { kind } } : null
  if (rest.length % 2 !== 0) return null
  const votes: number[] = []
  for (let i = 0; i < rest.length; i += 2) votes.push((rest[i] ?? 0) | ((rest[i + 1] ?? 0) << 8))
  return { kind: 'M4', votes: { kind, votes } }
}

/** What a proposal says of its sidechain. */
export type SidechainDeclaration = {
  /** UTF-8; the title has at most 255 bytes. */
  readonly title: Uint8Array
  readonly text: Uint8Array
  /** 32 and 20 bytes that name the software. */
  readonly hashId1: Uint8Array
  readonly hashId2: Uint8Array
}

const DECLARATION_VERSION = 0
const HASH_ID_2_BYTES = 20

/** The description that an M1 carries: version, title with its length, text, both hashes. */
export function descriptionBytes(declaration: SidechainDeclaration): Uint8Array {
  const { title, text, hashId1, hashId2 } = declaration
  assert(title.length <= 0xff, 'a title has at most 255 bytes')
  assert(hashId2.length === HASH_ID_2_BYTES, 'the second hash has 20 bytes')
  const start = Uint8Array.of(DECLARATION_VERSION, title.length)
  return concat(start, title, text, hash32(hashId1), hashId2)
}

/** What an M2 votes for, in the order of the bytes. */
export function descriptionHash(description: Uint8Array): Uint8Array {
  return sha256d(description)
}

function slotByte(slot: number): Uint8Array {
  assert(Number.isInteger(slot) && slot >= 0 && slot <= 0xff, 'a slot is one byte')
  return Uint8Array.of(slot)
}

function hash32(bytes: Uint8Array): Uint8Array {
  assert(bytes.length === HASH_BYTES, 'a hash has 32 bytes')
  return bytes
}
