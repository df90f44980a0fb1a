import {
  ACT_AGE_MS_MAX,
  type OperatorKey,
  type OperatorRole,
  parseOperatorKey,
} from '../approval/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { type Digest, type UnixMs, unixMs } from '../lib/ids.ts'
import { type OperatorChange, type SignedOperatorAct, verifyOperatorAct } from './operator-act.ts'

/** More people than this do not act for one treasury. */
export const OPERATORS_MAX = 100
/** Good keys of one person; another is refused. */
export const KEYS_MAX = 10
/** A key is renewed at least this often: 731 days. */
export const KEY_MS_MAX = 731 * 24 * 3_600_000

/** An operator with everything that ever was, as acts add up to it. */
export type Member = {
  readonly alias: string
  readonly roles: readonly OperatorRole[]
  readonly removed: boolean
  readonly keys: readonly {
    readonly key: OperatorKey
    readonly notAfter: UnixMs
    readonly revoked: boolean
  }[]
}

/** Why a change is not made; nothing is written then. */
export type ChangeRefusal =
  | 'malformed'
  | 'other network'
  /** It was signed for another state of the operators: read them again. */
  | 'outdated'
  | 'too old'
  | 'unknown operator'
  | 'bad signature'
  | 'not allowed'
  | 'alias taken'
  /** A key is never anybody's a second time. */
  | 'key taken'
  | 'unknown alias'
  | 'unknown key'
  | 'bad expiry'
  | 'too many'
  /** Nobody could manage operators after it. */
  | 'last admin'

/** What a change is judged by. */
export type ChangeScene = {
  readonly network: string
  readonly now: UnixMs
  /** Hash of the newest act. */
  readonly head: Digest
  readonly members: readonly Member[]
}

/** Judges a signed change before it is written. @returns null when it counts */
export function changeRefusal(given: SignedOperatorAct, scene: ChangeScene): ChangeRefusal | null {
  const { act } = given
  const { now, members } = scene
  const signer =
    act.change.kind === 'first admin'
      ? act.by === act.change.key
      : members.some(member => hasGoodKey(member, act.by, now))
  if (act.network !== scene.network) return 'other network'
  if (!signer) return 'unknown operator'
  if (!verifyOperatorAct(given)) return 'bad signature'
  if (Math.abs(now - act.at) > ACT_AGE_MS_MAX) return 'too old'
  if (act.previous !== scene.head) return 'outdated'
  if (!isAllowed(act.change, act.by, scene)) return 'not allowed'
  const refusal = misfit(act.change, scene)
  if (refusal !== null) return refusal
  return hasAdmin(applyChange(members, act.change), now) ? null : 'last admin'
}

/** Whether somebody can manage operators: an admin with a key that is still good. */
export function hasAdmin(members: readonly Member[], now: UnixMs): boolean {
  return members.some(each => each.roles.includes('admin') && goodKeys(each, now).length > 0)
}

/** The members after a change that counts, in the order of their aliases. */
export function applyChange(members: readonly Member[], change: OperatorChange): readonly Member[] {
  switch (change.kind) {
    case 'first admin':
      return withMember(members, { ...newMember(change), roles: ['admin'] })
    case 'add operator':
      return withMember(members, { ...newMember(change), roles: change.roles })
    case 'set roles':
      return changed(members, change.alias, member => ({ ...member, roles: change.roles }))
    case 'remove operator':
      return changed(members, change.alias, member => ({ ...member, removed: true }))
    case 'add key':
      return changed(members, change.alias, member => ({
        ...member,
        keys: [...member.keys, newKey(change)].sort((a, b) => (a.key < b.key ? -1 : 1)),
      }))
    case 'revoke key':
      return changed(members, change.alias, member => ({
        ...member,
        keys: member.keys.map(key => (key.key === change.key ? { ...key, revoked: true } : key)),
      }))
    default:
      return unreachable(change)
  }
}

/** Admins change anything; everybody renews and revokes keys of their own. */
function isAllowed(change: OperatorChange, by: OperatorKey, { members, now }: ChangeScene) {
  if (change.kind === 'first admin') return !hasAdmin(members, now)
  const signer = members.find(member => hasGoodKey(member, by, now))
  if (signer?.roles.includes('admin')) return true
  const isOfKeys = change.kind === 'add key' || change.kind === 'revoke key'
  return isOfKeys && signer?.alias === change.alias
}

function misfit(change: OperatorChange, { members, now }: ChangeScene): ChangeRefusal | null {
  const member = members.find(({ alias }) => alias === change.alias)
  if (change.kind === 'first admin' || change.kind === 'add operator') {
    if (member) return 'alias taken'
    if (members.filter(({ removed }) => !removed).length >= OPERATORS_MAX) return 'too many'
    return keyMisfit(change, members, now)
  }
  if (!member || member.removed) return 'unknown alias'
  switch (change.kind) {
    case 'set roles':
    case 'remove operator':
      return null
    case 'add key':
      if (goodKeys(member, now).length >= KEYS_MAX) return 'too many'
      return keyMisfit(change, members, now)
    case 'revoke key':
      return member.keys.some(({ key, revoked }) => key === change.key && !revoked)
        ? null
        : 'unknown key'
    default:
      return unreachable(change)
  }
}

type WithKey = { readonly key: string; readonly notAfter: number }

function keyMisfit(
  { key, notAfter }: WithKey,
  members: readonly Member[],
  now: UnixMs,
): ChangeRefusal | null {
  if (parseOperatorKey(key) === null) return 'malformed'
  if (members.some(({ keys }) => keys.some(each => each.key === key))) return 'key taken'
  return notAfter > now && notAfter <= now + KEY_MS_MAX ? null : 'bad expiry'
}

function goodKeys({ removed, keys }: Member, now: UnixMs) {
  return removed ? [] : keys.filter(({ notAfter, revoked }) => !revoked && now < notAfter)
}

function hasGoodKey(member: Member, key: OperatorKey, now: UnixMs): boolean {
  return goodKeys(member, now).some(each => each.key === key)
}

function newKey({ key: text, notAfter }: WithKey): Member['keys'][number] {
  const key = parseOperatorKey(text)
  assert(key !== null, 'a change that counts adds a real key')
  return { key, notAfter: unixMs(notAfter), revoked: false }
}

function newMember(change: WithKey & { readonly alias: string }) {
  return { alias: change.alias, removed: false, keys: [newKey(change)] }
}

function withMember(members: readonly Member[], added: Member): readonly Member[] {
  return [...members, added].sort((a, b) => (a.alias < b.alias ? -1 : 1))
}

function changed(
  members: readonly Member[],
  alias: string,
  change: (member: Member) => Member,
): readonly Member[] {
  assert(
    members.some(each => each.alias === alias),
    'a change that counts is of somebody',
  )
  return members.map(member => (member.alias === alias ? change(member) : member))
}
