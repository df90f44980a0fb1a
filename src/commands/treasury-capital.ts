import type { Kysely } from 'kysely'
import { chartAccount, type Entry, mergeLegs, postEntries } from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import { journalKey } from '../lib/ids.ts'
import { millisats, msatsFromSats, type Sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import { CommandError, say } from './command.ts'

const ID = /^[a-z0-9._-]{1,100}$/

/**
 * Books money that the operator put into the pool's wallet: the float grows, and the pool owes it
 * to nobody but its owner. It moves no coin. The id makes a repeat of the command book once.
 *
 * @returns the exit code: 1 where the id stands for another amount
 */
export async function bookCapital(
  db: Kysely<Database>,
  { id, amount, clock }: { readonly id: string; readonly amount: Sats; readonly clock: Clock },
): Promise<number> {
  if (!ID.test(id)) throw new CommandError('--id is a name: lower-case letters, digits, . _ -')
  if (amount === 0n) throw new CommandError('--sats is more than nothing')
  const entry: Entry = {
    key: journalKey(`capital:${id}`),
    event: 'capital put in',
    legs: mergeLegs([
      { account: chartAccount('l1Float'), amount: msatsFromSats(amount) },
      { account: chartAccount('treasuryCapital'), amount: millisats(-msatsFromSats(amount)) },
    ]),
    at: clock.now(),
  }
  const [outcome] = await db.transaction().execute(tx => postEntries(tx, [entry]))
  assert(outcome !== undefined, 'every entry has its outcome')
  switch (outcome.kind) {
    case 'posted':
      say(`booked ${amount} sat as ${entry.key}`)
      return 0
    case 'repeated':
      say(`${entry.key} was booked before, with the same amount; nothing was changed`)
      return 0
    case 'conflict':
      say(`${entry.key} was booked before, with another amount; nothing was changed`)
      return 1
    case 'overdrawn':
      throw new Error('capital only adds to the float')
    default:
      return unreachable(outcome)
  }
}
