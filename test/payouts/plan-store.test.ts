import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { owedTo } from '../../src/ledger/index.ts'
import { type AccountId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { type CandidatePlace, candidatesFrom } from '../../src/payouts/candidate-store.ts'
import { coinManifestOf } from '../../src/payouts/payout-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { NO_RULES } from './due.ts'
import {
  coinsOf,
  credit,
  FAIR,
  HOUR_MS,
  HOURLY,
  openBooks,
  owe,
  payoutsOf,
  plan,
  planningOf,
  railWith,
  SOLO,
  START_MS,
  setSettings,
} from './plan-world.ts'

let database: TestDatabase
const dbOf = () => database.db
const LATER = START_MS + HOUR_MS
const RICH = railWith(coinsOf(Array.from({ length: 40 }, () => 1_000_000n)))

beforeEach(async () => {
  database = await testDatabase()
  await openBooks(database.db)
})
afterEach(() => database.drop())

const planned = async () => (await payoutsOf(dbOf())).map(({ account_id }) => account_id)
const oweMany = async (count: number, amountSats = 10_000n): Promise<AccountId[]> => {
  const accounts: AccountId[] = []
  for (let n = 1; n <= count; n++) accounts.push(await owe(dbOf(), `payee ${n}`, { amountSats }))
  return accounts
}

test('nothing is planned an instant before the interval is over, and all when it is', async () => {
  const [first] = await oweMany(1)
  const early = await plan(dbOf(), planningOf(RICH, LATER - 1))
  expect(early).toEqual([{ rail: 'l1', batches: [], waits: null }])
  const [outcome] = await plan(dbOf(), planningOf(RICH, LATER))
  expect(outcome?.batches).toHaveLength(1)
  expect(await planned()).toEqual([first])
})

test('the node is not asked while nobody is due', async () => {
  await owe(dbOf(), 'payee', { amountSats: 999n })
  const rail = railWith([], { funds: () => Promise.reject(new Error('it was asked')) })
  expect(await plan(dbOf(), planningOf(rail, LATER))).toEqual([
    { rail: 'l1', batches: [], waits: null },
  ])
})

test('one run plans batch after batch until nobody is left, each within its limit', async () => {
  const accounts = await oweMany(7)
  const rules = { ...NO_RULES, limits: { ...NO_RULES.limits, perBatch: sats(20_200n) } }
  const [outcome] = await plan(dbOf(), planningOf(RICH, LATER, { rules }))
  expect(outcome?.batches).toHaveLength(4)
  expect(await planned()).toEqual(accounts)
  for (const batch of outcome?.batches ?? []) {
    const manifest = await coinManifestOf(dbOf(), batch)
    expect(manifest.payees.length).toBeLessThanOrEqual(2)
    expect(manifest.createdBy).toBe('plan:l1')
  }
  const coins = await dbOf().selectFrom('reserved_outputs').select('txid').execute()
  expect(new Set(coins.map(({ txid }) => txid)).size).toBe(4)
})

test('a payee on two ports gets one output, and each account keeps its own interval', async () => {
  const hourly = await owe(dbOf(), 'payee')
  const solo = await owe(dbOf(), 'payee', { scheme: SOLO, amountSats: 7000n })
  await sql`update tips set height = 510`.execute(database.ownerDb)
  const [outcome] = await plan(dbOf(), planningOf(RICH, LATER))
  const manifest = await coinManifestOf(dbOf(), outcome?.batches[0] ?? (undefined as never))
  expect(manifest.payees).toMatchObject([{ destination: 'payee', amount: 17_000n }])
  expect(manifest.payees[0]?.payouts).toHaveLength(2)
  expect(await planned()).toEqual([hourly, solo])
})

test('what one run cannot pay, whether it cannot be paid or is too large, starves nobody', async () => {
  await owe(dbOf(), 'not payable', { amountSats: 50_000n })
  await owe(dbOf(), 'whale', { amountSats: 90_000_000n })
  const small = await owe(dbOf(), 'small', { amountSats: 5000n })
  const [outcome] = await plan(dbOf(), planningOf(railWith(coinsOf([20_000n])), LATER))
  expect(await planned()).toEqual([small])
  expect(outcome?.waits).toContain('coins')
})

test('planned in several places at once, each account and each coin is planned once', async () => {
  const accounts = await oweMany(12)
  const rules = { ...NO_RULES, limits: { ...NO_RULES.limits, perBatch: sats(40_500n) } }
  for (let round = 0; round < 4; round++) {
    const planning = planningOf(RICH, LATER, { rules })
    await Promise.all(Array.from({ length: 4 }, () => plan(dbOf(), planning)))
  }
  expect((await planned()).toSorted((a, b) => Number(a - b))).toEqual(accounts)
  const coins = await dbOf().selectFrom('reserved_outputs').select('txid').execute()
  expect(new Set(coins.map(({ txid }) => txid)).size).toBe(coins.length)
})

test('two rails at once do not both take the last of the day', async () => {
  const rails = ['l1', 'other'].map(name => {
    const coins = coinsOf([100_000n], name === 'l1' ? 0 : 50)
    return railWith(coins, { name })
  })
  const scheme = (rail: string) => ({ ...SOLO, name: rail, rails: [rail] })
  for (const rail of ['l1', 'other'])
    await owe(dbOf(), `payee on ${rail}`, { scheme: scheme(rail), amountSats: 10_000n })
  await sql`update tips set height = 510`.execute(database.ownerDb)
  const limits = { ...NO_RULES.limits, perDay: sats(15_000n) }
  const outcomes = await Promise.all(
    rails.map(rail =>
      plan(
        dbOf(),
        planningOf(rail, LATER, {
          schemes: [scheme('l1'), scheme('other')],
          rules: { ...NO_RULES, limits },
        }),
      ),
    ),
  )
  expect(await planned()).toHaveLength(1)
  expect(outcomes.flat().filter(({ waits }) => waits?.includes('per day'))).toHaveLength(1)
})

test('what another rail takes of the day while a run goes on is not taken again', async () => {
  await oweMany(2)
  const other = { ...SOLO, name: 'other', rails: ['other'] }
  await owe(dbOf(), 'payee on other', { scheme: other, amountSats: 10_000n })
  await sql`update tips set height = 510`.execute(database.ownerDb)
  const limits = { perBatch: sats(10_500n), perDay: sats(21_000n), perDestinationPerDay: null }
  const more = { schemes: [HOURLY, other], rules: { ...NO_RULES, limits } }
  const elsewhere = railWith(coinsOf([100_000n], 50), { name: 'other' })
  let asked = 0
  const open = await RICH.funds()
  if (open.kind === 'waits') throw new Error('it has coins')
  const newChange = async () => {
    asked += 1
    if (asked === 2) await plan(dbOf(), planningOf(elsewhere, LATER, more))
    return 'change'
  }
  const slow = { ...RICH, funds: async () => ({ ...open, newChange }) }
  const [outcome] = await plan(dbOf(), planningOf(slow, LATER, more))
  expect(asked).toBe(2)
  expect(outcome?.batches).toHaveLength(1)
  expect(outcome?.waits).toContain('per day')
  expect(await planned()).toHaveLength(2)
})

test('page after page, everybody who is due comes once, the longest waiting first', async () => {
  const accounts = await oweMany(5)
  await owe(dbOf(), 'poor', { amountSats: 1n })
  const older = accounts.at(-1) as AccountId
  await sql`insert into reward_statements
      (number, reward_pool, epoch_id, height, hash, bytes, created_ms)
    values (2, 'other', 1, 400, ${'b'.repeat(64)}, ''::bytea, ${START_MS - 1})`.execute(dbOf())
  await sql`update reward_lines set statement_number = 2 where account_id = ${older}`.execute(
    database.ownerDb,
  )
  const now = { height: 500, at: unixMs(LATER) }
  const seen: AccountId[] = []
  let after: CandidatePlace | null = null
  for (;;) {
    const page = await candidatesFrom(dbOf(), [HOURLY], now, { after, limit: 2 })
    const last = page.at(-1)
    if (!last) break
    seen.push(...page.map(({ account }) => account))
    after = { since: last.since.at, account: last.account }
  }
  expect(seen).toEqual([older, ...accounts.slice(0, -1)])
})

test('a day, and a destination’s day, is shared by all batches of it, and the rest waits', async () => {
  await oweMany(3)
  const limits = { perBatch: sats(10_500n), perDay: sats(20_400n), perDestinationPerDay: null }
  const first = await plan(dbOf(), planningOf(RICH, LATER, { rules: { ...NO_RULES, limits } }))
  expect(first[0]?.batches).toHaveLength(2)
  expect(first[0]?.waits).toContain('per day')
  const [one] = await planned()
  await sql`update payouts set state = 'settled'`.execute(database.ownerDb)
  await sql`update batches set state = 'settled', ended_ms = ${LATER}`.execute(database.ownerDb)
  await credit(dbOf(), one as AccountId, 10_000n)
  const perDestination = {
    ...NO_RULES,
    limits: { ...NO_RULES.limits, perDestinationPerDay: sats(15_000n) },
  }
  const next = planningOf(RICH, LATER + HOUR_MS, { rules: perDestination })
  expect((await plan(dbOf(), next))[0]?.waits).toContain('per destination')
  expect(await planned()).toHaveLength(3)
})

test('settings decide where to, from what amount on, and whether at all', async () => {
  const [moved, paused, cooling, demanding, cheap] = await oweMany(5)
  if (!moved || !paused || !cooling || !demanding || !cheap) throw new Error('five are owed')
  await setSettings(dbOf(), moved, { destination: 'cold storage' })
  await setSettings(dbOf(), paused, { paused: true })
  await setSettings(dbOf(), cooling, { destination: 'new', paysFromMs: LATER + 1 })
  await setSettings(dbOf(), demanding, { minimumSats: 10_001n })
  await setSettings(dbOf(), cheap, { feeRateMax: 1999n })
  await plan(dbOf(), planningOf(RICH, LATER))
  expect(await payoutsOf(dbOf())).toMatchObject([
    { account_id: moved, destination: 'cold storage', amount_sats: 10_000n, fee_sats: 0n },
  ])
  await setSettings(dbOf(), paused, { paused: false })
  await setSettings(dbOf(), cheap, { feeRateMax: 2000n })
  await credit(dbOf(), demanding, 1n)
  await plan(dbOf(), planningOf(RICH, LATER + 1))
  expect((await planned()).toSorted()).toEqual(
    [moved, paused, cooling, demanding, cheap].toSorted(),
  )
})

test('settings that change while the node is asked are those that count', async () => {
  const [account] = await oweMany(1)
  if (!account) throw new Error('one is owed')
  const coins = coinsOf([1_000_000n])
  const rail = railWith(coins)
  const funds = async () => {
    await setSettings(dbOf(), account, { paused: true })
    return rail.funds()
  }
  const [outcome] = await plan(dbOf(), planningOf({ ...rail, funds }, LATER))
  expect(outcome).toMatchObject({ batches: [], waits: 'another plan was quicker' })
})

test('an operator who set a destination is excluded from its batch', async () => {
  const [moved, other] = await oweMany(2)
  if (!moved || !other) throw new Error('two are owed')
  const key = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
  await sql`insert into operators (alias, roles, created_ms)
    values ('carol', '{approver}', 0)`.execute(dbOf())
  await sql`insert into operator_keys (key, operator_id, created_ms, not_after_ms)
    select ${key}, id, 0, ${LATER} from operators`.execute(dbOf())
  await setSettings(dbOf(), moved, { destination: 'elsewhere', operatorKey: key })
  const [outcome] = await plan(dbOf(), planningOf(RICH, LATER))
  const manifest = await coinManifestOf(dbOf(), outcome?.batches[0] ?? (undefined as never))
  expect(manifest.excluded).toEqual(['carol'])
})

test('who asks is planned before the interval is over, and the request ends with the plan', async () => {
  const [asks, waits] = await oweMany(2)
  if (!asks || !waits) throw new Error('two are owed')
  await dbOf()
    .insertInto('payout_requests')
    .values({ account_id: asks, asked_ms: BigInt(START_MS), payout_id: null, ended_ms: null })
    .execute()
  await plan(dbOf(), planningOf(RICH, START_MS + 1))
  expect(await planned()).toEqual([asks])
  const request = await dbOf()
    .selectFrom('payout_requests')
    .innerJoin('payouts', 'payouts.id', 'payout_id')
    .select(['payouts.account_id', 'payout_requests.ended_ms'])
    .executeTakeFirstOrThrow()
  expect(request).toEqual({ account_id: asks, ended_ms: BigInt(START_MS + 1) })
})

test('what a payee gets and what it is charged add up to what was payable', async () => {
  const account = await owe(dbOf(), 'payee', { scheme: FAIR, amountSats: 10_000n })
  const [outcome] = await plan(dbOf(), planningOf(RICH, LATER))
  const [payout] = await payoutsOf(dbOf())
  expect(payout).toMatchObject({ amount_sats: 9850n, fee_sats: 150n })
  const batch = await dbOf().selectFrom('batches').select('total_sats').executeTakeFirstOrThrow()
  expect(batch.total_sats).toBe(9850n)
  expect(outcome?.waits).toBeNull()
  const owed = (await owedTo(dbOf(), [account])).get(account)
  expect(owed).toMatchObject({ payable: 0n, inflight: 10_000_000n })
})

test('a frozen rail plans nothing and says why', async () => {
  await oweMany(1)
  const frozen = async () => 'a theft'
  expect(await plan(dbOf(), planningOf(RICH, LATER, { frozen }))).toEqual([
    { rail: 'l1', batches: [], waits: 'a theft' },
  ])
  expect(await planned()).toEqual([])
})

test('coins in doubt wait, and so does a rail before the first tip', async () => {
  await oweMany(1)
  const funds = async () => ({ kind: 'waits' as const, reason: 'the node is away' })
  const [away] = await plan(dbOf(), planningOf(railWith([], { funds }), LATER))
  expect(away?.waits).toBe('the node is away')
  await sql`delete from tips`.execute(database.ownerDb)
  const [blind] = await plan(dbOf(), planningOf(RICH, LATER))
  expect(blind?.waits).toContain('tip')
})
