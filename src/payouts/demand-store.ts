import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { UnixMs } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import { INVOICE_RAIL } from './invoice.ts'

/**
 * What miners are owed and would be paid on a rail: the payable balances of those whose first wish
 * is that rail, and of those without wishes whose address is one of its own. What somebody has
 * uploaded an invoice for, and is owed, is paid on the rail of invoices, whatever the wish. Whole
 * satoshis of the sum; what a live batch holds is not counted, since its coins are held too.
 *
 * @param kind of payees that are paid there where they said nothing
 */
export async function payableOn(
  db: Kysely<Database>,
  { rail, kind }: { readonly rail: string; readonly kind: 'bitcoin' | 'thunder' | 'lightning' },
  now: UnixMs,
): Promise<Sats> {
  const { rows } = await sql<{ payable: bigint }>`
    select coalesce(sum(
             case when wish.rail = ${rail} or (wish.rail is null and payees.kind = ${kind})
                  then -amount_msat - invoiced.msat else 0 end
             + case when ${rail === INVOICE_RAIL} then invoiced.msat else 0 end), 0)::bigint as payable
      from accounts
      join payees on payees.id = accounts.payee_id
      left join lateral (
        select rails -> 0 ->> 'rail' as rail from payout_settings
         where payee_id = payees.id order by number desc limit 1) wish on true
      join ledger_accounts on ledger_accounts.name = 'miner:' || accounts.id || ':payable'
      join ledger_balances on ledger_balances.account_id = ledger_accounts.id
      left join uploaded_invoices invoice
        on invoice.account_id = accounts.id and invoice.ended_ms is null
           and invoice.lapses_ms > ${now} and invoice.amount_sats * 1000 <= -amount_msat
      cross join lateral (select coalesce(invoice.amount_sats, 0) * 1000 as msat) invoiced`.execute(
    db,
  )
  return sats((rows[0]?.payable ?? 0n) / 1000n)
}
