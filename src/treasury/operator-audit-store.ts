import type { Kysely } from 'kysely'
import { ACT_AGE_MS_MAX, canonicalJson } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import { digest, type UnixMs, unixMs } from '../lib/ids.ts'
import { decodeOperatorAct, OPERATORS_START, operatorActHash } from './operator-act.ts'
import { applyChange, changeRefusal, type Member } from './operator-change.ts'
import { readMembers } from './operator-store.ts'

/** Acts read at a time; the rest follows in the next turn. */
const ACTS_PER_TURN = 500
/** A clock that was set right may have gone back by so much between two changes, and no further. */
const BACK_MS_MAX = ACT_AGE_MS_MAX

/**
 * Adds up every signed change from the first, each judged again as of its time, and compares the
 * sum with the operators and keys that the tables hold: a row that somebody put there without a
 * signature shows here. The time of a change says whose keys were good, so none is believed that
 * falls or is still to come: at a time when all keys have expired anybody could be a first admin.
 *
 * @returns complaints; none where all is well. After a change that does not count nothing that
 *   follows can be judged, so it is the last one named.
 */
export async function verifyOperators(
  db: Kysely<Database>,
  network: string,
  now: UnixMs,
): Promise<readonly string[]> {
  let members: readonly Member[] = []
  let latest = 0
  let head = OPERATORS_START
  let serial = 0n
  for (;;) {
    const rows = await db
      .selectFrom('operator_acts')
      .selectAll()
      .where('serial', '>', serial)
      .orderBy('serial')
      .limit(ACTS_PER_TURN)
      .execute()
    for (const row of rows) {
      serial += 1n
      const act = decodeOperatorAct(new Uint8Array(row.bytes))
      if (row.serial !== serial) return [`operators: change ${serial} is missing`]
      if (act === null) return [`operators: change ${serial} cannot be read`]
      const hash = operatorActHash(act)
      if (hash !== row.hash || act.by !== row.operator_key)
        return [`operators: change ${serial} was changed`]
      const signed = { act, signature: new Uint8Array(row.signature) }
      const at = unixMs(Number(row.given_ms))
      if (at + BACK_MS_MAX < latest || at > now + BACK_MS_MAX)
        return [`operators: change ${serial} is of another time than its place`]
      latest = Math.max(latest, at)
      const refusal = changeRefusal(signed, { network, now: at, head, members })
      if (refusal !== null) return [`operators: change ${serial} does not count: ${refusal}`]
      members = applyChange(members, act.change)
      head = digest(row.hash)
    }
    if (rows.length < ACTS_PER_TURN) break
  }
  return differences(members, await readMembers(db))
}

function differences(summed: readonly Member[], kept: readonly Member[]): readonly string[] {
  const textOf = (members: readonly Member[]) =>
    new Map(members.map(member => [member.alias, canonicalJson(member)]))
  const [sum, table] = [textOf(summed), textOf(kept)]
  return [...new Set([...sum.keys(), ...table.keys()])]
    .filter(alias => sum.get(alias) !== table.get(alias))
    .map(alias => `operators: ${alias} is not what the signed changes add up to`)
}
