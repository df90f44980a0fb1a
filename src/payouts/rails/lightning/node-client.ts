import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { Network } from '../../../lib/bitcoin/network.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { UnixMs } from '../../../lib/ids.ts'
import { type LndClient, lndMisfit } from '../../../lib/nodes/lnd-client.ts'

/** Why nothing is paid by this lnd now, or null. */
export async function nodeComplaint(client: LndClient, network: Network): Promise<string | null> {
  const info = await client.info()
  if (!info.isSynced) return 'lnd has not caught up with the chain and the graph'
  return lndMisfit(info, network)
}

/** The lnd that is asked, as far as what it says of the past can be trusted. */
export type NodeStanding = {
  readonly publicKey: string
  readonly height: number
  /** Whether it has seen all blocks. */
  readonly isSynced: boolean
  readonly hasForgotten: boolean
}

/**
 * Notes the highest count of payments that an lnd has shown. One that shows less than before was
 * restored from a backup; it stays so, though its count rises again, since what it lost stays lost.
 */
export async function nodeStanding(
  db: Kysely<Database>,
  client: LndClient,
  at: UnixMs,
): Promise<NodeStanding> {
  const { publicKey, height, isSynced } = await client.info()
  // Read before lnd is asked: what another worker notes meanwhile says nothing of this answer.
  const known = await db
    .selectFrom('ln_nodes')
    .selectAll()
    .where('node_key', '=', publicKey)
    .executeTakeFirst()
  const newest = await client.newestPaymentIndex()
  const forgot = known?.forgot_ms ?? (known && newest < known.payment_index ? BigInt(at) : null)
  await sql`
    insert into ln_nodes (node_key, payment_index, seen_ms, forgot_ms)
    values (${publicKey}, ${newest}, ${at}, ${forgot})
    on conflict (node_key) do update
      set payment_index = greatest(ln_nodes.payment_index, excluded.payment_index),
          seen_ms = excluded.seen_ms,
          forgot_ms = coalesce(ln_nodes.forgot_ms, excluded.forgot_ms)`.execute(db)
  return { publicKey, height, isSynced, hasForgotten: forgot !== null }
}
