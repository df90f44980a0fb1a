import { type Kysely, sql } from 'kysely'
import {
  chartAccount,
  type Leg,
  mergeLegs,
  minerAccount,
  postEntries,
} from '../../src/ledger/index.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { type AccountId, accountId, journalKey, txid, unixMs } from '../../src/lib/ids.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { type Planning, planPayouts } from '../../src/payouts/plan-store.ts'
import type { Coin, Rail } from '../../src/payouts/rail.ts'
import { L1_BOOKS } from '../../src/payouts/rails/l1/l1-parts.ts'
import type { Scheme } from '../../src/payouts/scheme.ts'
import { BLOCKS, FEES, MINUTES, NO_RULES } from './due.ts'

export const START_MS = 1_800_000_000_000
export const HOUR_MS = 3_600_000
const HEIGHT = 500

export const HOURLY: Scheme = { ...MINUTES, name: 'hourly' }
export const SOLO: Scheme = { ...BLOCKS, name: 'solo' }
export const FAIR: Scheme = { ...MINUTES, name: 'fair', feePaidBy: 'payees' }

/** Coins that nobody has, numbered from a place of their own. */
export const coinsOf = (values: readonly bigint[], from = 0): Coin[] =>
  values.map((value, index) => ({
    txid: txid((from + index + 1).toString(16).padStart(64, '0')),
    vout: 0,
    value: sats(value),
    script: new Uint8Array(22),
  }))

/** A rail that has coins and is never asked to do anything with them. */
export function railWith(coins: readonly Coin[], more: Partial<Rail> = {}): Rail {
  const idle = () => Promise.reject(new Error('nothing is sent in these tests'))
  return {
    name: 'l1',
    books: L1_BOOKS,
    parseDestination: payee =>
      payee.startsWith('not ')
        ? { kind: 'unpayable', reason: 'it says so' }
        : { kind: 'payable', canonical: payee, dust: sats(294n) },
    fees: FEES,
    funds: async () => ({
      kind: 'coins',
      coins,
      newChange: async () => 'change',
      expected: { fees: FEES, feeRateSatPerKvb: sats(2000n) },
    }),
    prepare: idle,
    send: idle,
    check: idle,
    adopt: idle,
    bump: idle,
    ...more,
  }
}

/** A plan of now, on one rail and by no rules, unless told otherwise. */
export function planningOf(rail: Rail, atMs: number, more: Partial<Planning> = {}): Planning {
  return {
    schemes: [HOURLY, SOLO, FAIR],
    rails: [rail],
    network: 'regtest',
    clock: { now: () => unixMs(atMs) },
    rules: NO_RULES,
    frozen: async () => null,
    expiresAfterMs: HOUR_MS,
    ...more,
  }
}

export const plan = (db: Kysely<Database>, planning: Planning) => planPayouts(db, planning)

/** A chain, a first credit that all accounts have in common, and a float in the books. */
export async function openBooks(
  db: Kysely<Database>,
  floatSats = 1_000_000_000n,
  atMs = START_MS,
): Promise<void> {
  const zero = '0'.repeat(63)
  await sql`insert into tips (height, hash, previous_block, time_ms, seen_ms)
    values (${HEIGHT}, ${`${zero}1`}, ${`${zero}2`}, ${atMs}, ${atMs})`.execute(db)
  await sql`insert into epochs (id, opened_ms, block_target, subsidy_sats, closed_ms, close_reason)
    values (1, 0, ${Buffer.alloc(32, 0x7f)}, 5000000000, 1, 'time')`.execute(db)
  await sql`insert into reward_statements
      (number, reward_pool, epoch_id, height, hash, bytes, created_ms)
    values (1, 'pplns', 1, ${HEIGHT}, ${'a'.repeat(64)}, ''::bytea, ${atMs})`.execute(db)
  await postLegs(db, 'capital', [
    { account: chartAccount('l1Float'), amount: millisats(floatSats * 1000n) },
    { account: chartAccount('treasuryCapital'), amount: millisats(-floatSats * 1000n) },
  ])
}

/** An account that is owed, credited first with the statement of `openBooks`. */
export async function owe(
  db: Kysely<Database>,
  destination: string,
  { scheme = HOURLY, amountSats = 10_000n }: { scheme?: Scheme; amountSats?: bigint } = {},
): Promise<AccountId> {
  await sql`insert into payees (kind, destination, created_ms)
    values ('bitcoin', ${destination}, ${START_MS}) on conflict do nothing`.execute(db)
  const { rows } = await sql<{ id: bigint }>`
    insert into accounts (payee_id, scheme, created_ms)
    select id, ${scheme.name}, ${START_MS} from payees where destination = ${destination}
    returning id`.execute(db)
  const account = accountId(rows[0]?.id ?? 0n)
  await sql`insert into reward_lines (statement_number, account_id, amount_msat)
    values (1, ${account}, 0)`.execute(db)
  await credit(db, account, amountSats)
  return account
}

let credits = 0

/** Owes an account more. */
export async function credit(db: Kysely<Database>, account: AccountId, amountSats: bigint) {
  const amount = millisats(amountSats * 1000n)
  await postLegs(db, `credit-${++credits}`, [
    { account: chartAccount('ppsCost'), amount },
    { account: minerAccount(account, 'payable'), amount: millisats(-amount) },
  ])
}

export async function postLegs(db: Kysely<Database>, what: string, legs: readonly Leg[]) {
  const key = journalKey(`test:${what}`)
  const entry = { key, event: 'test', legs: mergeLegs(legs), at: unixMs(START_MS) }
  await db.transaction().execute(tx => postEntries(tx, [entry]))
}

/** Settings that a payee made, or an operator where a key is given. */
export async function setSettings(
  db: Kysely<Database>,
  account: AccountId,
  wish: {
    readonly destination?: string
    readonly minimumSats?: bigint
    readonly paused?: boolean
    readonly feeRateMax?: bigint
    readonly paysFromMs?: number
    readonly rail?: string
    readonly operatorKey?: string
  },
): Promise<void> {
  const { rail = 'l1', destination = null, minimumSats = 0n, operatorKey = null } = wish
  const rails = [{ rail, destination, minimumSats: String(minimumSats) }]
  await sql`
    insert into payout_settings (payee_id, number, rails, paused, fee_rate_max_sat_per_kvb, proof,
                                 message, signature, operator_key, destinations_key, reason,
                                 given_ms, pays_from_ms)
    select payee_id,
           (select count(*) + 1 from payout_settings s where s.payee_id = accounts.payee_id),
           ${JSON.stringify(rails)}::jsonb, ${wish.paused ?? false}, ${wish.feeRateMax ?? null},
           ${operatorKey === null ? 'bip322' : 'operator'}, 'message', 'signature', ${operatorKey},
           ${operatorKey}, 'a reason', ${START_MS}, ${wish.paysFromMs ?? START_MS}
      from accounts where id = ${account}`.execute(db)
}

/** Who has how much under way, by account. */
export async function payoutsOf(db: Kysely<Database>) {
  return db
    .selectFrom('payouts')
    .select(['account_id', 'batch_id', 'amount_sats', 'fee_sats', 'destination'])
    .orderBy('id')
    .execute()
}
