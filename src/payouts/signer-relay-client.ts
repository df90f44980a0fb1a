import type { Kysely } from 'kysely'
import { FREEZE_ACTS_MAX } from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import type { Job } from '../lib/queue.ts'
import { freezeActsAfter } from '../treasury/index.ts'
import type { SignerClient } from './signer-client.ts'

const EVERY_MS = 10_000

/**
 * Brings operators' freezes to the signer host, which keeps its own mind about them: once there,
 * they hold whatever becomes of the pool. After a start all are brought again, since what the
 * signer has already it passes over.
 *
 * The head in the answer is not kept: a signer with an old copy of its memory takes freezes too,
 * and with enough of them it would end past what the pool has seen. Only a signature proves that
 * it knew the pool's head.
 */
export function relayFreezes(parts: {
  readonly db: Kysely<Database>
  readonly client: SignerClient
  readonly network: string
}): Job {
  const { db, client, network } = parts
  let after = 0n
  return {
    name: 'relay-freezes',
    everyMs: EVERY_MS,
    run: async () => {
      const acts = await freezeActsAfter(db, network, { after, limit: FREEZE_ACTS_MAX })
      const last = acts.at(-1)
      if (last === undefined) return
      const answer = await client.freeze(acts.map(({ act, signature }) => ({ act, signature })))
      // What it could not write down it has not taken; it is brought again with the next run.
      if (answer.kind === 'no answer' || answer.value.kind === 'refused') return
      after = last.id
    },
  }
}
