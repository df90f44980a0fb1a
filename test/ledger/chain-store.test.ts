import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findWrongBalances } from '../../src/ledger/balance-audit-store.ts'
import {
  auditChain,
  auditSince,
  CHAIN_START,
  type ChainHead,
  chainHash,
  chartAccount,
  type Entry,
  extendChain,
  postEntries,
  requestHash,
} from '../../src/ledger/index.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { entryOf, miner } from './entries.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const post = (entries: readonly Entry[]) =>
  database.db.transaction().execute(transaction => postEntries(transaction, entries))
const capital = (nth: number) =>
  entryOf(`capital:${nth}`, [
    [chartAccount('l1Float'), BigInt(nth)],
    [chartAccount('treasuryCapital'), BigInt(-nth)],
  ])
const someCapital = (count: number) => Array.from({ length: count }, (_, nth) => capital(nth + 1))

/** As someone would who rules the database: no trigger fires, no foreign key is checked. */
async function tamper(act: (db: Kysely<Database>) => Promise<unknown>) {
  await database.ownerDb.transaction().execute(async transaction => {
    await sql`set local session_replication_role = replica`.execute(transaction)
    await act(transaction)
  })
}
const audit = async () => (await auditChain(database.db)).findings

test('each entry is hashed onto the one before', async () => {
  const entries = someCapital(3)
  await post(entries)
  expect(await extendChain(database.db)).toBe(3)
  const rows = await database.db
    .selectFrom('journal_chain')
    .selectAll()
    .orderBy('position')
    .execute()
  let hash = CHAIN_START
  for (const [index, entry] of entries.entries()) {
    hash = chainHash(hash, entry)
    expect(rows[index]?.hash).toBe(hash)
  }
  expect(rows.map(row => row.position)).toEqual([1n, 2n, 3n])
  expect(await auditChain(database.db)).toEqual({
    head: { position: 3n, hash },
    after: 0n,
    findings: [],
  })
})

test('an empty ledger has no head and no findings', async () => {
  expect(await extendChain(database.db)).toBe(0)
  expect(await auditChain(database.db)).toEqual({ head: null, after: 0n, findings: [] })
})

test('several writers at once give each entry one place', async () => {
  for (let nth = 0; nth < 12; nth++)
    await post(
      someCapital(100).map(entry =>
        entryOf(
          `${nth}/${entry.key}`,
          entry.legs.map(leg => [leg.account, leg.amount] as const),
        ),
      ),
    )
  const counts = await Promise.all(Array.from({ length: 4 }, () => extendChain(database.db)))
  expect(counts.reduce((a, b) => a + b)).toBe(1200)
  const { head, findings } = await auditChain(database.db)
  expect(findings).toEqual([])
  expect(head?.position).toBe(1200n)
})

test('an entry that becomes visible late comes after those with a larger id', async () => {
  const posted = Promise.withResolvers<void>()
  const mayCommit = Promise.withResolvers<void>()
  const late = database.db.transaction().execute(async transaction => {
    const outcomes = await postEntries(transaction, [
      entryOf('late', [
        [chartAccount('feeL1'), 1n],
        [chartAccount('poolFee'), -1n],
      ]),
    ])
    expect(outcomes).toEqual([{ kind: 'posted' }])
    posted.resolve()
    await mayCommit.promise
  })
  await posted.promise
  await post([capital(1)])
  expect(await extendChain(database.db)).toBe(1)
  mayCommit.resolve()
  await late
  expect(await extendChain(database.db)).toBe(1)
  const order = await database.db
    .selectFrom('journal_chain')
    .select('journal_id')
    .orderBy('position')
    .execute()
  expect(order.map(row => row.journal_id)).toEqual([2n, 1n])
  expect(await audit()).toEqual([])
})

test('a changed amount is found, even where it still balances', async () => {
  await post(someCapital(3))
  await extendChain(database.db)
  await tamper(db =>
    sql`update legs set amount_msat = amount_msat * 2 where journal_id = 2`.execute(db),
  )
  const findings = await audit()
  expect(findings).toContainEqual({ kind: 'changed', position: 2n, key: 'capital:2' })
  expect(findings).toContainEqual({ kind: 'broken link', position: 2n, key: 'capital:2' })
  expect(findings.filter(each => each.kind === 'wrong balance')).toHaveLength(2)
})

test('a changed amount is found where its request hash and balances were made to fit', async () => {
  await post(someCapital(3))
  await extendChain(database.db)
  const forged = entryOf('capital:2', [
    [chartAccount('l1Float'), 4n],
    [chartAccount('treasuryCapital'), -4n],
  ])
  await tamper(async db => {
    await sql`update legs set amount_msat = amount_msat * 2 where journal_id = 2`.execute(db)
    await sql`update journal set request_hash = ${requestHash(forged)} where id = 2`.execute(db)
    await sql`update ledger_balances set amount_msat = amount_msat + 2 * sign(amount_msat)::bigint`.execute(
      db,
    )
  })
  expect(await audit()).toEqual([{ kind: 'broken link', position: 2n, key: 'capital:2' }])
})

test('a changed time, event or key is found', async () => {
  await post(someCapital(3))
  await extendChain(database.db)
  await tamper(async db => {
    await sql`update journal set posted_ms = 0 where id = 1`.execute(db)
    await sql`update journal set event = 'GIFT' where id = 2`.execute(db)
    await sql`update journal set key = 'Gift' where id = 3`.execute(db)
  })
  expect(await audit()).toEqual([
    { kind: 'broken link', position: 1n, key: 'capital:1' },
    { kind: 'changed', position: 2n, key: 'capital:2' },
    { kind: 'broken link', position: 2n, key: 'capital:2' },
    { kind: 'changed', position: 3n, key: 'Gift' },
    { kind: 'broken link', position: 3n, key: 'Gift' },
  ])
})

test('a missing entry is found, with its place and without', async () => {
  await post(someCapital(4))
  await extendChain(database.db)
  await tamper(async db => {
    await sql`delete from legs where journal_id in (2, 3)`.execute(db)
    await sql`delete from journal where id in (2, 3)`.execute(db)
    await sql`delete from journal_chain where journal_id = 2`.execute(db)
  })
  const findings = await audit()
  expect(findings).toContainEqual({ kind: 'missing position', position: 2n })
  expect(findings).toContainEqual({ kind: 'missing entry', position: 3n })
  expect(findings.filter(each => each.kind === 'wrong balance')).toHaveLength(2)
})

test('a chain cut off at its end shows by its head', async () => {
  await post(someCapital(3))
  await extendChain(database.db)
  const { head } = await auditChain(database.db)
  await tamper(async db => {
    await sql`delete from legs where journal_id = 3`.execute(db)
    await sql`delete from journal where id = 3`.execute(db)
    await sql`delete from journal_chain where journal_id = 3`.execute(db)
    await sql`update ledger_balances set amount_msat = amount_msat - 3 * sign(amount_msat)::bigint`.execute(
      db,
    )
  })
  const after = await auditChain(database.db)
  expect(after.findings).toEqual([])
  expect(head?.position).toBe(3n)
  expect(after.head?.position).toBe(2n)
})

test('entries that changed places are found', async () => {
  await post(someCapital(4))
  await extendChain(database.db)
  await tamper(async db => {
    await sql`update journal_chain set journal_id = -journal_id where position in (2, 3)`.execute(
      db,
    )
    await sql`update journal_chain set journal_id = 5 + journal_id where position in (2, 3)`.execute(
      db,
    )
  })
  expect(await audit()).toEqual([
    { kind: 'broken link', position: 2n, key: 'capital:3' },
    { kind: 'broken link', position: 3n, key: 'capital:2' },
  ])
})

test('an entry that was never chained and does not balance is found', async () => {
  await post([capital(1)])
  await tamper(db => sql`update legs set amount_msat = amount_msat + 1 where leg = 0`.execute(db))
  expect(await audit()).toContainEqual({ kind: 'unbalanced', key: 'capital:1', sumMsat: 1n })
})

test('an entry with more legs than are read at a time is hashed and summed whole', async () => {
  const miners = Array.from({ length: 45_000 }, (_, nth) => miner(BigInt(nth + 1), 'payable'))
  const legs = miners.map(account => [account, -1n] as const)
  const large = entryOf('large', [...legs, [chartAccount('ppsCost'), BigInt(miners.length)]])
  await post([capital(1), large, capital(2)])
  expect(await extendChain(database.db)).toBe(3)
  const { head, findings } = await auditChain(database.db)
  expect(findings).toEqual([])
  const before = chainHash(CHAIN_START, capital(1))
  expect(head?.hash).toBe(chainHash(chainHash(before, large), capital(2)))
  await tamper(db =>
    sql`update legs set amount_msat = -2 where journal_id = 2 and leg = 44000`.execute(db),
  )
  expect(await audit()).toContainEqual({ kind: 'unbalanced', key: 'large', sumMsat: -1n })
})

test('a balance of more legs than are summed at a time is their sum', async () => {
  await post([capital(1)])
  await tamper(async db => {
    await sql`
      insert into journal (id, key, request_hash, event, posted_ms) overriding system value
      select n, 'many:' || n, ${'0'.repeat(64)}, 'test', 0
        from generate_series(10, 100020) as n`.execute(db)
    await sql`
      insert into legs select n, leg, account, amount
        from generate_series(10, 100020) as n,
             (values (0, 1, 2), (1, 2, -2)) as leg (leg, account, amount)`.execute(db)
    await sql`update ledger_balances
                 set amount_msat = amount_msat + 200022 * sign(amount_msat)::bigint`.execute(db)
  })
  const wrong = async () => (await findWrongBalances(database.db)).length
  expect(await wrong()).toBe(0)
  await tamper(db =>
    sql`update legs set amount_msat = -3 where journal_id = 100020 and leg = 1`.execute(db),
  )
  expect(await wrong()).toBe(1)
})

test('an entry that was hidden from the chain is found', async () => {
  await post(someCapital(2))
  await tamper(db => sql`delete from journal_unchained where journal_id = 1`.execute(db))
  expect(await extendChain(database.db)).toBe(1)
  expect(await audit()).toEqual([{ kind: 'never chained', key: 'capital:1' }])
})

/** A look at the chain from an earlier one on. */
const look = (since: ChainHead | null, entriesMax = 100n) =>
  auditSince(database.db, since, { entriesMax })

test('a later look walks only what has come since', async () => {
  await post(someCapital(3))
  await extendChain(database.db)
  const first = await look(null)
  expect(first).toMatchObject({ after: 0n, findings: [] })
  await post([capital(4)])
  await extendChain(database.db)
  await tamper(db => sql`update journal set posted_ms = 0 where id = 2`.execute(db))
  expect(await look(first.head)).toMatchObject({ after: 3n, findings: [] })
  await tamper(db => sql`update journal set posted_ms = 0 where id = 4`.execute(db))
  expect(await look(first.head)).toMatchObject({
    findings: [{ kind: 'broken link', position: 4n, key: 'capital:4' }],
  })
})

test('a first look begins so many entries before the end', async () => {
  await post(someCapital(5))
  await extendChain(database.db)
  await tamper(db => sql`update journal set posted_ms = 0 where id = 2`.execute(db))
  expect(await look(null, 2n)).toMatchObject({ after: 3n, findings: [] })
  expect((await look(null, 4n)).findings).toHaveLength(1)
})

test('a place that was seen and has another hash, or is gone, is found', async () => {
  await post(someCapital(3))
  await extendChain(database.db)
  const { head } = await look(null)
  if (head === null) throw new Error('three entries are chained')
  await tamper(db => sql`delete from journal_chain where position = 3`.execute(db))
  const rewritten = { kind: 'rewritten', position: 3n, hash: head.hash }
  expect((await look(head)).findings).toEqual([rewritten])
  await extendChain(database.db)
  await post([capital(9)])
  await extendChain(database.db)
  expect((await look(head)).findings).toContainEqual(rewritten)
})

test('balances that do not come to nothing together are found by a look', async () => {
  await post([capital(1)])
  await extendChain(database.db)
  await tamper(db =>
    sql`update ledger_balances set amount_msat = amount_msat + 5 where amount_msat > 0`.execute(db),
  )
  expect((await look(null)).findings).toEqual([{ kind: 'unequal books', sumMsat: 5n }])
})
