import { type Kysely, sql, type Transaction } from 'kysely'
import { unreachable } from '../lib/assert.ts'
import type { Database } from '../lib/db/schema.ts'
import type { AccountId, BatchId } from '../lib/ids.ts'
import type { Sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import { candidatesAmong, candidatesFrom } from './candidate-store.ts'
import { heldDestinations } from './held-store.ts'
import { readMeans, type SpentMemo } from './means-store.ts'
import { momentOf } from './next-payment-store.ts'
import { NotPosted } from './payout-store.ts'
import { type Held, planBatch } from './plan.ts'
import { type SpendRules, spentWith } from './plan-limits.ts'
import { storePlan } from './planned-store.ts'
import type { Fees, Funds, Rail } from './rail.ts'
import { remember } from './remember.ts'
import type { Moment, Scheme } from './scheme.ts'
import { lockSpending } from './spent-store.ts'
import { type Candidate, type Circumstances, type Due, dueOn, isAnyDueOn } from './waiting.ts'

/** Candidates in memory at once; the run goes on with those behind them. */
const CANDIDATES_A_PAGE = 100_000
/** Batches of one run on one rail; whoever is still due is in the next run's. */
const BATCHES_A_RUN_MAX = 500
/** Destinations whose reading is kept: about those of a page. */
const REMEMBERED_MAX = 2 * CANDIDATES_A_PAGE

/** Everything that plans are made from. */
export type Planning = {
  readonly schemes: readonly Scheme[]
  readonly rails: readonly Rail[]
  readonly network: string
  readonly clock: Clock
  readonly rules: SpendRules
  /** Why a rail moves nothing now, or null. */
  readonly frozen: (rail: string) => Promise<string | null>
  /** How long operators have before a plan lapses. */
  readonly expiresAfterMs: number
}

/** What a run planned on a rail, and why not more where somebody due is left over. */
export type PlanOutcome = {
  readonly rail: string
  readonly batches: readonly BatchId[]
  readonly waits: string | null
}

type OpenFunds = Exclude<Funds, { kind: 'waits' }>

/** A run on one rail, as far as it has come. */
type RailRun = {
  readonly rail: Rail
  readonly batches: BatchId[]
  /** Asked for once somebody is due. */
  funds: OpenFunds | null
  memo: SpentMemo | null
  waits: string | null
  isOver: boolean
}

/**
 * Plans batches until nobody due can be paid: each reserves in one commit what is due in the ledger
 * and coins for it. Payouts of all schemes share batches, so that a payee on two ports gets one
 * output; whoever has waited longest comes first.
 *
 * Harmless when run twice or at once in two places: a commit on a rail waits for the one before it
 * and reads again what it is about, and an account or a coin can be in one live batch only. Nodes
 * are asked before anything is locked.
 */
export async function planPayouts(
  db: Kysely<Database>,
  planning: Planning,
): Promise<readonly PlanOutcome[]> {
  const runs = planning.rails.map(newRun)
  const now = await momentOf(db, planning.clock.now())
  if (now === null) for (const run of runs) end(run, 'no tip of the chain is known yet')
  else await planPages(db, planning, now, runs)
  return runs.map(({ rail, batches, waits }) => ({ rail: rail.name, batches, waits }))
}

function newRun(from: Rail): RailRun {
  const parseDestination = remember(from.parseDestination, REMEMBERED_MAX)
  const rail = { ...from, parseDestination, fees: rememberFees(from.fees) }
  return { rail, batches: [], funds: null, memo: null, waits: null, isOver: false }
}

/** Each destination is looked at several times in a run, and reading an address takes its time. */
function rememberFees<T extends Fees>(fees: T): T {
  return { ...fees, ofPayee: remember(fees.ofPayee, REMEMBERED_MAX) }
}

function end(run: RailRun, reason: string): void {
  run.waits = reason
  run.isOver = true
}

async function planPages(
  db: Kysely<Database>,
  planning: Planning,
  now: Moment,
  runs: readonly RailRun[],
): Promise<void> {
  const { schemes } = planning
  const held = await heldDestinations(db, now.at)
  const rails = runs.map(({ rail }) => ({ ...rail, held }))
  const frozen = new Map<string, string>()
  for (const run of runs) {
    const reason = await planning.frozen(run.rail.name)
    if (reason === null) continue
    frozen.set(run.rail.name, reason)
    end(run, reason)
  }
  const limit = CANDIDATES_A_PAGE
  let page: readonly Candidate[] = await candidatesFrom(db, schemes, now, { after: null, limit })
  while (page.length > 0) {
    for (const run of runs) {
      if (!run.isOver) await planPage(db, planning, run, page, { now, rails, frozen })
    }
    const last = page.at(-1)
    if (!last || page.length < limit || runs.every(({ isOver }) => isOver)) break
    const after = { since: last.since.at, account: last.account }
    page = await candidatesFrom(db, schemes, now, { after, limit })
  }
}

/** Makes batches of a page until nobody on it is left, or the rest must wait. */
async function planPage(
  db: Kysely<Database>,
  planning: Planning,
  run: RailRun,
  page: readonly Candidate[],
  context: Omit<Circumstances, 'feeRates'>,
): Promise<void> {
  const { rail } = run
  if (!isAnyDueOn(rail.name, page, { ...context, feeRates: new Map() })) return
  const funds = run.funds ?? (await askFunds(rail))
  if (funds.kind === 'waits') return end(run, funds.reason)
  run.funds = funds
  const feeRates = new Map<string, Sats>([[rail.name, funds.expected.feeRateSatPerKvb]])
  const circumstances = { ...context, feeRates }
  let left: readonly Due[] = dueOn(rail.name, page, circumstances)
  while (left.length > 0) {
    if (run.batches.length === BATCHES_A_RUN_MAX) return end(run, 'the next run goes on')
    const means = await readMeans(db, { ...planning, rail, funds, memo: run.memo })
    const { plan, tooSmall, held, looked } = planBatch(left, means)
    const done = new Set<AccountId>(tooSmall)
    if (held !== null) run.waits = waitsFor(held)
    if (plan === null && tooSmall.length === 0) return
    if (plan !== null) {
      const chosen = plan.payouts.map(({ account }) => account)
      const change = funds.kind === 'coins' ? await funds.newChange() : null
      const outcome = await commit(db, planning, run, { funds, circumstances, change, chosen })
      if (outcome.kind === 'waits') return end(run, outcome.reason)
      for (const account of outcome.seen) done.add(account)
    }
    // Only those looked at can be done, and the others are many.
    const passed = left.slice(0, looked).filter(({ account }) => !done.has(account))
    left = passed.concat(left.slice(looked))
  }
}

async function askFunds(rail: Rail): Promise<Funds> {
  const funds = await rail.funds()
  if (funds.kind === 'waits') return funds
  const { expected } = funds
  return { ...funds, expected: { ...expected, fees: rememberFees(expected.fees) } }
}

type Choice = {
  readonly funds: OpenFunds
  readonly circumstances: Circumstances
  /** Null where nothing is left over. */
  readonly change: string | null
  readonly chosen: readonly AccountId[]
}

type CommitOutcome =
  /** `seen` need no further look in this run: they are paid, or no longer due. */
  | { readonly kind: 'planned'; readonly seen: readonly AccountId[] }
  | { readonly kind: 'waits'; readonly reason: string }

/** Plans one batch of accounts chosen before, from what the database says behind the locks. */
async function commit(
  db: Kysely<Database>,
  planning: Planning,
  run: RailRun,
  choice: Choice,
): Promise<CommitOutcome> {
  try {
    const outcome = await db.transaction().execute(tx => planChosen(tx, planning, run, choice))
    if (outcome.kind === 'waits') return outcome
    run.batches.push(outcome.batch)
    run.memo = outcome.memo
    return outcome
  } catch (error) {
    if (error instanceof NotPosted) return { kind: 'waits', reason: error.message }
    throw error
  }
}

async function planChosen(
  tx: Transaction<Database>,
  planning: Planning,
  run: RailRun,
  { funds, circumstances, change, chosen }: Choice,
) {
  const { schemes, rules, network, expiresAfterMs } = planning
  const { rail } = run
  await sql`select pg_advisory_xact_lock(hashtext('plan'), hashtext(${rail.name}))`.execute(tx)
  await lockSpending(tx)
  const now = { ...circumstances.now, at: planning.clock.now() }
  const due = dueOn(rail.name, await candidatesAmong(tx, schemes, now, chosen), {
    ...circumstances,
    now,
  })
  const means = await readMeans(tx, { ...planning, rail, funds, memo: run.memo })
  const { plan, held } = planBatch(due, means)
  if (plan === null) {
    const reason = held === null ? 'another plan was quicker' : waitsFor(held)
    return { kind: 'waits' as const, reason }
  }
  const { spent } = means
  const made = { plan, rail, network, change, rules, spent, now, expiresAfterMs }
  const manifest = await storePlan(tx, made)
  const isDue = new Set(due.map(({ account }) => account))
  const planned = plan.payouts.map(({ account }) => account)
  return {
    kind: 'planned' as const,
    batch: manifest.batch,
    memo: { spent: spentWith(rules, spent, manifest), newest: manifest.batch },
    seen: [...planned, ...chosen.filter(account => !isDue.has(account))],
  }
}

function waitsFor(held: Held): string {
  switch (held.kind) {
    case 'coins':
      return 'the spendable coins do not pay all who are due'
    case 'fee':
      return 'its part of the fee would leave somebody too little'
    case 'at once':
      return 'a destination would be paid more than it is at once'
    case 'per batch':
    case 'per day':
    case 'per destination':
      return `the limit ${held.kind} leaves no room for all who are due`
    case 'not allowed':
      return 'a destination is not on the allow list'
    default:
      return unreachable(held)
  }
}
