import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrate } from '../../../src/lib/db/migrate.ts'
import { type TestDatabase, testDatabase } from '../../support/database.ts'

let database: TestDatabase
let folder: string

beforeAll(async () => {
  database = await testDatabase()
  folder = await mkdtemp(join(tmpdir(), 'sidepool-migrations-'))
})

afterAll(async () => {
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

test('a migrated database has nothing more to migrate', async () => {
  expect(await migrate(database.ownerUrl)).toEqual([])
})

test('the role of the processes owns nothing and may create nothing', async () => {
  const owned = await sql<{ n: bigint }>`
    select count(*) as n from pg_class where relowner = 'sidepool'::regrole`.execute(database.db)
  expect(owned.rows).toEqual([{ n: 0n }])
  await expect(sql`create table public.mine (id int)`.execute(database.db)).rejects.toThrow(
    'permission denied',
  )
  await expect(sql`create role mine`.execute(database.db)).rejects.toThrow('permission denied')
})

test('each file runs once, in order, and two callers at once do not run one twice', async () => {
  const fresh = await freshDatabase()
  await writeFile(join(folder, '0002_second.sql'), 'insert into ran values (2);')
  await writeFile(
    join(folder, '0001_first.sql'),
    'create table ran (n int); insert into ran values (1);',
  )
  await writeFile(join(folder, 'schema.sql'), 'not a migration')
  const both = await Promise.all([migrate(fresh, folder), migrate(fresh, folder)])
  expect(both.flat().sort()).toEqual(['0001_first', '0002_second'])
  const ran = await sql<{ n: number }>`select n from ran`.execute(database.ownerDb)
  expect(ran.rows).toEqual([{ n: 1 }, { n: 2 }])
})

test('a file that fails leaves nothing behind and is named, and the ones before it stay', async () => {
  const fresh = await freshDatabase()
  await writeFile(join(folder, '0003_broken.sql'), 'create table half (n int); select 1 / 0;')
  await expect(migrate(fresh, folder)).rejects.toThrow('0003_broken')
  const tables = await sql<{ name: string }>`
    select tablename as name from pg_tables where tablename in ('ran', 'half')`.execute(
    database.ownerDb,
  )
  expect(tables.rows).toEqual([{ name: 'ran' }])
})

/** The test's database without anything in it. */
async function freshDatabase(): Promise<string> {
  await sql`drop schema public cascade`.execute(database.ownerDb)
  await sql`create schema public`.execute(database.ownerDb)
  return database.ownerUrl
}
