import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  type PaymentHash,
  type PayoutId,
  paymentHash,
  payoutId,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'

/** No list is longer, whatever is asked for. */
const ROWS_MAX = 100

/** An invoice that was uploaded, with what proves that its payee did. */
export type InvoiceReport = {
  /** What it is listed by: newer ones have higher ones. */
  readonly id: bigint
  readonly account: AccountId
  readonly scheme: string
  readonly invoice: string
  readonly paymentHash: PaymentHash
  readonly amount: Sats
  readonly uploadedAt: UnixMs
  readonly paysFrom: UnixMs
  readonly lapsesAt: UnixMs
  /** The one payout that was planned to it; null where none was yet, or ever will be. */
  readonly payout: PayoutId | null
  readonly proof: 'bip322' | 'legacy' | 'ed25519'
  /** What was signed, and the signature: base64 of Bitcoin, key:signature of ed25519. */
  readonly text: string
  readonly signature: string
}

/** Invoices of some accounts, newest first. @param before only those with a smaller id */
export async function listInvoices(
  db: Kysely<Database>,
  {
    accounts,
    before,
    limit,
  }: {
    readonly accounts: readonly AccountId[]
    readonly before: bigint | null
    readonly limit: number
  },
): Promise<readonly InvoiceReport[]> {
  if (accounts.length === 0) return []
  const rows = await db
    .selectFrom('uploaded_invoices')
    .innerJoin('accounts', 'accounts.id', 'uploaded_invoices.account_id')
    .selectAll('uploaded_invoices')
    .select('accounts.scheme')
    .where('account_id', 'in', [...accounts])
    .$if(before !== null, query => query.where('uploaded_invoices.id', '<', before))
    .orderBy('uploaded_invoices.id', 'desc')
    .limit(Math.min(limit, ROWS_MAX))
    .execute()
  return rows.map(row => ({
    ...{ id: row.id, account: accountId(row.account_id), scheme: row.scheme },
    ...{ invoice: row.invoice, paymentHash: paymentHash(row.payment_hash) },
    amount: sats(row.amount_sats),
    uploadedAt: unixMs(Number(row.uploaded_ms)),
    paysFrom: unixMs(Number(row.pays_from_ms)),
    lapsesAt: unixMs(Number(row.lapses_ms)),
    payout: row.payout_id === null ? null : payoutId(row.payout_id),
    ...{ proof: row.proof, text: row.message, signature: row.signature },
  }))
}
