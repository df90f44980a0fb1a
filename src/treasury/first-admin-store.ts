import { sha256 } from '@noble/hashes/sha2.js'
import { sql, type Transaction } from 'kysely'
import { toHex, utf8 } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import { type UnixMs, unixMs } from '../lib/ids.ts'
import type { Random } from '../lib/random.ts'
import { recordEvent } from './audit-event-store.ts'
import type { SignedOperatorAct } from './operator-act.ts'
import { hasAdmin } from './operator-change.ts'
import { type ChangeVerdict, makeChange, readMembers } from './operator-store.ts'

/** How long the console's token is good. */
export const INVITATION_MS = 3_600_000

/** What came of a request to become the first admin. */
export type JoinVerdict = ChangeVerdict | { readonly kind: 'refused'; readonly reason: 'bad token' }

/**
 * Makes the one-time token with which the first admin joins, or the next where no admin's key is
 * good any more. An older token is good no longer. The token itself is kept nowhere.
 *
 * @returns 64 hex digits; null while there is an admin
 */
export async function inviteFirstAdmin(
  tx: Transaction<Database>,
  random: Random,
  now: UnixMs,
): Promise<{ readonly token: string; readonly expiresAt: UnixMs } | null> {
  await lockInvitations(tx)
  if (hasAdmin(await readMembers(tx), now)) return null
  const token = toHex(random.bytes(32))
  const expiresAt = unixMs(now + INVITATION_MS)
  await tx
    .updateTable('first_admin_tokens')
    .set({ used_ms: BigInt(now) })
    .where('used_ms', 'is', null)
    .execute()
  await tx
    .insertInto('first_admin_tokens')
    .values({
      digest: tokenDigest(token),
      created_ms: BigInt(now),
      expires_ms: BigInt(expiresAt),
      used_ms: null,
    })
    .execute()
  const detail = { expiresAt }
  await recordEvent(tx, { at: now, actor: 'host', action: 'invite admin', subject: '', detail })
  return { token, expiresAt }
}

/** Takes the token once, and makes whoever holds it and the key an admin. */
export async function joinAsFirstAdmin(
  tx: Transaction<Database>,
  network: string,
  { token, signed }: { readonly token: string; readonly signed: SignedOperatorAct },
  now: UnixMs,
): Promise<JoinVerdict> {
  await lockInvitations(tx)
  const digest = tokenDigest(token)
  const { change } = signed.act
  const invited = await tx
    .selectFrom('first_admin_tokens')
    .select('digest')
    .where('digest', '=', digest)
    .where('used_ms', 'is', null)
    .where('expires_ms', '>', BigInt(now))
    .executeTakeFirst()
  const isMeant = change.kind === 'first admin' && change.invitation === digest
  if (!invited || !isMeant) return { kind: 'refused', reason: 'bad token' }
  const verdict = await makeChange(tx, network, signed, now)
  if (verdict.kind === 'refused') return verdict
  await tx
    .updateTable('first_admin_tokens')
    .set({ used_ms: BigInt(now) })
    .where('digest', '=', digest)
    .execute()
  return verdict
}

/** What is kept of a token, and what a signature names instead of it. */
export function tokenDigest(token: string): string {
  return toHex(sha256(utf8(token)))
}

async function lockInvitations(tx: Transaction<Database>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('first_admin_tokens'))`.execute(tx)
}
