import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import { type AccountId, type UnixMs, unixMs } from '../lib/ids.ts'
import { recordEvent } from '../treasury/index.ts'
import { candidatesAmong } from './candidate-store.ts'
import { momentOf } from './next-payment-store.ts'
import { provingAccount } from './proving-account-store.ts'
import { type LastRequest, type RequestRefusal, requestRefusal, requestText } from './request.ts'
import type { Scheme } from './scheme.ts'
import type { SettingsRules } from './settings-change-store.ts'
import { checkOwnProof, type Proof } from './settings-proof.ts'
import type { RailRules } from './waiting.ts'

/** What the pool says of every request. */
export type RequestRules = Pick<SettingsRules, 'pool' | 'network' | 'destinations'> & {
  readonly schemes: readonly Scheme[]
}

/** An account that asks not to wait for its interval. */
export type GivenRequest = {
  /** In canonical form. */
  readonly payee: string
  readonly scheme: string
  /** Null where none was given; it is needed where the payee bears the fee. */
  readonly proof: Proof | null
}

/** What became of it; nothing is written but where it is asked. */
export type RequestOutcome =
  | { readonly kind: 'asked' }
  /** The payee has no account of this scheme with a credit, or the scheme is not offered. */
  | { readonly kind: 'unknown account' }
  | { readonly kind: 'refused'; readonly why: RequestRefusal }
  /** The text to sign: a payout outside the interval costs the payee a fee. */
  | { readonly kind: 'unsigned'; readonly text: string }
  | { readonly kind: 'unproven'; readonly reason: string; readonly text: string }

/**
 * Asks that an account be paid with the next plan, whatever its interval. The planning of its
 * payout ends the request; there is one open at most, and one a day.
 */
export async function askForPayout(
  db: Kysely<Database>,
  rules: RequestRules,
  given: GivenRequest,
  now: UnixMs,
): Promise<RequestOutcome> {
  return db.transaction().execute(tx => ask(tx, rules, given, now))
}

async function ask(
  tx: Transaction<Database>,
  rules: RequestRules,
  given: GivenRequest,
  now: UnixMs,
): Promise<RequestOutcome> {
  const asking = await provingAccount(tx, given)
  const moment = await momentOf(tx, now)
  if (asking === null || moment === null) return { kind: 'unknown account' }
  const account = asking.id
  const [candidate] = await candidatesAmong(tx, rules.schemes, moment, [account])
  if (!candidate) return { kind: 'unknown account' }
  const { last, count } = await requestsOf(tx, account)
  const why = requestRefusal(candidate, { now: moment, rails: railsOf(rules) }, last)
  if (why !== null) return { kind: 'refused', why }
  const text = requestText({ ...rules, payee: given.payee, number: count + 1 }, given.scheme)
  // Nobody but the payee should spend its money on a fee.
  const proven =
    candidate.scheme.feePaidBy === 'pool'
      ? ({ kind: 'proven', by: 'none' } as const)
      : checkOwnProof(asking, rules.network, text, given.proof)
  if (proven.kind !== 'proven') return proven
  const written = await tx
    .insertInto('payout_requests')
    .values({ account_id: account, asked_ms: BigInt(now) })
    .onConflict(conflict =>
      conflict.columns(['account_id']).where('ended_ms', 'is', null).doNothing(),
    )
    .returning('id')
    .executeTakeFirst()
  if (!written) return { kind: 'refused', why: { kind: 'asked already', askedAt: now } }
  await sql`select pg_notify('requests', ${String(account)})`.execute(tx)
  await recordEvent(tx, {
    ...{ at: now, actor: `payee:${given.payee}`, action: 'ask for payout' },
    subject: `account:${account}`,
    detail: { scheme: given.scheme, proof: proven.by, text },
  })
  return { kind: 'asked' }
}

function railsOf({ destinations }: RequestRules): RailRules[] {
  return [...destinations].map(([name, parseDestination]) => ({ name, parseDestination }))
}

async function requestsOf(
  tx: Transaction<Database>,
  account: AccountId,
): Promise<{ readonly last: LastRequest | null; readonly count: number }> {
  const { rows } = await sql<{ count: bigint; asked: bigint | null; open: boolean | null }>`
    select count(*) as count, max(asked_ms) as asked, bool_or(ended_ms is null) as open
      from payout_requests where account_id = ${account}`.execute(tx)
  const [row] = rows
  if (!row || row.asked === null) return { last: null, count: 0 }
  const last = { askedAt: unixMs(Number(row.asked)), isOpen: row.open === true }
  return { last, count: Number(row.count) }
}
