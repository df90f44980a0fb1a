import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { unixMs } from '../lib/ids.ts'
import { parseOperatorKey } from './approval.ts'
import type { Operator } from './policy.ts'

/**
 * Everyone who acts for the treasury now, by alias, with the keys that were not revoked; whether a
 * key has expired is for whoever asks at a time. Removed operators are left out.
 */
export async function readOperators(db: Kysely<Database>): Promise<readonly Operator[]> {
  const rows = await db
    .selectFrom('operators')
    .leftJoin('operator_keys', join =>
      join.onRef('operator_id', '=', 'operators.id').on('revoked_ms', 'is', null),
    )
    .select(['alias', 'roles', 'key', 'not_after_ms'])
    .where('removed_ms', 'is', null)
    .orderBy('alias')
    .orderBy('key')
    .execute()
  const operators = new Map<string, Operator>()
  for (const { alias, roles, key: text, not_after_ms } of rows) {
    const keys = operators.get(alias)?.keys ?? []
    if (text === null) {
      operators.set(alias, { alias, roles, keys })
      continue
    }
    const key = parseOperatorKey(text)
    assert(key !== null, 'only real keys are stored')
    const added = { key, notAfter: unixMs(Number(not_after_ms)) }
    operators.set(alias, { alias, roles, keys: [...keys, added] })
  }
  return [...operators.values()]
}
