import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { Job } from '../lib/job-runner.ts'
import { extendChain } from './chain-store.ts'

/** How long an entry may wait for its place in the hash chain. */
const CHAIN_EVERY_MS = 10_000

/** The ledger's jobs: its hash chain follows behind the commits. */
export function ledgerJobs(db: Kysely<Database>): readonly Job[] {
  return [
    {
      name: 'extend-ledger-chain',
      everyMs: CHAIN_EVERY_MS,
      run: async () => {
        await extendChain(db)
      },
    },
  ]
}
