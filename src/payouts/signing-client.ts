import type { Kysely } from 'kysely'
import type { SignReply, SignRequest } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import type { Clock } from '../lib/time.ts'
import type { SignerClient } from './signer-client.ts'
import { newestHead, storeHead } from './signer-head-store.ts'

/** What the signer host gave; asking again later is harmless. */
export type Given =
  | Exclude<SignReply, { kind: 'refused' }>
  | { readonly kind: 'waits'; readonly reason: string }

/** Of a union, each member without that key. */
type Without<T, Key extends string> = T extends unknown ? Omit<T, Key> : never

/**
 * Has a version signed on the signer host. Where its memory ended is on record here before the
 * signatures are used, so that one restored from an older copy signs nothing more for us.
 */
export async function askSigner(
  {
    db,
    client,
    clock,
  }: { readonly db: Kysely<Database>; readonly client: SignerClient; readonly clock: Clock },
  request: Without<SignRequest, 'head'>,
): Promise<Given> {
  const answer = await client.sign({ ...request, head: await newestHead(db) })
  if (answer.kind === 'no answer') return { kind: 'waits', reason: answer.reason }
  const reply = answer.value
  if (reply.kind === 'refused')
    return { kind: 'waits', reason: `the signer refuses: ${reply.reason}` }
  const wrong = await storeHead(db, reply.head, clock.now())
  return wrong === null ? reply : { kind: 'waits', reason: wrong }
}
