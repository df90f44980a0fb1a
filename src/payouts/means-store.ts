import { type Kysely, sql } from 'kysely'
import type { Spent } from '../approval/index.ts'
import { balancesOf } from '../ledger/index.ts'
import type { Database } from '../lib/db/schema.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { Clock } from '../lib/time.ts'
import type { Means } from './plan.ts'
import { limitsNeedSpent, NOTHING_SPENT, type SpendRules } from './plan-limits.ts'
import type { Coin, Funds, Rail } from './rail.ts'
import { spentInLastDay } from './spent-store.ts'

/**
 * What the day had spent when a batch was the newest of all. Until another comes it holds: what
 * ends or grows old only makes it less.
 */
export type SpentMemo = { readonly spent: Spent; readonly newest: bigint }

export type MeansQuestion = {
  readonly rail: Rail
  readonly funds: Exclude<Funds, { kind: 'waits' }>
  readonly rules: SpendRules
  readonly clock: Clock
  readonly memo: SpentMemo | null
}

/**
 * What a batch may be made of now: the rail's coins that no batch holds, and what ledger and limits
 * leave. Certain only behind the locks of planning.
 */
export async function readMeans(
  db: Kysely<Database>,
  { rail, funds, rules, clock, memo }: MeansQuestion,
): Promise<Means> {
  return {
    spent: await spentNow(db, rules, clock, memo),
    source: funds.kind === 'coins' ? { ...funds, coins: await freeCoins(db, funds.coins) } : funds,
    fees: rail.fees,
    expected: funds.expected.fees,
    booked: await bookedFloat(db, rail),
    rules,
  }
}

async function spentNow(
  db: Kysely<Database>,
  rules: SpendRules,
  clock: Clock,
  memo: SpentMemo | null,
): Promise<Spent> {
  if (!limitsNeedSpent(rules)) return NOTHING_SPENT
  const row = await db
    .selectFrom('batches')
    .select(eb => eb.fn.max('id').as('id'))
    .executeTakeFirst()
  const newest: bigint | null = row?.id ?? null
  if (memo !== null && memo.newest === newest) return memo.spent
  return spentInLastDay(db, clock.now(), null)
}

/** Only the coins in question are looked up, since the table keeps those of all batches ever. */
async function freeCoins(db: Kysely<Database>, coins: readonly Coin[]): Promise<Coin[]> {
  const { rows } = await sql<{ txid: string; vout: number }>`
    select reserved.txid, reserved.vout
      from unnest(${coins.map(({ txid }) => txid)}::text[],
                  ${coins.map(({ vout }) => vout)}::integer[]) as coin (txid, vout)
      join reserved_outputs reserved
        on reserved.txid = coin.txid and reserved.vout = coin.vout
     where reserved.released_ms is null`.execute(db)
  const reserved = new Set(rows.map(({ txid, vout }) => `${txid}:${vout}`))
  return coins.filter(({ txid, vout }) => !reserved.has(`${txid}:${vout}`))
}

/** The rail's float by the ledger, without what planned batches may yet take from it. */
async function bookedFloat(db: Kysely<Database>, rail: Rail): Promise<Sats> {
  const { float } = rail.books
  const row = await db
    .selectFrom('batches')
    .select(eb => [
      eb.fn.sum<bigint | null>('total_sats').as('total'),
      eb.fn.sum<bigint | null>('fee_max_sats').as('fees'),
    ])
    .where('rail', '=', rail.name)
    .where('wallet', '=', 'hot')
    .where('state', 'in', ['planned', 'approved'])
    .executeTakeFirst()
  // Read last: a batch that leaves meanwhile counts twice, which plans less, and never not at all.
  const held = (await balancesOf(db, [float])).get(float) ?? 0n
  const free = held / 1000n - (row?.total ?? 0n) - (row?.fees ?? 0n)
  return sats(free > 0n ? free : 0n)
}
