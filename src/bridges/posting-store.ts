import type { Kysely, Transaction } from 'kysely'
import { type Entry, postEntries } from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'

export type StoreOutcome =
  | { readonly kind: 'stored' }
  /** Another run was faster; nothing was written. */
  | { readonly kind: 'passed over' }
  /** The float is too small to give back what a reorganisation has undone: it was spent. */
  | { readonly kind: 'overdrawn' }

/**
 * Stores what a look has changed, with its entry, in one commit.
 *
 * @param update says whether it found what was read before, so that two runs do not both change it
 * @param noteCoin notes what the entry booked; null where it booked no coin
 */
export async function storeWithEntry(
  db: Kysely<Database>,
  change: {
    readonly update: (tx: Transaction<Database>) => Promise<boolean>
    readonly entry: Entry | null
    readonly noteCoin: ((tx: Transaction<Database>) => Promise<void>) | null
  },
): Promise<StoreOutcome> {
  const overdrawn = new Error('overdrawn')
  try {
    return await db.transaction().execute(async (tx): Promise<StoreOutcome> => {
      if (!(await change.update(tx))) return { kind: 'passed over' }
      if (change.entry !== null && !(await isPosted(tx, change.entry))) throw overdrawn
      await change.noteCoin?.(tx)
      return { kind: 'stored' }
    })
  } catch (error) {
    if (error === overdrawn) return { kind: 'overdrawn' }
    throw error
  }
}

async function isPosted(tx: Transaction<Database>, entry: Entry): Promise<boolean> {
  const [outcome] = await postEntries(tx, [entry])
  assert(outcome !== undefined, 'every entry has its outcome')
  switch (outcome.kind) {
    case 'posted':
    case 'repeated':
      return true
    case 'overdrawn':
      return false
    case 'conflict':
      throw new Error(`${entry.key} stands for another entry`)
    default:
      return unreachable(outcome)
  }
}
