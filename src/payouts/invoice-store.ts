import { type Kysely, sql, type Transaction } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import { wholeNumbers } from '../lib/db/arrays.ts'
import type { Database } from '../lib/db/schema.ts'
import type { AccountId, PaymentHash, PayoutId, UnixMs } from '../lib/ids.ts'
import { recordEvent } from '../treasury/index.ts'
import {
  INVOICES_A_DAY_MAX,
  type InvoiceRefusal,
  invoiceText,
  type OpenInvoice,
  readUpload,
} from './invoice.ts'
import { type ProvingAccount, provingAccount } from './proving-account-store.ts'
import type { Scheme } from './scheme.ts'
import { checkOwnProof, type Proof, signatureText } from './settings-proof.ts'

const DAY_MS = 86_400_000

/** What the pool says of every uploaded invoice. */
export type InvoiceRules = {
  /** As it stands in every text that is signed. */
  readonly pool: string
  readonly network: Network
  readonly schemes: readonly Scheme[]
  /** How long a destination waits that nobody was paid at before. */
  readonly coolOffMs: number
}

/** An invoice that somebody uploads for an account. */
export type GivenInvoice = {
  /** In canonical form. */
  readonly payee: string
  readonly scheme: string
  readonly invoice: string
  /** Null to be told what to sign. */
  readonly proof: Proof | null
}

/** What became of it; nothing is written but where it is taken. */
export type TakeOutcome =
  | { readonly kind: 'taken'; readonly invoice: OpenInvoice }
  /** The payee has no account of this scheme, or the scheme is not offered. */
  | { readonly kind: 'unknown account' }
  | InvoiceRefusal
  | { readonly kind: 'unsigned'; readonly text: string }
  | { readonly kind: 'unproven'; readonly reason: string; readonly text: string }

/**
 * Takes an invoice that an account is paid by next, once its payee's key says so. A proof counts for
 * that very invoice, and its hash is taken once, so it can be used by nobody again.
 */
export async function takeInvoice(
  db: Kysely<Database>,
  rules: InvoiceRules,
  given: GivenInvoice,
  now: UnixMs,
): Promise<TakeOutcome> {
  const scheme = rules.schemes.find(({ name }) => name === given.scheme)
  if (scheme === undefined) return { kind: 'unknown account' }
  const read = readUpload(given.invoice, rules, scheme, now)
  if (read.kind === 'refused') return read
  return db.transaction().execute(async tx => {
    const account = await lockAccount(tx, given)
    return account === null
      ? { kind: 'unknown account' }
      : take(tx, { ...rules, ...given, account, ...read }, now)
  })
}

type Taking = InvoiceRules &
  Omit<GivenInvoice, 'invoice'> & {
    readonly account: ProvingAccount
    readonly invoice: OpenInvoice
    readonly paymentHash: PaymentHash
  }

async function take(tx: Transaction<Database>, taking: Taking, now: UnixMs): Promise<TakeOutcome> {
  const { account, invoice, paymentHash, payee, scheme, network, proof } = taking
  const { count, isOpen, ofDay } = await earlierOf(tx, account.id, now)
  if (isOpen) return refused('an invoice of this account is open: it is paid, or lapses, first')
  if (ofDay >= INVOICES_A_DAY_MAX)
    return refused(`at most ${INVOICES_A_DAY_MAX} invoices of an account are taken a day`)
  if (await isKnown(tx, paymentHash)) return refused('the invoice was used before: make a new one')
  const number = count + 1
  const text = invoiceText({ ...taking, number }, { scheme, invoice })
  // What is paid to an invoice is gone, so that no operator's word is enough.
  const proven = checkOwnProof(account, network, text, proof)
  if (proven.kind !== 'proven') return proven
  assert(proof !== null, 'without a proof nothing is proven')
  await endLapsed(tx, account.id, now)
  const written = await tx
    .insertInto('uploaded_invoices')
    .values({
      ...{ account_id: account.id, number, payment_hash: paymentHash, invoice: invoice.text },
      ...{ amount_sats: invoice.amount, proof: proven.by, message: text },
      ...{ signature: signatureText(proof), uploaded_ms: BigInt(now), payout_id: null },
      ...{ pays_from_ms: BigInt(invoice.paysFrom), lapses_ms: BigInt(invoice.lapsesAt) },
      ended_ms: null,
    })
    // Another account took it at this very moment.
    .onConflict(conflict => conflict.column('payment_hash').doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!written) return refused('the invoice was used before: make a new one')
  await sql`select pg_notify('requests', ${String(account.id)})`.execute(tx)
  await recordEvent(tx, {
    ...{ at: now, actor: `payee:${payee}`, action: 'upload invoice' },
    subject: `account:${account.id}`,
    detail: { scheme, paymentHash, amountSats: invoice.amount.toString(), proof: proven.by, text },
  })
  return { kind: 'taken', invoice }
}

/** One upload of an account at a time. */
async function lockAccount(
  tx: Transaction<Database>,
  given: Pick<GivenInvoice, 'payee' | 'scheme'>,
): Promise<ProvingAccount | null> {
  const account = await provingAccount(tx, given)
  if (account !== null)
    await sql`
      select pg_advisory_xact_lock(hashtext('invoice'), hashtext(${String(account.id)}))`.execute(
      tx,
    )
  return account
}

async function endLapsed(tx: Transaction<Database>, account: AccountId, now: UnixMs) {
  await tx
    .updateTable('uploaded_invoices')
    .set({ ended_ms: BigInt(now) })
    .where('account_id', '=', account)
    .where('ended_ms', 'is', null)
    .where('lapses_ms', '<=', BigInt(now))
    .execute()
}

async function earlierOf(tx: Transaction<Database>, account: AccountId, now: UnixMs) {
  const { rows } = await sql<{ count: number; open: boolean; of_day: number }>`
    select count(*)::integer as count,
           coalesce(bool_or(ended_ms is null and lapses_ms > ${now}), false) as open,
           (count(*) filter (where uploaded_ms > ${now - DAY_MS}))::integer as of_day
      from uploaded_invoices where account_id = ${account}`.execute(tx)
  const [row] = rows
  return { count: row?.count ?? 0, isOpen: row?.open === true, ofDay: row?.of_day ?? 0 }
}

/** By whatever it was named: an address may have given it as well. */
async function isKnown(tx: Transaction<Database>, hash: PaymentHash): Promise<boolean> {
  const { rows } = await sql`
    select from uploaded_invoices where payment_hash = ${hash}
    union all select from ln_attempts where payment_hash = ${hash} limit 1`.execute(tx)
  return rows.length > 0
}

/**
 * Ends the invoices that payouts are planned to, in the caller's transaction: each is planned once,
 * whatever becomes of its payout.
 *
 * @returns how many
 */
export async function endInvoices(
  tx: Transaction<Database>,
  payouts: readonly {
    readonly id: PayoutId
    readonly account: AccountId
    readonly destination: string
  }[],
  at: UnixMs,
): Promise<number> {
  const { numAffectedRows } = await sql`
    update uploaded_invoices set payout_id = payout.id, ended_ms = ${at}
      from unnest(${wholeNumbers(payouts, ({ id }) => id)}::bigint[],
                  ${wholeNumbers(payouts, ({ account }) => account)}::bigint[],
                  ${payouts.map(({ destination }) => destination)}::text[])
             as payout (id, account, destination)
     where account_id = payout.account and ended_ms is null and lapses_ms > ${at}
       and invoice = payout.destination`.execute(tx)
  return Number(numAffectedRows ?? 0n)
}

function refused(reason: string): InvoiceRefusal {
  return { kind: 'refused', reason }
}
