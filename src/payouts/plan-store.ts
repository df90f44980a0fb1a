import { type Kysely, sql, type Transaction } from 'kysely'
import { balancesOf } from '../ledger/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import {
  accountId,
  type BatchId,
  batchId,
  type PayoutId,
  payoutId,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'
import { millisats, type Sats, sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import { encodeManifest, type Manifest, manifestHash } from '../treasury/index.ts'
import { INTERVAL_BEGAN } from './next-payment-store.ts'
import { plannedEntry } from './payout.ts'
import { NotPosted, post } from './payout-store.ts'
import {
  type Candidate,
  type DuePayout,
  duePayouts,
  mergeByDestination,
  type Plan,
  planBatch,
} from './plan.ts'
import type { Rail } from './rail.ts'
import type { Moment, Scheme } from './scheme.ts'

/** Accounts looked at in one run, those who have waited longest; the others come after them. */
const CANDIDATES_MAX = 5000

/** Everything a plan is made from. */
export type Planning = {
  readonly scheme: Scheme
  readonly rail: Rail
  readonly network: string
  readonly clock: Clock
  readonly policyVersion: number
  /** How long operators have before the plan lapses. */
  readonly expiresAfterMs: number
}

export type PlanOutcome =
  | { readonly kind: 'planned'; readonly batch: BatchId }
  | { readonly kind: 'nobody is due' }
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * Plans at most one batch of a scheme on a rail: reserves what is due in the ledger and coins for
 * it, all in one commit. Harmless when run twice or at once in two places: planning on a rail is
 * one at a time, and an account or a coin can be in one live batch only.
 */
export async function planPayouts(db: Kysely<Database>, planning: Planning): Promise<PlanOutcome> {
  try {
    return await db.transaction().execute(tx => plan(tx, planning))
  } catch (error) {
    if (error instanceof NotPosted) return { kind: 'waits', reason: error.message }
    throw error
  }
}

async function plan(tx: Transaction<Database>, planning: Planning): Promise<PlanOutcome> {
  const { scheme, rail, clock } = planning
  await sql`select pg_advisory_xact_lock(hashtext('plan'), hashtext(${rail.name}))`.execute(tx)
  const now = await momentOf(tx, clock.now())
  if (now === null) return { kind: 'waits', reason: 'no tip of the chain is known yet' }
  const due = duePayouts(scheme, await candidates(tx, planning, now), now)
  if (due.length === 0) return { kind: 'nobody is due' }
  // The node is asked behind the lock, so that its answer is not older than the last plan's.
  const funds = await rail.funds()
  if (funds.kind === 'waits') return funds
  const reserved = await reservedCoins(tx)
  const free = funds.coins.filter(({ txid, vout }) => !reserved.has(`${txid}:${vout}`))
  const made = planBatch(due, free, rail.fees, await bookedFloat(tx, rail))
  if (made === null) return { kind: 'waits', reason: 'the spendable coins pay nobody who is due' }
  const batch = await store(tx, planning, { plan: made, change: await funds.newChange(), now })
  return { kind: 'planned', batch }
}

async function momentOf(tx: Transaction<Database>, at: UnixMs): Promise<Moment | null> {
  const tip = await tx
    .selectFrom('tips')
    .select(eb => eb.fn.max('height').as('height'))
    .executeTakeFirst()
  const height: number | null = tip?.height ?? null
  return height === null ? null : { height, at }
}

/**
 * Accounts of the scheme without a live payout, whose interval is over and who are owed enough.
 * The ledger's tables are only read; reading them here keeps the search one statement however
 * many accounts there are.
 */
async function candidates(
  tx: Transaction<Database>,
  { scheme, rail }: Planning,
  now: Moment,
): Promise<Candidate[]> {
  const minimum = scheme.minimum * 1000n
  const { rows } = await sql<{
    account: bigint
    destination: string
    payable: bigint
    height: number
    at: bigint
  }>`
    select a.id as account, p.destination, -b.amount_msat as payable,
           since.height, since.at
      from accounts a
      join payees p on p.id = a.payee_id
      join ledger_accounts l on l.name = 'miner:' || a.id || ':payable'
      join ledger_balances b on b.account_id = l.id
      cross join lateral ${INTERVAL_BEGAN} since
     where a.scheme = ${scheme.name}
       and -b.amount_msat >= ${minimum} and b.amount_msat < 0
       and not exists (select from payouts o
                        where o.account_id = a.id and o.state not in ('settled', 'released'))
       and ${intervalIsOver(scheme, now)}
     order by ${sql.raw(scheme.interval.kind === 'blocks' ? 'since.height' : 'since.at')}, a.id
     limit ${CANDIDATES_MAX}`.execute(tx)
  return rows.map(row => ({
    account: accountId(row.account),
    destination: rail.parseDestination(row.destination),
    payable: millisats(row.payable),
    since: { height: row.height, at: unixMs(Number(row.at)) },
  }))
}

function intervalIsOver({ interval }: Scheme, now: Moment) {
  switch (interval.kind) {
    case 'blocks':
      return sql`since.height <= ${now.height - interval.blocks}::integer`
    case 'minutes':
      return sql`since.at <= ${now.at - interval.minutes * 60_000}::bigint`
    default:
      return unreachable(interval)
  }
}

/** The rail's float by the ledger, without what planned batches may yet take from it. */
async function bookedFloat(tx: Transaction<Database>, rail: Rail): Promise<Sats> {
  const { float } = rail.books
  const row = await tx
    .selectFrom('batches')
    .select(eb => [
      eb.fn.sum<bigint | null>('total_sats').as('total'),
      eb.fn.sum<bigint | null>('fee_max_sats').as('fees'),
    ])
    .where('rail', '=', rail.name)
    .where('state', 'in', ['planned', 'approved'])
    .executeTakeFirst()
  // Read last: a batch that leaves meanwhile counts twice, which plans less, and never not at all.
  const held = (await balancesOf(tx, [float])).get(float) ?? 0n
  const free = held / 1000n - (row?.total ?? 0n) - (row?.fees ?? 0n)
  return sats(free > 0n ? free : 0n)
}

async function reservedCoins(tx: Transaction<Database>): Promise<ReadonlySet<string>> {
  const rows = await tx
    .selectFrom('reserved_outputs')
    .select(['txid', 'vout'])
    .where('released_ms', 'is', null)
    .execute()
  return new Set(rows.map(({ txid, vout }) => `${txid}:${vout}`))
}

type Made = { readonly plan: Plan; readonly change: string; readonly now: Moment }
type NumberedPayout = DuePayout & { readonly id: PayoutId }

async function store(tx: Transaction<Database>, planning: Planning, made: Made): Promise<BatchId> {
  const [first] = await takeIds(tx, 'batches', 1)
  assert(first !== undefined, 'a sequence gives as many ids as were asked for')
  const batch = batchId(first)
  const ids = await takeIds(tx, 'payouts', made.plan.payouts.length)
  const payouts = made.plan.payouts.map((payout, index) => {
    const id = ids[index]
    assert(id !== undefined, 'a sequence gives as many ids as were asked for')
    return { ...payout, id: payoutId(id) }
  })
  const manifest = manifestFor(planning, made, { batch, payouts })
  await insertBatch(tx, manifest, made.plan)
  await insertPayouts(tx, batch, payouts, made.now)
  await insertReservations(tx, batch, made.plan)
  const facts = { batch, books: planning.rail.books, payouts, feeBooked: null }
  await post(tx, plannedEntry(facts, made.now.at))
  return batch
}

function manifestFor(
  { scheme, rail, network, policyVersion, expiresAfterMs }: Planning,
  { plan, change, now }: Made,
  { batch, payouts }: { readonly batch: BatchId; readonly payouts: readonly NumberedPayout[] },
): Manifest {
  const [anchor] = plan.coins
  assert(anchor !== undefined, 'a plan has an anchor')
  return {
    version: 2,
    purpose: 'payout',
    wallet: 'hot',
    batch,
    network,
    rail: rail.name,
    payees: mergeByDestination(payouts).map(payee => ({
      ...payee,
      payouts: payee.payouts.map(({ id }) => id).toSorted((a, b) => (a < b ? -1 : 1)),
    })),
    feeMax: plan.feeMax,
    anchor: { txid: anchor.txid, vout: anchor.vout },
    change,
    createdAt: now.at,
    expiresAt: unixMs(now.at + expiresAfterMs),
    policyVersion,
    createdBy: `plan:${scheme.name}`,
    excluded: [],
  }
}

/** Ids come before the rows, because the manifest, which no row may ever change, names them. */
async function takeIds(
  tx: Transaction<Database>,
  table: 'batches' | 'payouts',
  count: number,
): Promise<bigint[]> {
  const { rows } = await sql<{ id: bigint }>`
    select nextval(pg_get_serial_sequence(${table}, 'id')) as id
      from generate_series(1, ${count}::integer)`.execute(tx)
  return rows.map(row => row.id)
}

async function insertBatch(tx: Transaction<Database>, manifest: Manifest, plan: Plan) {
  const bytes = encodeManifest(manifest)
  await sql`
    insert into batches (id, rail, state, manifest, manifest_hash, anchor_txid, anchor_vout,
                         total_sats, fee_max_sats, created_ms, expires_ms)
    overriding system value
    values (${manifest.batch}, ${manifest.rail}, 'planned', ${bytes}, ${manifestHash(bytes)},
            ${manifest.anchor.txid}, ${manifest.anchor.vout}, ${plan.total}, ${manifest.feeMax},
            ${manifest.createdAt}, ${manifest.expiresAt})`.execute(tx)
}

async function insertPayouts(
  tx: Transaction<Database>,
  batch: BatchId,
  payouts: readonly NumberedPayout[],
  now: Moment,
) {
  const ids = payouts.map(({ id }) => id)
  const accounts = payouts.map(({ account }) => account)
  const amounts = payouts.map(({ amount }) => amount)
  await sql`
    insert into payouts (id, account_id, batch_id, amount_sats, state, planned_ms, planned_height)
    overriding system value
    select id, account, ${batch}, amount, 'planned', ${now.at}, ${now.height}
      from unnest(${ids}::bigint[], ${accounts}::bigint[], ${amounts}::bigint[])
        as payout (id, account, amount)`.execute(tx)
}

async function insertReservations(tx: Transaction<Database>, batch: BatchId, plan: Plan) {
  await tx
    .insertInto('reserved_outputs')
    .values(
      plan.coins.map(({ txid, vout, value, script }) => ({
        txid,
        vout,
        batch_id: batch,
        value_sats: value,
        script,
        released_ms: null,
      })),
    )
    .execute()
}
