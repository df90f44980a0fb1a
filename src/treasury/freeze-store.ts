import { type Kysely, sql, type Transaction } from 'kysely'
import {
  ALL_RAILS,
  type Freeze,
  type FreezeRefusal,
  type FreezeWithLifts,
  freezeActHash,
  freezeRefusal,
  LIFTS_NEEDED,
  type OperatorKey,
  parseOperatorKey,
  poolFreeze,
  type SignedFreezeAct,
  type Unfreeze,
} from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import { fromHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import { type Digest, digest, type UnixMs, unixMs } from '../lib/ids.ts'
import { recordEvent } from './audit-event-store.ts'
import { readOperators } from './operator-store.ts'

/** What became of an operator's act. */
export type FreezeVerdict =
  | { readonly kind: 'accepted'; readonly id: bigint; readonly holds: boolean }
  | { readonly kind: 'refused'; readonly reason: FreezeRefusal }

/** A freeze as a list shows it. */
export type FreezeReport = {
  readonly id: bigint
  readonly hash: Digest
  readonly scope: string
  readonly reason: string
  /** Alias; null where the pool itself froze. */
  readonly by: string | null
  /** Whose signature it has; null likewise. */
  readonly key: OperatorKey | null
  readonly at: UnixMs
  readonly holds: boolean
  readonly lifts: readonly { readonly by: string; readonly reason: string; readonly at: UnixMs }[]
}

/**
 * Whether something is frozen now. Ask again right before each step that money cannot take back.
 *
 * @param scope a rail's name, which a freeze of all covers too
 * @returns the oldest freeze's reason, for people; null where nothing stops it
 */
export async function frozen(db: Kysely<Database>, scope: string): Promise<string | null> {
  const row = await selectFreezes(db)
    .where('scope', 'in', [scope, ALL_RAILS])
    .where(liftCount, '<', LIFTS_NEEDED)
    .orderBy('freeze_acts.id')
    .limit(1)
    .executeTakeFirst()
  return row ? `frozen by ${row.alias ?? 'the pool'}: ${row.reason}` : null
}

/**
 * Writes an operator's freeze or unfreeze if it counts, and its event. It is judged again under the
 * lock, so that a second act sees the first, and before it, so that a stranger makes nobody wait.
 */
export async function giveFreezeAct(
  tx: Transaction<Database>,
  network: string,
  given: SignedFreezeAct,
  now: UnixMs,
): Promise<FreezeVerdict> {
  const early = await judge(tx, network, given, now)
  if (early.refusal !== null) return { kind: 'refused', reason: early.refusal }
  await lockFreezes(tx)
  const { refusal, found, alias } = await judge(tx, network, given, now)
  if (refusal !== null) return { kind: 'refused', reason: refusal }
  const { act, signature } = given
  const lifts = found?.id ?? null
  const scope = act.kind === 'freeze' ? act.scope : found?.freeze.scope
  assert(scope !== undefined, 'an unfreeze that counts names a freeze that is there')
  const id = await insertAct(tx, { act, lifts, scope, signature })
  const event = { at: now, actor: `operator:${alias}`, action: act.kind }
  const subject = `freeze:${lifts ?? id}`
  await recordEvent(tx, { ...event, subject, detail: { scope, reason: act.reason } })
  const isLast = act.kind === 'unfreeze' && (found?.lifts.length ?? 0) + 1 >= LIFTS_NEEDED
  // Whatever waited for the last lift is looked at again at once.
  if (isLast) await sql`select pg_notify('decisions', ${subject})`.execute(tx)
  return { kind: 'accepted', id: lifts ?? id, holds: !isLast }
}

async function judge(
  tx: Transaction<Database>,
  network: string,
  given: SignedFreezeAct,
  now: UnixMs,
) {
  const { act } = given
  const operators = await readOperators(tx)
  const people = await peopleByKey(tx)
  const personOf = (key: OperatorKey) => people.get(key) ?? null
  const hash = act.kind === 'freeze' ? freezeActHash(act) : act.freeze
  const found = await freezeNamed(tx, network, hash)
  const freezes = found ? [found] : []
  const refusal = freezeRefusal(given, { network, now, operators, freezes, personOf })
  return { refusal, found, alias: personOf(act.by) }
}

/**
 * Freezes without a person, for example where the wallet and the books differ. One freeze of the
 * pool's own holds a scope at a time, so a job may say so again each time it looks.
 *
 * @returns whether this was a new freeze
 */
export async function freezeByPool(
  tx: Transaction<Database>,
  words: Omit<Freeze, 'kind' | 'by'>,
): Promise<boolean> {
  await lockFreezes(tx)
  const standing = await selectFreezes(tx)
    .where('scope', '=', words.scope)
    .where('operator_key', 'is', null)
    .where(liftCount, '<', LIFTS_NEEDED)
    .executeTakeFirst()
  if (standing) return false
  const act = poolFreeze(words)
  if (await freezeNamed(tx, words.network, freezeActHash(act))) return false
  const id = await insertAct(tx, { act, lifts: null, scope: act.scope, signature: null })
  const { at, scope, reason } = act
  const detail = { scope, reason }
  await recordEvent(tx, { at, actor: 'pool', action: 'freeze', subject: `freeze:${id}`, detail })
  return true
}

/** Freezes with their lifts, newest first. */
export async function listFreezes(
  db: Kysely<Database>,
  { before, limit }: { readonly before: bigint | null; readonly limit: number },
): Promise<readonly FreezeReport[]> {
  let query = selectFreezes(db).orderBy('freeze_acts.id', 'desc').limit(limit)
  if (before !== null) query = query.where('freeze_acts.id', '<', before)
  const rows = await query.execute()
  const ids = rows.map(row => row.id)
  const lifts = ids.length === 0 ? [] : await selectLifts(db).where('lifts_id', 'in', ids).execute()
  return rows.map(row => {
    const own = lifts.filter(lift => lift.lifts_id === row.id)
    return {
      id: row.id,
      hash: digest(row.hash),
      scope: row.scope,
      reason: row.reason,
      by: row.alias,
      key: row.operator_key === null ? null : keyOf(row.operator_key),
      at: unixMs(Number(row.given_ms)),
      holds: new Set(own.map(({ alias }) => alias)).size < LIFTS_NEEDED,
      lifts: own.map(({ alias, reason, given_ms }) => ({
        by: alias,
        reason,
        at: unixMs(Number(given_ms)),
      })),
    }
  })
}

/**
 * Operators' acts in the order they were given, with their signatures, for a program that keeps
 * its own mind about what is frozen. The pool's own freezes prove nothing elsewhere.
 */
export async function freezeActsAfter(
  db: Kysely<Database>,
  network: string,
  { after, limit }: { readonly after: bigint; readonly limit: number },
): Promise<readonly (SignedFreezeAct & { readonly id: bigint })[]> {
  const rows = await db
    .selectFrom('freeze_acts')
    .leftJoin('freeze_acts as lifted', 'lifted.id', 'freeze_acts.lifts_id')
    .selectAll('freeze_acts')
    .select('lifted.hash as lifted_hash')
    .where('freeze_acts.id', '>', after)
    .where('freeze_acts.operator_key', 'is not', null)
    .orderBy('freeze_acts.id')
    .limit(limit)
    .execute()
  return rows.map(row => {
    assert(row.signature !== null && row.operator_key !== null, 'an operator signs')
    const { scope, reason } = row
    const words = { network, reason, at: unixMs(Number(row.given_ms)), by: keyOf(row.operator_key) }
    const act =
      row.lifted_hash === null
        ? { kind: 'freeze' as const, scope, ...words }
        : { kind: 'unfreeze' as const, freeze: digest(row.lifted_hash), ...words }
    return { id: row.id, act, signature: new Uint8Array(row.signature) }
  })
}

const liftCount = sql<number>`(
  select count(distinct operator_id)::int from freeze_acts as lift
    join operator_keys on operator_keys.key = lift.operator_key
   where lift.lifts_id = freeze_acts.id)`

function selectFreezes(db: Kysely<Database>) {
  return db
    .selectFrom('freeze_acts')
    .leftJoin('operator_keys', 'operator_keys.key', 'freeze_acts.operator_key')
    .leftJoin('operators', 'operators.id', 'operator_keys.operator_id')
    .selectAll('freeze_acts')
    .select('alias')
    .where('act', '=', 'freeze')
}

function selectLifts(db: Kysely<Database>) {
  return db
    .selectFrom('freeze_acts')
    .innerJoin('operator_keys', 'operator_keys.key', 'freeze_acts.operator_key')
    .innerJoin('operators', 'operators.id', 'operator_keys.operator_id')
    .selectAll('freeze_acts')
    .select('alias')
    .where('act', '=', 'unfreeze')
    .orderBy('freeze_acts.id')
}

async function lockFreezes(tx: Transaction<Database>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('freeze_acts'))`.execute(tx)
}

async function freezeNamed(
  tx: Transaction<Database>,
  network: string,
  hash: Digest,
): Promise<(FreezeWithLifts & { readonly id: bigint }) | null> {
  const row = await selectFreezes(tx).where('hash', '=', hash).executeTakeFirst()
  if (!row) return null
  const lifts = await selectLifts(tx).where('lifts_id', '=', row.id).execute()
  const by = row.operator_key === null ? null : keyOf(row.operator_key)
  const { id, scope, reason } = row
  return {
    id,
    freeze: { kind: 'freeze', network, scope, reason, at: unixMs(Number(row.given_ms)), by },
    lifts: lifts.map((lift): Unfreeze => {
      assert(lift.operator_key !== null, 'only people lift')
      const at = unixMs(Number(lift.given_ms))
      const by = keyOf(lift.operator_key)
      return { kind: 'unfreeze', network, freeze: hash, reason: lift.reason, at, by }
    }),
  }
}

async function insertAct(
  tx: Transaction<Database>,
  given: {
    readonly act: Freeze | Unfreeze
    readonly lifts: bigint | null
    readonly scope: string
    readonly signature: Uint8Array | null
  },
): Promise<bigint> {
  const { act, lifts, scope, signature } = given
  const { id } = await tx
    .insertInto('freeze_acts')
    .values({
      act: act.kind,
      lifts_id: lifts,
      scope,
      operator_key: act.by,
      reason: act.reason,
      signature,
      given_ms: BigInt(act.at),
      hash: freezeActHash(act),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

async function peopleByKey(db: Kysely<Database>): Promise<ReadonlyMap<string, string>> {
  const rows = await db
    .selectFrom('operator_keys')
    .innerJoin('operators', 'operators.id', 'operator_id')
    .select(['key', 'alias'])
    .execute()
  return new Map(rows.map(({ key, alias }) => [key, alias]))
}

function keyOf(text: string): OperatorKey {
  const key = parseOperatorKey(text)
  assert(key !== null && fromHex(text).length === 32, 'only real keys are stored')
  return key
}
