import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { AccountId, UnixMs } from '../lib/ids.ts'
import { candidatesAmong } from './candidate-store.ts'
import { momentOf } from './next-payment-store.ts'
import type { Scheme } from './scheme.ts'
import { type Circumstances, type Waiting, waitingReason } from './waiting.ts'

/**
 * Why accounts have not been paid yet, by the plan's own judgement.
 *
 * @returns no entry for an account without a credit, or of a scheme that is no longer offered
 */
export async function whyWaiting(
  db: Kysely<Database>,
  schemes: readonly Scheme[],
  circumstances: Omit<Circumstances, 'now'>,
  { accounts, now }: { readonly accounts: readonly AccountId[]; readonly now: UnixMs },
): Promise<ReadonlyMap<AccountId, Waiting>> {
  const moment = await momentOf(db, now)
  if (moment === null) return new Map()
  const candidates = await candidatesAmong(db, schemes, moment, accounts)
  return new Map(
    candidates.map(each => [each.account, waitingReason(each, { ...circumstances, now: moment })]),
  )
}
