import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AccountId, accountId } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { type WaitingParts, whyWaiting } from '../../src/payouts/why-waiting-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { NO_RULES } from './due.ts'
import {
  coinsOf,
  HOUR_MS,
  openBooks,
  owe,
  plan,
  planningOf,
  railWith,
  SOLO,
  START_MS,
  setSettings,
} from './plan-world.ts'

let database: TestDatabase
const LATER = START_MS + HOUR_MS
const rail = railWith(coinsOf([1_000_000n]))

beforeAll(async () => {
  database = await testDatabase()
  await openBooks(database.db)
})
afterAll(() => database.drop())

const why = async (account: AccountId, more: Partial<WaitingParts> = {}) => {
  const parts = { ...planningOf(rail, LATER), feeRates: new Map<string, never>() }
  const reasons = await whyWaiting(database.db, { ...parts, ...more }, [account])
  return reasons.get(account)
}

test('each account is told what it waits for', async () => {
  const { db } = database
  const due = await owe(db, 'due')
  expect(await why(due)).toEqual({ kind: 'next plan' })
  expect(await why(due, planningOf(rail, LATER - 1))).toEqual({
    kind: 'interval',
    next: { kind: 'time', at: LATER },
  })
  const frozen = async () => 'a theft'
  expect(await why(due, { frozen })).toEqual({ kind: 'frozen', reason: 'a theft' })
  const poor = await owe(db, 'poor', { amountSats: 999n })
  expect(await why(poor)).toEqual({ kind: 'below minimum', minimum: 1000n })
  const solo = await owe(db, 'solo', { scheme: SOLO })
  expect(await why(solo)).toEqual({ kind: 'interval', next: { kind: 'height', height: 510 } })
  const lost = await owe(db, 'not payable')
  expect(await why(lost)).toEqual({ kind: 'no destination', reason: 'l1: it says so' })
  const paused = await owe(db, 'paused')
  await setSettings(db, paused, { paused: true })
  expect(await why(paused)).toEqual({ kind: 'paused' })
  const moved = await owe(db, 'moved')
  await setSettings(db, moved, { destination: 'new', paysFromMs: LATER + 1 })
  expect(await why(moved)).toEqual({ kind: 'cooling off', until: LATER + 1 })
  const cheap = await owe(db, 'cheap')
  await setSettings(db, cheap, { feeRateMax: 1999n })
  const feeRates = new Map([['l1', sats(2000n)]])
  expect(await why(cheap, { feeRates })).toEqual({
    kind: 'fee above wish',
    feeRateSatPerKvb: 2000n,
    wish: 1999n,
  })
})

test('a limit is told where it leaves the account no room even alone', async () => {
  const large = await owe(database.db, 'large', { amountSats: 50_000n })
  const rules = (limits: Partial<typeof NO_RULES.limits>) => ({
    rules: { ...NO_RULES, limits: { ...NO_RULES.limits, ...limits } },
  })
  const limit = sats(49_999n)
  const refused = { kind: 'limit', why: { kind: 'per batch', limit, would: 50_000n } }
  expect(await why(large, rules({ perBatch: limit }))).toEqual(refused)
  expect(await why(large, rules({ perDay: limit }))).toMatchObject({ why: { kind: 'per day' } })
  expect(await why(large, rules({ perDestinationPerDay: limit }))).toMatchObject({
    why: { kind: 'per destination', destination: 'large' },
  })
  expect(await why(large, { rules: { ...NO_RULES, allowList: new Set(['due']) } })).toMatchObject({
    why: { kind: 'not allowed' },
  })
  expect(await why(large, rules({ perBatch: sats(50_000n) }))).toEqual({ kind: 'next plan' })
})

test('a payout under way is told with its batch, and a stranger nothing', async () => {
  const account = await owe(database.db, 'under way')
  await plan(database.db, planningOf(rail, LATER))
  expect(await why(account)).toMatchObject({ kind: 'under way', state: 'planned' })
  expect(await why(accountId(999_999n))).toBeUndefined()
})
