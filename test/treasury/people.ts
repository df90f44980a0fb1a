import type { Kysely } from 'kysely'
import { type OperatorKey, operatorKeyOf } from '../../src/approval/act.ts'
import type { OperatorRole } from '../../src/approval/policy.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { tokenDigest } from '../../src/treasury/first-admin-store.ts'
import type { TokenScope } from '../../src/treasury/token.ts'

/** A secret key of tests: nobody's, and always the same for the same number. */
export const secretOf = (n: number) => new Uint8Array(32).fill(n)
export const keyOf = (n: number): OperatorKey => operatorKeyOf(secretOf(n))
/** Later than every time in these tests. */
export const NEVER = unixMs(4_000_000_000_000)

/** An operator straight into the tables, for what only needs that there are some. */
export async function addPerson(
  db: Kysely<Database>,
  alias: string,
  roles: OperatorRole[],
  keys: readonly OperatorKey[],
): Promise<bigint> {
  const { id } = await db
    .insertInto('operators')
    .values({ alias, roles, created_ms: 1n, removed_ms: null })
    .returning('id')
    .executeTakeFirstOrThrow()
  for (const key of keys)
    await db
      .insertInto('operator_keys')
      .values({
        ...{ key, operator_id: id, created_ms: 1n, revoked_ms: null },
        not_after_ms: BigInt(NEVER),
      })
      .execute()
  return id
}

/** A bearer token straight into the tables, good for ever. */
export async function addToken(
  db: Kysely<Database>,
  {
    operator,
    key,
    token,
    scopes = ['read'],
  }: {
    readonly operator: bigint
    readonly key: OperatorKey
    readonly token: string
    readonly scopes?: readonly TokenScope[]
  },
): Promise<void> {
  await db
    .insertInto('access_tokens')
    .values({
      ...{ operator_id: operator, operator_key: key, digest: tokenDigest(token) },
      ...{ scopes: [...scopes], created_ms: 1n, expires_ms: BigInt(NEVER), revoked_ms: null },
    })
    .execute()
}
