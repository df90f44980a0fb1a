import { type Kysely, type RawBuilder, sql } from 'kysely'
import { assert, unreachable } from '../lib/assert.ts'
import type { BatchState, Database } from '../lib/db/schema.ts'
import { type AccountId, accountId, batchId, payeeId, type UnixMs, unixMs } from '../lib/ids.ts'
import { millisats, sats } from '../lib/money.ts'
import { INTERVAL_BEGAN } from './next-payment-store.ts'
import type { Moment, Scheme } from './scheme.ts'
import { settingsOf } from './settings-store.ts'
import type { Candidate } from './waiting.ts'

/** So long a rail that could not pay an account is passed over for it. */
const FAILURE_COUNTS_MS = 7 * 86_400_000

/** Where a page of candidates ended: the next one begins behind it. */
export type CandidatePlace = { readonly since: UnixMs; readonly account: AccountId }

/**
 * A page of those who may be due, the longest waiting first: their interval is over, or they asked
 * or uploaded an invoice, they are owed the scheme's minimum, and nothing of theirs is under way.
 * Settings are read with them and not judged.
 *
 * @param after the last one of the page before, or null for the first page
 */
export async function candidatesFrom(
  db: Kysely<Database>,
  schemes: readonly Scheme[],
  now: Moment,
  { after, limit }: { readonly after: CandidatePlace | null; readonly limit: number },
): Promise<Candidate[]> {
  const isBehind =
    after === null ? sql`true` : sql`(since.at, a.id) > (${after.since}, ${after.account})`
  const page = sql`
    where live.id is null
      and -b.amount_msat >= scheme.minimum_msat and b.amount_msat < 0
      and (since.height <= scheme.height_max or since.at <= scheme.at_max
           or request.id is not null or invoice.id is not null)
      and ${isBehind}
    order by since.at, a.id
    limit ${limit}`
  return readCandidates(db, schemes, now, page)
}

/** Some accounts, due or not; those without any credit, or of a scheme no longer offered, not. */
export async function candidatesAmong(
  db: Kysely<Database>,
  schemes: readonly Scheme[],
  now: Moment,
  accounts: readonly AccountId[],
): Promise<Candidate[]> {
  return readCandidates(db, schemes, now, sql`where a.id = any(${accounts}::bigint[])`)
}

type Row = {
  account: bigint
  payee: bigint
  scheme: string
  destination: string
  payable: bigint
  height: number
  at: bigint
  is_asked: boolean
  invoice: string | null
  invoice_sats: bigint | null
  pays_from_ms: bigint | null
  lapses_ms: bigint | null
  batch: bigint | null
  state: BatchState | null
  failed_rail: string | null
  failure: string | null
  failed_ms: bigint | null
}

/**
 * The ledger's tables are only read; reading them here keeps the search one statement however many
 * accounts there are. Live payouts are looked up one by one, since how many there are changes with
 * each batch, and statistics that say "none" would have them all read for every account.
 */
async function readCandidates(
  db: Kysely<Database>,
  schemes: readonly Scheme[],
  now: Moment,
  which: RawBuilder<unknown>,
): Promise<Candidate[]> {
  const { rows } = await sql<Row>`
    select a.id as account, a.payee_id as payee, a.scheme, p.destination,
           -b.amount_msat as payable, since.height, since.at,
           request.id is not null as is_asked, invoice.invoice, invoice.amount_sats as invoice_sats,
           invoice.pays_from_ms, invoice.lapses_ms, live.batch_id as batch, live.state,
           failed.rail as failed_rail, failed.failure, failed.ended_ms as failed_ms
      from accounts a
      join ${schemeRows(schemes, now)} on scheme.name = a.scheme
      join payees p on p.id = a.payee_id
      join ledger_accounts l on l.name = 'miner:' || a.id || ':payable'
      join ledger_balances b on b.account_id = l.id
      left join lateral (
        select id, batch_id, state from payouts
         where account_id = a.id and state not in ('settled', 'released') limit 1) live on true
      left join lateral (
        select batches.rail, failure, payouts.ended_ms
          from payouts join batches on batches.id = batch_id
         where account_id = a.id and failure is not null
           and payouts.ended_ms > ${now.at - FAILURE_COUNTS_MS}
           and not exists (select from uploaded_invoices where payout_id = payouts.id)
         order by payouts.id desc limit 1) failed on true
      left join payout_requests request
        on request.account_id = a.id and request.ended_ms is null
      left join uploaded_invoices invoice
        on invoice.account_id = a.id and invoice.ended_ms is null and invoice.lapses_ms > ${now.at}
     cross join lateral ${INTERVAL_BEGAN} since
     ${which}`.execute(db)
  const offered = new Map(schemes.map(scheme => [scheme.name, scheme]))
  const settings = await settingsOf(db, [...new Set(rows.map(row => payeeId(row.payee)))])
  return rows.map(row => {
    const scheme = offered.get(row.scheme)
    assert(scheme !== undefined, 'only schemes that are offered are searched')
    return {
      account: accountId(row.account),
      payee: payeeId(row.payee),
      ownDestination: row.destination,
      scheme,
      payable: millisats(row.payable),
      since: { height: row.height, at: unixMs(Number(row.at)) },
      isAsked: row.is_asked,
      invoice: invoiceOf(row),
      failed: failedOf(row),
      settings: settings.get(payeeId(row.payee)) ?? null,
      live:
        row.batch === null || row.state === null
          ? null
          : { batch: batchId(row.batch), state: row.state },
    }
  })
}

function failedOf({ failed_rail: rail, failure, failed_ms: at }: Row): Candidate['failed'] {
  if (rail === null || failure === null || at === null) return null
  return { rail, reason: failure, at: unixMs(Number(at)) }
}

function invoiceOf(row: Row): Candidate['invoice'] {
  const { invoice: text, invoice_sats: amount, pays_from_ms: from, lapses_ms: until } = row
  if (text === null || amount === null || from === null || until === null) return null
  const [paysFrom, lapsesAt] = [unixMs(Number(from)), unixMs(Number(until))]
  return { text, amount: sats(amount), paysFrom, lapsesAt }
}

/** Each scheme with its minimum, and how long ago an interval must have begun to be over. */
function schemeRows(schemes: readonly Scheme[], now: Moment) {
  const ends = schemes.map(scheme => latestBegin(scheme, now))
  return sql`
    unnest(${schemes.map(({ name }) => name)}::text[],
           ${schemes.map(({ minimum }) => minimum * 1000n)}::bigint[],
           ${ends.map(({ height }) => height)}::integer[],
           ${ends.map(({ at }) => at)}::bigint[]) as scheme (name, minimum_msat, height_max, at_max)`
}

function latestBegin(
  { interval }: Scheme,
  now: Moment,
): { readonly height: number | null; readonly at: number | null } {
  switch (interval.kind) {
    case 'blocks':
      return { height: now.height - interval.blocks, at: null }
    case 'minutes':
      return { height: null, at: now.at - interval.minutes * 60_000 }
    default:
      return unreachable(interval)
  }
}
