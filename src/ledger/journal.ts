import { sha256 } from '@noble/hashes/sha2.js'
import { concat, fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest, type JournalKey, type UnixMs } from '../lib/ids.ts'
import { type Millisats, millisats } from '../lib/money.ts'
import type { LedgerAccount } from './account.ts'

/** One movement of an entry: positive debits the account, negative credits it, never zero. */
export type Leg = { readonly account: LedgerAccount; readonly amount: Millisats }

/** What happened, once. The legs sum to zero. */
export type Entry = {
  /** What it is for; the same key with other legs is refused. */
  readonly key: JournalKey
  /** The kind of event, for people and reports, for example `block found`. */
  readonly event: string
  readonly legs: readonly Leg[]
  readonly at: UnixMs
}

/** What became of an entry. Only `posted` and `repeated` mean that the ledger holds it. */
export type PostOutcome =
  | { readonly kind: 'posted' }
  /** The ledger held exactly this entry already: done, and not done twice. */
  | { readonly kind: 'repeated' }
  /** The key stands for another entry. Nothing was written; it is a bug or tampering. */
  | { readonly kind: 'conflict' }
  /** An account would fall below what its kind allows. Nothing was written. */
  | { readonly kind: 'overdrawn'; readonly account: LedgerAccount }

/** The largest entry; one statement's lines are one entry. A larger one is refused as illegal. */
export const LEGS_PER_ENTRY_MAX = 1_000_000
const EVENT = /^[a-z0-9 ]{1,40}$/

/** The chain's hash before its first entry. */
export const CHAIN_START = digest('0'.repeat(64))

/**
 * Brings legs to the one form in which an entry may have them: an account's legs added up, those
 * that cancel out left away, sorted by account.
 */
export function mergeLegs(legs: readonly Leg[]): readonly Leg[] {
  const sums = new Map<LedgerAccount, bigint>()
  for (const { account, amount } of legs) sums.set(account, (sums.get(account) ?? 0n) + amount)
  return [...sums]
    .filter(([, amount]) => amount !== 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([account, amount]) => ({ account, amount: millisats(amount) }))
}

/**
 * Why an entry may not be posted, or null where it may: at least two legs, none zero, one an
 * account, sorted by account, and their sum is zero.
 */
export function entryComplaint(entry: Entry): string | null {
  if (!EVENT.test(entry.event)) return 'an event is a few plain words'
  if (entry.legs.length < 2) return 'an entry has two legs or more'
  if (entry.legs.length > LEGS_PER_ENTRY_MAX) return 'an entry has too many legs'
  let sum = 0n
  let before = ''
  for (const { account, amount } of entry.legs) {
    if (amount === 0n) return 'no leg is zero'
    if (account <= before) return 'an entry has one leg an account, sorted'
    sum += amount
    before = account
  }
  return sum === 0n ? null : 'the legs of an entry sum to zero'
}

/**
 * What an entry asks for, hashed: sha256 of key, event and each leg (`account amount`), joined by
 * line feeds; in a legal entry none of them has one. A repeat of it is told from another entry
 * under the same key. The time is not part of it, since a repeat comes later.
 */
export function requestHash(entry: Entry): Digest {
  return digest(toHex(sha256(utf8(textOf(entry)))))
}

/**
 * The next hash of the chain: sha256(hash before || canonical bytes), where the bytes are the
 * entry's time in decimal, a line feed and the text of {@link requestHash}.
 *
 * @param before the hash of the entry before, or CHAIN_START
 */
export function chainHash(before: Digest, entry: Entry): Digest {
  return digest(toHex(sha256(concat(fromHex(before), utf8(`${entry.at}\n${textOf(entry)}`)))))
}

function textOf({ key, event, legs }: Entry): string {
  return [key, event, ...legs.map(({ account, amount }) => `${account} ${amount}`)].join('\n')
}

/** Both hashes of an entry: what was asked for, and its place behind the entry before. */
export type EntryHashes = { readonly request: Digest; readonly chain: Digest }

/** Takes an entry's legs in parts, since one entry can have as many as there are miners. */
export type EntryHasher = {
  /** @param lines one or more whole legs, each `account amount`, joined by line feeds */
  readonly add: (lines: string) => void
  readonly end: () => EntryHashes
}

/** Begins both hashes of an entry; equal to {@link requestHash} and {@link chainHash}. */
export function entryHasher(before: Digest, head: Omit<Entry, 'legs'>): EntryHasher {
  const opening = `${head.key}\n${head.event}`
  const request = sha256.create().update(utf8(opening))
  const chain = sha256
    .create()
    .update(fromHex(before))
    .update(utf8(`${head.at}\n${opening}`))
  return {
    add: lines => {
      const bytes = utf8(`\n${lines}`)
      request.update(bytes)
      chain.update(bytes)
    },
    end: () => ({
      request: digest(toHex(request.digest())),
      chain: digest(toHex(chain.digest())),
    }),
  }
}
