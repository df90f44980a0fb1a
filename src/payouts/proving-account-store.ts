import type { Transaction } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, accountId } from '../lib/ids.ts'
import type { ProvingPayee } from './settings-proof.ts'

/** An account, and the payee whose key speaks for it. */
export type ProvingAccount = ProvingPayee & { readonly id: AccountId }

/** The account of a payee under a scheme; null where it has none. @param payee in canonical form */
export async function provingAccount(
  tx: Transaction<Database>,
  { payee, scheme }: { readonly payee: string; readonly scheme: string },
): Promise<ProvingAccount | null> {
  const row = await tx
    .selectFrom('accounts')
    .innerJoin('payees', 'payees.id', 'accounts.payee_id')
    .select(['accounts.id', 'kind', 'destination'])
    .where('destination', '=', payee)
    .where('scheme', '=', scheme)
    .executeTakeFirst()
  return row ? { ...row, id: accountId(row.id) } : null
}
