import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseAddress } from '../../src/lib/bitcoin/address.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { REQUEST_EVERY_MS, requestText } from '../../src/payouts/request.ts'
import { askForPayout, type GivenRequest } from '../../src/payouts/request-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { holderOf } from '../support/signed-message.ts'
import {
  coinsOf,
  credit,
  FAIR,
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

const holder = holderOf(1)
const payee = holder.address
const RICH = railWith(coinsOf([1_000_000n, 1_000_000n, 1_000_000n]))
const rules = {
  pool: 'a pool',
  network: 'regtest',
  schemes: [HOURLY, SOLO, FAIR],
  destinations: new Map([
    [
      'l1',
      (text: string) => {
        const read = parseAddress(text, 'regtest')
        return read.kind === 'address'
          ? ({ kind: 'payable', canonical: read.text, dust: sats(294n) } as const)
          : ({ kind: 'unpayable', reason: read.kind } as const)
      },
    ],
  ]),
} as const

let database: TestDatabase
const dbOf = () => database.db
beforeEach(async () => {
  database = await testDatabase()
  await openBooks(database.db)
})
afterEach(() => database.drop())

const ask = (more: Partial<GivenRequest> = {}, atMs = START_MS) =>
  askForPayout(dbOf(), rules, { payee, scheme: 'hourly', proof: null, ...more }, unixMs(atMs))
const planAt = (atMs: number) => plan(dbOf(), planningOf(RICH, atMs))

test('who asks is paid with the next plan, and the request ends with it', async () => {
  const account = await owe(dbOf(), payee)
  await planAt(START_MS)
  expect(await payoutsOf(dbOf())).toEqual([])
  expect(await ask()).toEqual({ kind: 'asked' })
  await planAt(START_MS)
  expect(await payoutsOf(dbOf())).toMatchObject([{ account_id: account }])
  const requests = await dbOf().selectFrom('payout_requests').selectAll().execute()
  expect(requests).toMatchObject([{ account_id: account, ended_ms: BigInt(START_MS) }])
  expect(await ask()).toMatchObject({ why: { why: { kind: 'under way' } } })
  const events = await dbOf().selectFrom('audit_events').select(['actor', 'action']).execute()
  expect(events).toEqual([{ actor: `payee:${payee}`, action: 'ask for payout' }])
})

test('an account asks once, however many ask for it at one time, and once a day', async () => {
  const account = await owe(dbOf(), payee)
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask()))
  expect(answers.filter(({ kind }) => kind === 'asked')).toHaveLength(1)
  expect(answers.filter(({ kind }) => kind === 'refused')).toHaveLength(5)
  expect(await ask()).toMatchObject({ why: { kind: 'asked already', askedAt: START_MS } })
  await planAt(START_MS)
  await dbOf().updateTable('payouts').set({ state: 'settled', ended_ms: 1n }).execute()
  await credit(dbOf(), account, 50_000n)
  const from = START_MS + REQUEST_EVERY_MS
  expect(await ask({}, from - 1)).toMatchObject({ why: { kind: 'too soon', from } })
  expect(await ask({}, from)).toEqual({ kind: 'asked' })
})

test('what would not be paid anyway is refused, and leaves no request', async () => {
  const account = await owe(dbOf(), payee, { amountSats: 999n })
  expect(await ask()).toMatchObject({ why: { why: { kind: 'below minimum' } } })
  await credit(dbOf(), account, 1000n)
  await setSettings(dbOf(), account, { paused: true })
  expect(await ask()).toMatchObject({ why: { why: { kind: 'paused' } } })
  await setSettings(dbOf(), account, { paysFromMs: START_MS + 5 })
  expect(await ask()).toMatchObject({ why: { why: { kind: 'cooling off', until: START_MS + 5 } } })
  expect(await dbOf().selectFrom('payout_requests').selectAll().execute()).toEqual([])
  expect(await dbOf().selectFrom('audit_events').selectAll().execute()).toEqual([])
})

test('nobody asks for an account that is not there', async () => {
  await owe(dbOf(), payee)
  for (const more of [{ payee: 'nobody' }, { scheme: 'solo' }, { scheme: 'gone' }])
    expect(await ask(more)).toEqual({ kind: 'unknown account' })
})

test('who bears the fee signs, for this request and no later one', async () => {
  const account = await owe(dbOf(), payee, { scheme: FAIR })
  const context = { pool: 'a pool', network: 'regtest', payee, number: 1 }
  const text = requestText(context, 'fair')
  expect(await ask({ scheme: 'fair' })).toEqual({ kind: 'unsigned', text })
  const by = (signature: string) =>
    ({ scheme: 'fair', proof: { kind: 'signature', signature } }) as const
  expect((await ask(by(holderOf(2).sign(text)))).kind).toBe('unproven')
  const proof = by(holder.sign(text))
  expect(await ask(proof)).toEqual({ kind: 'asked' })
  await planAt(START_MS)
  await dbOf().updateTable('payouts').set({ state: 'released', ended_ms: 1n }).execute()
  await credit(dbOf(), account, 50_000n)
  expect((await ask(proof, START_MS + REQUEST_EVERY_MS)).kind).toBe('unproven')
})
