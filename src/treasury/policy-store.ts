import type { Kysely } from 'kysely'
import type { SpendPolicy } from '../approval/index.ts'
import { equalBytes } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import type { UnixMs } from '../lib/ids.ts'
import { recordEvent } from './audit-event-store.ts'
import { readOperators } from './operator-store.ts'
import { encodeRules, policyFor, rulesHash, type SpendRules } from './rules.ts'

/** Whether rules may be in force under their version. */
export type KeepOutcome =
  | { readonly kind: 'new' | 'known' }
  /** The version stands for other rules, which manifests name. */
  | { readonly kind: 'taken' }

/**
 * Keeps each version of the rules as it was first in force, so that what a manifest names can be
 * read later. A version never changes its meaning: changed rules take a higher one.
 */
export async function keepRules(
  db: Kysely<Database>,
  rules: SpendRules,
  at: UnixMs,
): Promise<KeepOutcome> {
  const { version } = rules
  const bytes = encodeRules(rules)
  const hash = rulesHash(bytes)
  return db.transaction().execute(async tx => {
    const added = await tx
      .insertInto('policies')
      .values({ version, bytes, hash, created_ms: BigInt(at) })
      .onConflict(on => on.doNothing())
      .returning('version')
      .executeTakeFirst()
    if (added) {
      const subject = `policy:${version}`
      await recordEvent(tx, { at, actor: 'host', action: 'rules set', subject, detail: { hash } })
      return { kind: 'new' }
    }
    const kept = await tx
      .selectFrom('policies')
      .select('bytes')
      .where('version', '=', version)
      .executeTakeFirstOrThrow()
    return { kind: equalBytes(new Uint8Array(kept.bytes), bytes) ? 'known' : 'taken' }
  })
}

/** The rules with the people of this moment, whose roles and keys may change at any time. */
export async function policyNow(db: Kysely<Database>, rules: SpendRules): Promise<SpendPolicy> {
  return policyFor(rules, await readOperators(db))
}
