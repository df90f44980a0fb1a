import { sql, type Transaction } from 'kysely'
import {
  encodeManifest,
  limitRefusal,
  type Manifest,
  manifestHash,
  type OperatorKey,
  type Spent,
} from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import { wholeNumbers } from '../lib/db/arrays.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, type PayoutId, payoutId, unixMs } from '../lib/ids.ts'
import { invoiceNamed } from '../lib/lightning/destination.ts'
import { sats } from '../lib/money.ts'
import { endInvoices } from './invoice-store.ts'
import { plannedEntry } from './payout.ts'
import { post } from './payout-store.ts'
import { feeOfPayee, mergeByDestination, type Plan, type PlannedPayout } from './plan.ts'
import type { SpendRules } from './plan-limits.ts'
import type { Rail } from './rail.ts'
import type { Moment } from './scheme.ts'

/** A plan, and what its manifest says beside it. */
export type Made = {
  readonly plan: Plan
  readonly rail: Rail
  readonly network: string
  /** Null where nothing is left over. */
  readonly change: string | null
  readonly rules: SpendRules
  readonly spent: Spent
  readonly now: Moment
  /** How long operators have before the plan lapses. */
  readonly expiresAfterMs: number
}

type NumberedPayout = PlannedPayout & { readonly id: PayoutId }

/**
 * Writes a plan: the batch with its manifest, the payouts, the coins reserved, the requests and
 * invoices that it answers, and the ledger's entry, in the caller's transaction.
 *
 * @throws NotPosted where the ledger does not take the entry
 */
export async function storePlan(tx: Transaction<Database>, made: Made): Promise<Manifest> {
  const [first] = await takeIds(tx, 'batches', 1)
  assert(first !== undefined, 'a sequence gives as many ids as were asked for')
  const batch = batchId(first)
  const ids = await takeIds(tx, 'payouts', made.plan.payouts.length)
  const payouts = made.plan.payouts.map((payout, index) => {
    const id = ids[index]
    assert(id !== undefined, 'a sequence gives as many ids as were asked for')
    return { ...payout, id: payoutId(id) }
  })
  const excluded = await aliasesOf(
    tx,
    payouts.flatMap(({ setBy }) => setBy ?? []),
  )
  const manifest = manifestFor(made, { batch, payouts, excluded })
  assert(limitRefusal(made.rules, manifest, made.spent) === null, 'a plan keeps to the limits')
  await insertBatch(tx, manifest, made.plan)
  await insertPayouts(tx, manifest, payouts, made.now)
  await insertReservations(tx, batch, made.plan)
  await endRequests(tx, payouts, made.now)
  const ended = await endInvoices(tx, payouts, made.now.at)
  const toInvoices = payouts.filter(({ destination }) => invoiceNamed(destination) !== null)
  assert(ended === toInvoices.length, 'an invoice is planned once, while it is open')
  const planned = plannedEntry(
    {
      ...{ batch, books: made.rail.books, wallet: 'hot', payouts },
      ...{ transferred: sats(0n), bridged: sats(0n), transit: null, feeBooked: null },
    },
    made.now.at,
  )
  assert(planned !== null, 'a plan pays somebody')
  await post(tx, planned)
  return manifest
}

function manifestFor(
  { plan, rail, network, change, rules, now, expiresAfterMs }: Made,
  {
    batch,
    payouts,
    excluded,
  }: {
    readonly batch: BatchId
    readonly payouts: readonly NumberedPayout[]
    readonly excluded: readonly string[]
  },
): Manifest {
  const head = {
    purpose: 'payout',
    wallet: 'hot',
    batch,
    network,
    rail: rail.name,
    feeMax: plan.feeMax,
    createdAt: now.at,
    expiresAt: unixMs(now.at + expiresAfterMs),
    policyVersion: rules.version,
    createdBy: `plan:${rail.name}`,
    excluded,
  } as const
  const payees = mergeByDestination(payouts).map(payee => ({
    ...payee,
    payouts: payee.payouts.map(({ id }) => id).toSorted((a, b) => (a < b ? -1 : 1)),
  }))
  const [anchor] = plan.coins
  if (anchor === undefined || change === null) {
    const lines = payees.map(payee => ({ ...payee, feeMax: feeOfPayee(payee, rail.fees) }))
    return { version: 3, ...head, payees: lines }
  }
  const { txid, vout } = anchor
  return { version: 2, ...head, payees, anchor: { txid, vout }, change }
}

/** Ids come before the rows, because the manifest, which no row may ever change, names them. */
async function takeIds(
  tx: Transaction<Database>,
  table: 'batches' | 'payouts',
  count: number,
): Promise<bigint[]> {
  const { rows } = await sql<{ id: bigint }>`
    with sequence as materialized (select pg_get_serial_sequence(${table}, 'id') as name)
    select nextval(name) as id from sequence, generate_series(1, ${count}::integer)`.execute(tx)
  return rows.map(row => row.id)
}

/** Whose keys those are, sorted; a key that is nobody's could not approve either. */
async function aliasesOf(
  tx: Transaction<Database>,
  keys: readonly OperatorKey[],
): Promise<string[]> {
  if (keys.length === 0) return []
  const rows = await tx
    .selectFrom('operator_keys')
    .innerJoin('operators', 'operators.id', 'operator_id')
    .select('alias')
    .where('key', 'in', [...new Set(keys)])
    .execute()
  return [...new Set(rows.map(({ alias }) => alias))].toSorted((a, b) => (a < b ? -1 : 1))
}

async function insertBatch(tx: Transaction<Database>, manifest: Manifest, plan: Plan) {
  const bytes = encodeManifest(manifest)
  const anchor = manifest.version === 2 ? manifest.anchor : null
  await sql`
    insert into batches (id, rail, state, manifest, manifest_hash, anchor_txid, anchor_vout,
                         total_sats, fee_max_sats, created_ms, expires_ms)
    overriding system value
    values (${manifest.batch}, ${manifest.rail}, 'planned', ${bytes}, ${manifestHash(bytes)},
            ${anchor?.txid ?? null}, ${anchor?.vout ?? null}, ${plan.total}, ${manifest.feeMax},
            ${manifest.createdAt}, ${manifest.expiresAt})`.execute(tx)
}

async function insertPayouts(
  tx: Transaction<Database>,
  manifest: Manifest,
  payouts: readonly NumberedPayout[],
  now: Moment,
) {
  const lines = new Map(manifest.payees.map(({ destination }, line) => [destination, line]))
  const lineOf = (destination: string) =>
    manifest.version === 3 ? (lines.get(destination) ?? null) : null
  await sql`
    insert into payouts (id, account_id, batch_id, amount_sats, fee_sats, destination, line, state,
                         planned_ms, planned_height)
    overriding system value
    select id, account, ${manifest.batch}, amount, charge, destination, line, 'planned',
           ${now.at}, ${now.height}
      from unnest(${wholeNumbers(payouts, ({ id }) => id)}::bigint[],
                  ${wholeNumbers(payouts, ({ account }) => account)}::bigint[],
                  ${wholeNumbers(payouts, ({ amount }) => amount)}::bigint[],
                  ${wholeNumbers(payouts, each => each.charge)}::bigint[],
                  ${payouts.map(({ destination }) => destination)}::text[],
                  ${payouts.map(({ destination }) => lineOf(destination))}::integer[])
        as payout (id, account, amount, charge, destination, line)`.execute(tx)
}

async function insertReservations(tx: Transaction<Database>, batch: BatchId, plan: Plan) {
  if (plan.coins.length === 0) return
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

/** Whoever asked is answered by this payout. */
async function endRequests(
  tx: Transaction<Database>,
  payouts: readonly NumberedPayout[],
  now: Moment,
) {
  await sql`
    update payout_requests set payout_id = payout.id, ended_ms = ${now.at}
      from unnest(${wholeNumbers(payouts, ({ id }) => id)}::bigint[],
                  ${wholeNumbers(payouts, ({ account }) => account)}::bigint[]) as payout (id, account)
     where account_id = payout.account and ended_ms is null`.execute(tx)
}
