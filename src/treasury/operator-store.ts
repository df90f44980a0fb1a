import { type Kysely, sql, type Transaction } from 'kysely'
import { type Operator, parseOperatorKey } from '../approval/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { type Digest, digest, type UnixMs, unixMs } from '../lib/ids.ts'
import { recordEvent } from './audit-event-store.ts'
import {
  encodeOperatorAct,
  OPERATORS_START,
  type OperatorChange,
  operatorActHash,
  type SignedOperatorAct,
} from './operator-act.ts'
import { type ChangeRefusal, changeRefusal, type Member } from './operator-change.ts'

/** What became of a signed change. */
export type ChangeVerdict =
  | { readonly kind: 'accepted'; readonly head: Digest }
  | { readonly kind: 'refused'; readonly reason: ChangeRefusal }

/**
 * Everyone who acts for the treasury now, by alias, with the keys that were not revoked; whether a
 * key has expired is for whoever asks at a time. Removed operators are left out.
 */
export async function readOperators(db: Kysely<Database>): Promise<readonly Operator[]> {
  const members = await readMembers(db)
  return members
    .filter(({ removed }) => !removed)
    .map(({ alias, roles, keys }) => ({
      alias,
      roles,
      keys: keys.filter(({ revoked }) => !revoked).map(({ key, notAfter }) => ({ key, notAfter })),
    }))
}

/** Everyone who ever acted for the treasury with all their keys, by alias. */
export async function readMembers(db: Kysely<Database>): Promise<readonly Member[]> {
  const rows = await db
    .selectFrom('operators')
    .leftJoin('operator_keys', 'operator_id', 'operators.id')
    .select(['alias', 'roles', 'removed_ms', 'key', 'not_after_ms', 'revoked_ms'])
    .orderBy(sql`alias collate "C"`)
    .orderBy('key')
    .execute()
  const members = new Map<string, Member>()
  for (const { alias, roles, removed_ms, key: text, not_after_ms, revoked_ms } of rows) {
    const keys = members.get(alias)?.keys ?? []
    const key = text === null ? null : parseOperatorKey(text)
    assert(text === null || key !== null, 'only real keys are stored')
    const notAfter = unixMs(Number(not_after_ms))
    const added = key === null ? [] : [{ key, notAfter, revoked: revoked_ms !== null }]
    members.set(alias, { alias, roles, removed: removed_ms !== null, keys: [...keys, ...added] })
  }
  return [...members.values()]
}

/** The hash of the newest change, which the next one names. */
export async function operatorsHead(db: Kysely<Database>): Promise<Digest> {
  const row = await db
    .selectFrom('operator_acts')
    .select('hash')
    .orderBy('serial', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? digest(row.hash) : OPERATORS_START
}

/**
 * Makes a signed change if it counts, and writes the act and its event. A first admin takes the
 * console's token too, which is asked for elsewhere (`joinAsFirstAdmin`), and never passes here.
 */
export async function changeOperators(
  tx: Transaction<Database>,
  network: string,
  given: SignedOperatorAct,
  now: UnixMs,
): Promise<ChangeVerdict> {
  if (given.act.change.kind === 'first admin') return { kind: 'refused', reason: 'not allowed' }
  return makeChange(tx, network, given, now)
}

/**
 * Judges and writes a change of any kind. It is judged again under the lock, so that of two for one
 * state only one counts, and before it, so that a stranger makes nobody wait. For this room only.
 */
export async function makeChange(
  tx: Transaction<Database>,
  network: string,
  given: SignedOperatorAct,
  now: UnixMs,
): Promise<ChangeVerdict> {
  const { change } = given.act
  const sceneNow = async () => {
    const [head, members] = [await operatorsHead(tx), await readMembers(tx)]
    return { network, now, head, members }
  }
  const early = changeRefusal(given, await sceneNow())
  if (early !== null) return { kind: 'refused', reason: early }
  await sql`select pg_advisory_xact_lock(hashtext('operator_acts'))`.execute(tx)
  const scene = await sceneNow()
  const { members } = scene
  const refusal = changeRefusal(given, scene)
  if (refusal !== null) return { kind: 'refused', reason: refusal }
  await writeChange(tx, change, now)
  const hash = operatorActHash(given.act)
  await tx
    .insertInto('operator_acts')
    .values(eb => ({
      serial: eb
        .selectFrom('operator_acts')
        .select(sql<bigint>`coalesce(max(serial), 0) + 1`.as('next')),
      bytes: encodeOperatorAct(given.act),
      hash,
      operator_key: given.act.by,
      signature: given.signature,
      given_ms: BigInt(now),
    }))
    .execute()
  const { kind: action, alias, ...detail } = change
  const signer = members.find(({ keys }) => keys.some(({ key }) => key === given.act.by))
  const actor = `operator:${signer?.alias ?? alias}`
  await recordEvent(tx, { at: now, actor, action, subject: `operator:${alias}`, detail })
  return { kind: 'accepted', head: hash }
}

async function writeChange(
  tx: Transaction<Database>,
  change: OperatorChange,
  now: UnixMs,
): Promise<void> {
  const { alias } = change
  const at = BigInt(now)
  switch (change.kind) {
    case 'first admin':
    case 'add operator': {
      const roles = change.kind === 'first admin' ? (['admin'] as const) : change.roles
      await tx
        .insertInto('operators')
        .values({ alias, roles: [...roles], created_ms: at, removed_ms: null })
        .execute()
      return addKey(tx, change, now)
    }
    case 'set roles':
      await tx
        .updateTable('operators')
        .set({ roles: change.roles })
        .where('alias', '=', alias)
        .execute()
      return
    case 'remove operator':
      await tx.updateTable('operators').set({ removed_ms: at }).where('alias', '=', alias).execute()
      return revokeTokens(
        tx,
        at,
        sql`operator_id = (select id from operators where alias = ${alias})`,
      )
    case 'add key':
      return addKey(tx, change, now)
    case 'revoke key':
      await tx
        .updateTable('operator_keys')
        .set({ revoked_ms: at })
        .where('key', '=', change.key)
        .execute()
      return revokeTokens(tx, at, sql`operator_key = ${change.key}`)
    default:
      return unreachable(change)
  }
}

async function addKey(
  tx: Transaction<Database>,
  {
    alias,
    key,
    notAfter,
  }: { readonly alias: string; readonly key: string; readonly notAfter: number },
  now: UnixMs,
): Promise<void> {
  await tx
    .insertInto('operator_keys')
    .values(eb => ({
      key,
      operator_id: eb.selectFrom('operators').select('id').where('alias', '=', alias),
      created_ms: BigInt(now),
      not_after_ms: BigInt(notAfter),
      revoked_ms: null,
    }))
    .execute()
}

/** A token falls with the person, or with the key, that it was given for. */
async function revokeTokens(
  tx: Transaction<Database>,
  at: bigint,
  which: ReturnType<typeof sql>,
): Promise<void> {
  await sql`update access_tokens set revoked_ms = ${at}
             where revoked_ms is null and ${which}`.execute(tx)
}
