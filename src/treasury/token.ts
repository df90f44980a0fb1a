import * as secp256k1 from 'tiny-secp256k1'
import {
  ACT_AGE_MS_MAX,
  canonicalJson,
  type Operator,
  type OperatorKey,
  type OperatorRole,
  operatorKeyOf,
  operatorWith,
  taggedHash,
  verifySignature,
} from '../approval/index.ts'
import { fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { type Digest, digest, type UnixMs } from '../lib/ids.ts'

/** What a bearer token opens. None approves, freezes or changes operators: those are signed. */
export type TokenScope = 'read' | 'create' | 'operators'
/** A token asked for longer is refused: 90 days. */
export const TOKEN_MS_MAX = 90 * 24 * 3_600_000
/** Good tokens of one person; another is refused. */
export const TOKENS_MAX = 20

const SCOPES: Readonly<Record<OperatorRole, readonly TokenScope[]>> = {
  viewer: ['read'],
  operator: ['read', 'create'],
  approver: ['read'],
  admin: ['read', 'operators'],
}

/**
 * A request for a token. Whoever asks made the token and names its digest only, so the token
 * crosses the wire for the first time when it is used, and a request sent twice gives nothing.
 */
export type Login = {
  readonly network: string
  readonly by: OperatorKey
  /** SHA-256 of the token's text. */
  readonly digest: Digest
  /** Sorted, each once. */
  readonly scopes: readonly TokenScope[]
  readonly expiresAt: UnixMs
  readonly at: UnixMs
}
export type SignedLogin = { readonly login: Login; readonly signature: Uint8Array }

/** Why no token is given. */
export type LoginRefusal =
  | 'other network'
  | 'unknown operator'
  | 'bad signature'
  | 'too old'
  | 'not allowed'
  | 'bad expiry'
  | 'repeated'
  | 'too many'

/** What roles open together, sorted. */
export function scopesOf(roles: readonly OperatorRole[]): readonly TokenScope[] {
  return [...new Set(roles.flatMap(role => SCOPES[role]))].sort()
}

/** Signs a request on the operator's machine: tag `sidepool/login/1` over its canonical bytes. */
export function signLogin(secretKey: Uint8Array, words: Omit<Login, 'by'>): SignedLogin {
  const login = { ...words, by: operatorKeyOf(secretKey) }
  return { login, signature: secp256k1.signSchnorr(fromHex(loginHash(login)), secretKey) }
}

/** Judges a request by itself. @returns null when the person may have such a token */
export function loginRefusal(
  { login, signature }: SignedLogin,
  operators: readonly Operator[],
  { network, now }: { readonly network: string; readonly now: UnixMs },
): LoginRefusal | null {
  if (login.network !== network) return 'other network'
  const operator = operatorWith({ operators }, login.by, now)
  if (operator === null) return 'unknown operator'
  if (!verifySignature(login.by, fromHex(loginHash(login)), signature)) return 'bad signature'
  if (Math.abs(now - login.at) > ACT_AGE_MS_MAX) return 'too old'
  const allowed = scopesOf(operator.roles)
  const isSorted = login.scopes.every((scope, index) => (login.scopes[index - 1] ?? '') < scope)
  if (login.scopes.length === 0 || !isSorted) return 'not allowed'
  if (!login.scopes.every(scope => allowed.includes(scope))) return 'not allowed'
  return login.expiresAt > now && login.expiresAt <= now + TOKEN_MS_MAX ? null : 'bad expiry'
}

function loginHash(login: Login): Digest {
  return digest(toHex(taggedHash('sidepool/login/1', utf8(canonicalJson(login)))))
}
