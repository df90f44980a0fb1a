import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listMoves } from '../../src/bridges/bridge-report-store.ts'
import type { Arrival } from '../../src/bridges/move.ts'
import { type CreditedCoin, type SideTip, thunderBridge } from '../../src/bridges/thunder-bridge.ts'
import { balancesOf, chartAccount, postEntries } from '../../src/ledger/index.ts'
import { batchId, journalKey, txid, unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { bareAddress } from '../../src/lib/thunder/address.ts'
import { noteCredited, openThunderCoins } from '../../src/payouts/rails/thunder/coin-store.ts'
import { addBatchRow } from '../payouts/batch-rows.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const AMOUNT = sats(3000n)
const ADDRESS = bareAddress(new Uint8Array(20).fill(7))
const AT = unixMs(1_800_000_000_000)

let database: TestDatabase
let tips: (SideTip | null)[]
let credited: CreditedCoin[]
let depth: number
let arrivals: Arrival[]
let noted: string[]

beforeEach(async () => {
  database = await testDatabase()
  tips = [{ hash: 'a', confirmations: 1 }]
  credited = []
  depth = 3
  noted = []
  await addBatchRow(database.db, {
    ...{ number: 1, purpose: 'deposit', state: 'settled' },
    payees: [[ADDRESS, AMOUNT]],
  })
  arrivals = [arrival('ab')]
  await post('settled', { thunderTransit: AMOUNT, treasuryCapital: -AMOUNT })
})
afterEach(() => database.drop())

const arrival = (byte: string): Arrival => ({
  batch: batchId(1n),
  coin: { txid: txid(byte.repeat(32)), vout: 0 },
  ...{ amount: AMOUNT, address: ADDRESS },
})

async function post(
  key: string,
  legs: Partial<Record<Parameters<typeof chartAccount>[0], bigint>>,
) {
  const sorted = Object.entries(legs)
    .map(([name, amount]) => ({
      account: chartAccount(name as 'thunderFloat'),
      amount: millisats(amount * 1000n),
    }))
    .toSorted((a, b) => (a.account < b.account ? -1 : 1))
  const entry = { key: journalKey(`test:${key}`), event: 'test', legs: sorted, at: AT }
  await database.db.transaction().execute(tx => postEntries(tx, [entry]))
}

/** One run; of several tips the first is seen first, and the last from then on. */
async function follow(): Promise<void> {
  const seen = [...tips]
  const bridge = thunderBridge({
    ...{ db: database.db, clock: { now: () => AT }, log: createLog('test', 'silent') },
    view: {
      tip: async () => (seen.length > 1 ? (seen.shift() ?? null) : (seen[0] ?? null)),
      credited: async () => credited,
      depthOf: async () => depth,
    },
    need: async () => ({ float: sats(0n), coming: sats(0n), leaving: sats(0n), due: sats(0n) }),
    fill: async () => ({ kind: 'nothing', reason: 'a test' }),
    settled: async () => arrivals,
    noteCoin: async (tx, { coin, journalKey }) => {
      noted.push(`${coin.txid.slice(0, 2)} ${journalKey}`)
      await noteCredited(tx, { coin, address: ADDRESS, amount: AMOUNT, journalKey }, AT)
    },
  })
  await bridge.follow()
}

async function booked() {
  const [float, transit] = [chartAccount('thunderFloat'), chartAccount('thunderTransit')]
  const balances = await balancesOf(database.db, [float, transit])
  const of = (name: typeof float) => (balances.get(name) ?? 0n) / 1000n
  return { float: of(float), transit: of(transit) }
}

/** What the payout rail takes for coins of ours, by the first byte of their transaction. */
async function spendable() {
  return (await openThunderCoins(database.db)).map(({ outPoint }) => outPoint.hash.slice(0, 2))
}

const isCredited = () => {
  credited = arrivals.map(({ coin }) => ({ coin, value: AMOUNT }))
}

test('a deposit is float once Thunder has its coin, and not before', async () => {
  await follow()
  expect(await booked()).toEqual({ float: 0n, transit: AMOUNT })
  expect(await listMoves(database.db)).toMatchObject([{ state: 'transit', amount: AMOUNT }])
  isCredited()
  await Promise.all([follow(), follow(), follow()])
  await follow()
  expect(await booked()).toEqual({ float: AMOUNT, transit: 0n })
  expect(noted).toEqual(['ab deposit:1:credited:1'])
  expect(await listMoves(database.db)).toMatchObject([{ state: 'credited' }])
})

test('what a reorganisation undoes is in transit again, until Thunder has it again', async () => {
  isCredited()
  await follow()
  credited = []
  tips = [{ hash: 'b', confirmations: 2 }]
  await follow()
  expect(await booked()).toEqual({ float: 0n, transit: AMOUNT })
  expect(await spendable()).toEqual([])
  isCredited()
  await follow()
  expect(await booked()).toEqual({ float: AMOUNT, transit: 0n })
  expect(await spendable()).toEqual(['ab'])
  expect(noted).toEqual(['ab deposit:1:credited:1', 'ab deposit:1:credited:2'])
})

test('where the main chain has another version of it after all, that one is credited', async () => {
  isCredited()
  await follow()
  arrivals = [arrival('cd')]
  await follow()
  expect(await booked()).toEqual({ float: 0n, transit: AMOUNT })
  isCredited()
  await follow()
  expect(await booked()).toEqual({ float: AMOUNT, transit: 0n })
  expect(noted.at(-1)).toBe('cd deposit:1:credited:2')
  expect(await spendable()).toEqual(['cd'])
})

test.each<[string, () => void]>([
  [
    'Thunder stands on a block that is no longer in the chain',
    () => {
      tips = [null]
    },
  ],
  [
    'Thunder has not seen the block of the deposit',
    () => {
      tips = [{ hash: 'a', confirmations: 3 }]
    },
  ],
  [
    'another side block came between the questions',
    () => {
      tips = [
        { hash: 'a', confirmations: 1 },
        { hash: 'b', confirmations: 1 },
      ]
    },
  ],
])('nothing is taken back where %s', async (_name, happens) => {
  isCredited()
  await follow()
  credited = []
  happens()
  await follow()
  expect(await booked()).toEqual({ float: AMOUNT, transit: 0n })
})

test('a deposit that no block has any more is taken back by any tip of the chain', async () => {
  isCredited()
  await follow()
  credited = []
  depth = 0
  tips = [{ hash: 'a', confirmations: 100 }]
  await follow()
  expect(await booked()).toEqual({ float: 0n, transit: AMOUNT })
})

test('what was undone and is spent stays as it is booked, whatever is seen', async () => {
  isCredited()
  await follow()
  await post('spent', { thunderFloat: -1000n, feeThunder: 1000n })
  credited = []
  await follow()
  expect(await booked()).toEqual({ float: AMOUNT - 1000n, transit: 0n })
  expect(await listMoves(database.db)).toMatchObject([{ state: 'credited' }])
})

test('another amount than was deposited is never booked', async () => {
  credited = arrivals.map(({ coin }) => ({ coin, value: sats(AMOUNT - 1n) }))
  await follow()
  expect(await booked()).toEqual({ float: 0n, transit: AMOUNT })
  expect(noted).toEqual([])
})

test.each([
  ['its amount', 'update bridge_moves set amount_sats = 1'],
  ['its address', `update bridge_moves set address = '${'1'.repeat(20)}'`],
  ['it altogether', 'delete from bridge_moves'],
])('the processes cannot change of a move %s', async (_what, statement) => {
  await follow()
  await expect(sql.raw(statement).execute(database.ownerDb)).rejects.toMatchObject({
    code: '23001',
  })
})
