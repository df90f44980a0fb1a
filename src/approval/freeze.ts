import * as secp256k1 from 'tiny-secp256k1'
import { assert } from '../lib/assert.ts'
import { fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest, type UnixMs } from '../lib/ids.ts'
import { type OperatorKey, operatorKeyOf, REASON_CHARACTERS_MAX, verifySignature } from './act.ts'
import { canonicalJson } from './canonical.ts'
import { type Operator, type OperatorRole, operatorWith } from './policy.ts'
import { taggedHash } from './tagged-hash.ts'

/** So many different people lift a freeze; one is enough to freeze. */
export const LIFTS_NEEDED = 2
/** The scope that holds for every rail. */
export const ALL_RAILS = 'all'
/** An act signed longer ago, or that far ahead, is refused: nobody keeps one for later. */
export const ACT_AGE_MS_MAX = 10 * 60_000

const SCOPE = /^[a-z0-9-]{1,40}$/
const FREEZERS: readonly OperatorRole[] = ['operator', 'approver', 'admin']
const LIFTERS: readonly OperatorRole[] = ['approver', 'admin']

/** Stops plans, signatures and sends on a rail, or on all. What left already is still followed. */
export type Freeze = {
  readonly kind: 'freeze'
  /** The network's name, so that an act on one never counts on another. */
  readonly network: string
  /** A rail's name, or `all`. */
  readonly scope: string
  readonly reason: string
  readonly at: UnixMs
  /** Null where the pool itself freezes, for example when its books do not match the wallet. */
  readonly by: OperatorKey | null
}

/** One person's word that a freeze may end. */
export type Unfreeze = {
  readonly kind: 'unfreeze'
  readonly network: string
  /** The freeze's hash, which is its name: ids of a database can come again. */
  readonly freeze: Digest
  readonly reason: string
  readonly at: UnixMs
  readonly by: OperatorKey
}

/** A freeze or unfreeze by an operator, with the BIP 340 signature of 64 bytes over its hash. */
export type SignedFreezeAct = {
  readonly act: (Freeze & { readonly by: OperatorKey }) | Unfreeze
  readonly signature: Uint8Array
}

/** A freeze with those who want it lifted. */
export type FreezeWithLifts = { readonly freeze: Freeze; readonly lifts: readonly Unfreeze[] }

/** Why an act does not count; nothing is written then. */
export type FreezeRefusal =
  | 'malformed'
  | 'other network'
  /** Nobody with this key, or not in a role that may do it, or the key has expired. */
  | 'unknown operator'
  | 'bad signature'
  | 'too old'
  | 'repeated'
  | 'unknown freeze'
  | 'already lifted'

/**
 * What an act is called and what is signed: a tagged hash of its canonical bytes, under
 * `sidepool/freeze/1` or `sidepool/unfreeze/1`, so that one never passes for the other.
 */
export function freezeActHash({ kind, ...words }: Freeze | Unfreeze): Digest {
  return digest(toHex(taggedHash(`sidepool/${kind}/1`, utf8(canonicalJson(words)))))
}

/** Signs on an operator's own machine. */
export function signFreezeAct(
  secretKey: Uint8Array,
  words: Omit<Freeze, 'by'> | Omit<Unfreeze, 'by'>,
): SignedFreezeAct {
  const act = { ...words, by: operatorKeyOf(secretKey) }
  return { act, signature: secp256k1.signSchnorr(fromHex(freezeActHash(act)), secretKey) }
}

/** Whether the signature is the named operator's over exactly this act. Source: BIP 340. */
export function verifyFreezeAct({ act, signature }: SignedFreezeAct): boolean {
  return verifySignature(act.by, fromHex(freezeActHash(act)), signature)
}

/**
 * Whether a freeze still holds. People count, not keys: two keys of one operator lift once, and a
 * key that nobody has any more still tells who its owner was.
 *
 * @param personOf the alias behind a key, whenever it was good
 */
export function freezeHolds(
  { freeze, lifts }: FreezeWithLifts,
  personOf: (key: OperatorKey) => string | null,
): boolean {
  const hash = freezeActHash(freeze)
  const people = lifts.filter(lift => lift.freeze === hash).map(({ by }) => personOf(by))
  return new Set(people.filter(person => person !== null)).size < LIFTS_NEEDED
}

/** Whether a freeze of one scope stops a rail. */
export function stops({ scope }: Pick<Freeze, 'scope'>, rail: string): boolean {
  return scope === ALL_RAILS || scope === rail
}

/** What an act is judged by. */
export type FreezeScene = {
  readonly network: string
  readonly now: UnixMs
  readonly operators: readonly Operator[]
  /** Every freeze that the act could repeat or lift. */
  readonly freezes: readonly FreezeWithLifts[]
  /** The alias behind a key, whenever it was good. */
  readonly personOf: (key: OperatorKey) => string | null
}

/** Judges an act before it is written. @returns null when it counts */
export function freezeRefusal(given: SignedFreezeAct, scene: FreezeScene): FreezeRefusal | null {
  const { act } = given
  const { network, now, operators, freezes, personOf } = scene
  if (!isPlainReason(act.reason)) return 'malformed'
  if (act.kind === 'freeze' && !SCOPE.test(act.scope)) return 'malformed'
  if (act.network !== network) return 'other network'
  const operator = operatorWith({ operators }, act.by, now)
  const may = act.kind === 'freeze' ? FREEZERS : LIFTERS
  if (!operator?.roles.some(role => may.includes(role))) return 'unknown operator'
  if (!verifyFreezeAct(given)) return 'bad signature'
  if (Math.abs(now - act.at) > ACT_AGE_MS_MAX) return 'too old'
  const hash = act.kind === 'freeze' ? freezeActHash(act) : act.freeze
  const found = freezes.find(({ freeze }) => freezeActHash(freeze) === hash)
  if (act.kind === 'freeze') return found === undefined ? null : 'repeated'
  if (found === undefined) return 'unknown freeze'
  if (found.lifts.some(({ by }) => by === act.by || personOf(by) === operator.alias))
    return 'repeated'
  return freezeHolds(found, personOf) ? null : 'already lifted'
}

/** A reason is for people: some words, no control characters. */
export function isPlainReason(reason: string): boolean {
  const isShort = reason.length > 0 && reason.length <= REASON_CHARACTERS_MAX
  return isShort && reason.isWellFormed() && !/\p{Cc}/u.test(reason)
}

/**
 * A pool's own freeze. It needs no key, and no words can make it fail: stopping is always allowed,
 * so a reason is made fit instead of refused.
 */
export function poolFreeze(words: Omit<Freeze, 'kind' | 'by'>): Freeze {
  assert(SCOPE.test(words.scope), 'a freeze is of a rail or of all')
  const plain = words.reason.toWellFormed().replace(/\p{Cc}+/gu, ' ')
  const reason = plain.slice(0, REASON_CHARACTERS_MAX).toWellFormed() || 'no reason given'
  return { kind: 'freeze', ...words, reason, by: null }
}
