import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../../src/lib/db/database.ts'
import { pollUntil } from '../../../src/lib/poll.ts'
import { type TestDatabase, testDatabase } from '../../support/database.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})

afterAll(() => database.drop())

const read = async (expression: string) => {
  const { rows } = await sql
    .raw<{ value: unknown }>(`select ${expression} as value`)
    .execute(database.db)
  return rows[0]?.value
}

const WHOLE = [
  ['9007199254740993::int8', 9_007_199_254_740_993n],
  ['-1::int8', -1n],
  ['(2::numeric ^ 128)::numeric(39,0)', 2n ** 128n],
  ['sum(n) from (values (1::int8), (2)) as t(n)', 3n],
  ["'{1,NULL,9007199254740993}'::int8[]", [1n, null, 9_007_199_254_740_993n]],
  ["'{}'::numeric(39,0)[]", []],
  ["'{340282366920938463463374607431768211456}'::numeric(39,0)[]", [2n ** 128n]],
  ['null::int8', null],
] as const

for (const [expression, value] of WHOLE)
  test(`${expression} is read exactly`, async () => {
    // The last column's alias belongs after the expression, wherever its `from` begins.
    const [column, from] = expression.split(' from ')
    const { rows } = await sql
      .raw<{ value: unknown }>(`select ${column} as value ${from ? `from ${from}` : ''}`)
      .execute(database.db)
    expect(rows[0]?.value).toEqual(value)
  })

for (const expression of ['0.5::numeric', "'NaN'::numeric", "'{1.5}'::numeric[]"])
  test(`${expression} is refused, not rounded`, () => expect(read(expression)).rejects.toThrow())

test('a value of 2^128 survives the way in and out', async () => {
  const most = 2n ** 128n
  const { rows } = await sql<{ value: bigint }>`select ${most}::numeric(39,0) as value`.execute(
    database.db,
  )
  expect(rows[0]?.value).toBe(most)
})

test('a connection that the server ends while idle does not end the process', async () => {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(database.db)
  await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(database.ownerDb)
  // A query that meets the dying connection may fail; the ones after it must not.
  const answer = await pollUntil(() => read('1').catch(() => null), {
    everyMs: 10,
    timeoutMs: 45_000,
  })
  expect(answer).toBe(1)
})

test('a commit is on disk before it is answered, also where the server would not wait', async () => {
  await sql.raw('alter role sidepool set synchronous_commit = off').execute(database.ownerDb)
  const db = openDatabase(database.appUrl, { max: 1 })
  try {
    const { rows } = await sql<{ synchronous_commit: string }>`show synchronous_commit`.execute(db)
    expect(rows).toEqual([{ synchronous_commit: 'on' }])
  } finally {
    await db.destroy()
    await sql.raw('alter role sidepool reset synchronous_commit').execute(database.ownerDb)
  }
})
