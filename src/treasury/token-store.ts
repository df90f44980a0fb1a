import { timingSafeEqual } from 'node:crypto'
import { type Kysely, sql, type Transaction } from 'kysely'
import { type OperatorRole, operatorWith } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import { fromHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import { recordEvent } from './audit-event-store.ts'
import { tokenDigest } from './first-admin-store.ts'
import { readOperators } from './operator-store.ts'
import {
  type LoginRefusal,
  loginRefusal,
  type SignedLogin,
  scopesOf,
  TOKENS_MAX,
  type TokenScope,
} from './token.ts'

/** Who asks, by a good token, and what it opens. */
export type Bearer = {
  readonly alias: string
  readonly roles: readonly OperatorRole[]
  readonly scopes: readonly TokenScope[]
  readonly token: bigint
}

/** What came of a request for a token. */
export type LoginVerdict =
  | { readonly kind: 'accepted'; readonly token: bigint; readonly alias: string }
  | { readonly kind: 'refused'; readonly reason: LoginRefusal }

/** A token as a list shows it: never its digest, which is of no use to anybody. */
export type TokenReport = {
  readonly token: bigint
  readonly alias: string
  readonly scopes: readonly TokenScope[]
  readonly createdAt: UnixMs
  readonly expiresAt: UnixMs
  readonly revokedAt: UnixMs | null
}

/**
 * Finds who a token is of. The index is asked for a digest, of which a guesser controls no bit, and
 * digests are compared in constant time, so the time tells nothing of any token.
 *
 * @returns null unless the token, the key that asked for it and the operator are good now
 */
export async function bearerOf(
  db: Kysely<Database>,
  token: string,
  now: UnixMs,
): Promise<Bearer | null> {
  const given = tokenDigest(token)
  const row = await db
    .selectFrom('access_tokens')
    .innerJoin('operators', 'operators.id', 'operator_id')
    .innerJoin('operator_keys', 'operator_keys.key', 'operator_key')
    .select(['access_tokens.id', 'digest', 'alias', 'roles', 'scopes'])
    .where('digest', '=', given)
    .where('access_tokens.revoked_ms', 'is', null)
    .where('operator_keys.revoked_ms', 'is', null)
    .where('removed_ms', 'is', null)
    .where('expires_ms', '>', BigInt(now))
    .executeTakeFirst()
  if (!row || !timingSafeEqual(fromHex(row.digest), fromHex(given))) return null
  const { alias, roles } = row
  // A role that was taken away takes its scopes out of tokens that are there.
  const open = scopesOf(roles)
  const scopes = row.scopes.filter(scope => open.includes(scope))
  return { alias, roles, scopes, token: row.id }
}

/** Gives a token to whoever signs for it. It never outlives the key that signed. */
export async function giveToken(
  tx: Transaction<Database>,
  network: string,
  signed: SignedLogin,
  now: UnixMs,
): Promise<LoginVerdict> {
  const refuse = (reason: LoginRefusal) => ({ kind: 'refused', reason }) as const
  const operators = await readOperators(tx)
  const refusal = loginRefusal(signed, operators, { network, now })
  if (refusal !== null) return refuse(refusal)
  const { digest, scopes, by, at } = signed.login
  const operator = operatorWith({ operators }, by, now)
  const notAfter = operator?.keys.find(({ key }) => key === by)?.notAfter
  assert(operator !== null && notAfter !== undefined, 'a login that counts is of a good key')
  await sql`select pg_advisory_xact_lock(hashtext('access_tokens'))`.execute(tx)
  const good = await selectTokens(tx)
    .where('alias', '=', operator.alias)
    .where('revoked_ms', 'is', null)
    .where('expires_ms', '>', BigInt(now))
    .execute()
  if (good.length >= TOKENS_MAX) return refuse('too many')
  const expiresAt = Math.min(signed.login.expiresAt, notAfter)
  const row = await tx
    .insertInto('access_tokens')
    .values(eb => ({
      operator_id: eb.selectFrom('operator_keys').select('operator_id').where('key', '=', by),
      operator_key: by,
      digest,
      scopes: [...scopes],
      created_ms: BigInt(now),
      expires_ms: BigInt(expiresAt),
      revoked_ms: null,
    }))
    .onConflict(conflict => conflict.column('digest').doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!row) return refuse('repeated')
  const { alias } = operator
  const detail = { scopes, expiresAt, askedAt: at }
  const event = { at: now, actor: `operator:${alias}`, action: 'make token' }
  await recordEvent(tx, { ...event, subject: `token:${row.id}`, detail })
  return { kind: 'accepted', token: row.id, alias }
}

/**
 * Ends a token.
 *
 * @param by whose word it is; without the scope `operators` only their own tokens
 * @returns false where there is no such token of theirs; one that ended already stays as it is
 */
export async function revokeToken(
  tx: Transaction<Database>,
  token: bigint,
  by: Bearer,
  now: UnixMs,
): Promise<boolean> {
  const row = await selectTokens(tx).where('access_tokens.id', '=', token).executeTakeFirst()
  if (!row || (row.alias !== by.alias && !by.scopes.includes('operators'))) return false
  const { numUpdatedRows } = await tx
    .updateTable('access_tokens')
    .set({ revoked_ms: BigInt(now) })
    .where('id', '=', token)
    .where('revoked_ms', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return true
  const event = { at: now, actor: `operator:${by.alias}`, action: 'revoke token' }
  await recordEvent(tx, { ...event, subject: `token:${token}`, detail: { of: row.alias } })
  return true
}

/** @param of whose tokens; null for everybody's */
export async function listTokens(
  db: Kysely<Database>,
  of: string | null,
  { before, limit }: { readonly before: bigint | null; readonly limit: number },
): Promise<readonly TokenReport[]> {
  let query = selectTokens(db).orderBy('access_tokens.id', 'desc').limit(limit)
  if (of !== null) query = query.where('alias', '=', of)
  if (before !== null) query = query.where('access_tokens.id', '<', before)
  const rows = await query.execute()
  return rows.map(row => ({
    token: row.id,
    alias: row.alias,
    scopes: row.scopes,
    createdAt: unixMs(Number(row.created_ms)),
    expiresAt: unixMs(Number(row.expires_ms)),
    revokedAt: row.revoked_ms === null ? null : unixMs(Number(row.revoked_ms)),
  }))
}

function selectTokens(db: Kysely<Database>) {
  return db
    .selectFrom('access_tokens')
    .innerJoin('operators', 'operators.id', 'operator_id')
    .selectAll('access_tokens')
    .select('alias')
}
