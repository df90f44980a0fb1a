import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  auditChain,
  type Books,
  balancesOf,
  chartAccount,
  EMPTY_BOOKS,
  type Entry,
  extendChain,
  kindOf,
  type LedgerAccount,
  mayHold,
  owedTo,
  postAll,
  postEntries,
} from '../../src/ledger/index.ts'
import { accountId } from '../../src/lib/ids.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { entryOf, miner, someEntries } from './entries.ts'
import { AFTER_THE_RUN, WORKED_RUN } from './worked-run.ts'

/** For work that takes seconds on an idle machine; how long is not what is tested. */
const LARGE_TIMEOUT_MS = 300_000

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

const l1 = chartAccount('l1Float')
const capital = chartAccount('treasuryCapital')
const post = (entries: readonly Entry[], db = database.db) =>
  db.transaction().execute(transaction => postEntries(transaction, entries))

async function everyBalance(): Promise<Map<string, bigint>> {
  const rows = await database.db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
    .select(['name', 'amount_msat'])
    .execute()
  return new Map(rows.map(row => [row.name, row.amount_msat]))
}

/** Each test has books of its own: another name for every account and key. */
let books = 0
function ownBooks() {
  books += 1
  const prefix = `${books}`
  const rename = (account: LedgerAccount) => account.replace(':', `:${prefix}0`) as LedgerAccount
  return {
    rename,
    move: (entry: Entry): Entry =>
      entryOf(
        `${prefix}/${entry.key}`,
        entry.legs.map(leg => [rename(leg.account), leg.amount] as const),
        entry.event,
      ),
  }
}

test('the worked run ends in the balances worked out by hand', async () => {
  const outcomes = await post(WORKED_RUN)
  expect(outcomes.map(outcome => outcome.kind)).toEqual(WORKED_RUN.map(() => 'posted'))
  for (const [name, amount] of await everyBalance())
    expect([name, amount]).toEqual([name, AFTER_THE_RUN.get(name as LedgerAccount) ?? 0n])
  const accounts = [accountId(1n), accountId(3n)]
  expect(await owedTo(database.db, accounts)).toEqual(
    new Map([
      [accounts[0], { pending: 0n, payable: 0n, inflight: 0n }],
      [accounts[1], { pending: 0n, payable: 48_356_435_000n, inflight: 0n }],
    ]),
  )
  expect(await post(WORKED_RUN)).toEqual(WORKED_RUN.map(() => ({ kind: 'repeated' })))
  expect(await balancesOf(database.db, [l1, miner(9n, 'payable')])).toEqual(
    new Map([
      [l1, 154_765_904_000n],
      [miner(9n, 'payable'), 0n],
    ]),
  )
})

test('the store answers and holds what the model does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(someEntries, { minLength: 1, maxLength: 3 }), async batches => {
      const { rename, move } = ownBooks()
      let model: Books = EMPTY_BOOKS
      for (const batch of batches.map(entries => entries.map(move))) {
        const expected = postAll(model, batch)
        expect(await post(batch)).toEqual(expected.outcomes)
        model = expected.books
      }
      const names = [...model.balances.keys()]
      expect(await balancesOf(database.db, names)).toEqual(model.balances)
      expect(await balancesOf(database.db, [rename(l1)])).toEqual(
        new Map([[rename(l1), model.balances.get(rename(l1)) ?? 0n]]),
      )
    }),
    { numRuns: 40 },
  )
})

test('posts from several connections never deadlock and never draw below nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(someEntries, { minLength: 4, maxLength: 8 }), async batches => {
      const { move } = ownBooks()
      const moved = batches.map(entries => entries.map(move))
      const outcomes = await Promise.all(moved.map(entries => post(entries)))
      // Which came first is open, but what was posted adds up to what is held.
      const sums = new Map<LedgerAccount, bigint>()
      const keys = new Set<string>()
      moved.forEach((entries, batch) => {
        entries.forEach((entry, index) => {
          if (outcomes[batch]?.[index]?.kind !== 'posted') return
          expect(keys.has(entry.key)).toBe(false)
          keys.add(entry.key)
          for (const { account, amount } of entry.legs)
            sums.set(account, (sums.get(account) ?? 0n) + amount)
        })
      })
      expect(await balancesOf(database.db, [...sums.keys()])).toEqual(sums)
      for (const [account, amount] of sums) expect(mayHold(kindOf(account), amount)).toBe(true)
    }),
    { numRuns: 15 },
  )
})

test('of two hundred withdrawals at once, as many pass as there is money for', async () => {
  const { move, rename } = ownBooks()
  const brings = entryOf('brings', [
    [l1, 500n],
    [capital, -500n],
  ])
  await post([move(brings)])
  const takes = (nth: number) =>
    entryOf(`takes:${nth}`, [
      [l1, -10n],
      [capital, 10n],
    ])
  const all = await Promise.all(
    Array.from({ length: 200 }, (_, nth) => post([move(takes(nth % 100))])),
  )
  const kinds = all.flat().map(outcome => outcome.kind)
  expect(kinds.filter(kind => kind === 'posted')).toHaveLength(50)
  expect(kinds).not.toContain('conflict')
  const left = await balancesOf(database.db, [rename(l1)])
  expect(left.get(rename(l1))).toBe(0n)
})

test('two entries that race for one key end as one entry and one conflict', async () => {
  const { move } = ownBooks()
  const one = entryOf('race', [
    [l1, 1n],
    [capital, -1n],
  ])
  const other = entryOf('race', [
    [chartAccount('feeL1'), 1n],
    [chartAccount('poolFee'), -1n],
  ])
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, nth) => post([move(nth % 2 === 0 ? one : other)])),
  )
  const kinds = all.flat().map(outcome => outcome.kind)
  expect(kinds.filter(kind => kind === 'posted')).toHaveLength(1)
  expect(kinds.filter(kind => kind === 'conflict')).toHaveLength(10)
})

test('what a transaction posts goes when it is rolled back', async () => {
  const { move, rename } = ownBooks()
  const entry = move(
    entryOf('gone', [
      [l1, 1n],
      [capital, -1n],
    ]),
  )
  const failing = database.db.transaction().execute(async transaction => {
    await postEntries(transaction, [entry])
    throw new Error('on purpose')
  })
  await expect(failing).rejects.toThrow('on purpose')
  expect((await balancesOf(database.db, [rename(l1)])).get(rename(l1))).toBe(0n)
  expect(await post([entry])).toEqual([{ kind: 'posted' }])
})

test(
  'an entry of 100,000 legs is posted and chained whole',
  async () => {
    const legs = Array.from({ length: 100_000 }, (_, nth) => {
      return [miner(1_000_000n + BigInt(nth), 'pending'), -7n] as const
    })
    const entry = entryOf('large', [...legs, [chartAccount('coinbaseImmature'), 700_000n]])
    expect(await post([entry])).toEqual([{ kind: 'posted' }])
    expect(await post([entry])).toEqual([{ kind: 'repeated' }])
    await extendChain(database.db)
    expect((await auditChain(database.db)).findings).toEqual([])
  },
  LARGE_TIMEOUT_MS,
)

test('SQL refuses an overdraft and an unbalanced entry by itself', async () => {
  const lower = database.db.updateTable('ledger_balances').set({ amount_msat: -1n })
  await expect(lower.where('kind', '=', 'asset').execute()).rejects.toThrow('never_overdrawn')
  const lonely = database.db
    .insertInto('journal')
    .values({ key: 'lonely', request_hash: '0'.repeat(64), event: 'test', posted_ms: 0n })
  await expect(lonely.execute()).rejects.toThrow('does not balance')
  const edit = database.db.updateTable('journal').set({ event: 'other' })
  await expect(edit.execute()).rejects.toThrow('permission denied')
  const editAsOwner = database.ownerDb.updateTable('journal').set({ event: 'other' })
  await expect(editAsOwner.execute()).rejects.toThrow('written once')
})
