import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

/** How a column's type in PostgreSQL reads in lib/db/schema.ts, written or generated. */
const TYPESCRIPT: Readonly<Record<string, RegExp>> = {
  int8: /^(bigint|Id|Generated<bigint>)$/,
  int4: /^(number|Generated<number>)$/,
  int2: /^number$/,
  numeric: /^bigint$/,
  text: /^(string|Generated<(string|Wallet|BatchPurpose|'.*)>|BatchState|AttemptState|Wallet|'.*)$/,
  bool: /^(boolean|Generated<boolean>)$/,
  _text: /^(OperatorRole|TokenScope)\[\]$/,
  bytea: /^Bytes$/,
  jsonb: /^ColumnType<unknown, /,
  _bytea: /^ColumnType<Buffer\[\], /,
  timestamptz: /^ColumnType<Date \| null, /,
  xid8: /^Generated<string>$/,
}

type Column = { table: string; column: string; type: string; nullable: boolean }

/** The columns that the file declares; a declaration may run over several lines. */
function declared(): Column[] {
  const body = ['mining', 'bmm', 'money', 'lightning', 'treasury']
    .map(name => join(import.meta.dirname, `../../src/lib/db/${name}-tables.ts`))
    .map(path => readFileSync(path, 'utf8'))
    .map(text => /export type \w+Tables = \{\n([\s\S]*?)\n\}\n/.exec(text)?.[1] ?? '')
    .join('\n')
  const tables = [...body.matchAll(/^ {2}(\w+): \{([\s\S]*?)\s\}$/gm)]
  return tables.flatMap(([, table = '', columns = '']) =>
    columns
      .split(/[\n;]/)
      .map(line => /^\s*(\w+): (.+?)\s*$/.exec(line))
      .filter(match => match !== null)
      .map(([, column = '', type = '']) => ({
        table,
        column,
        type: type.replace(/ \| null$/, ''),
        nullable: / \| null$/.test(type) || /^ColumnType<Date \| null/.test(type),
      })),
  )
}

async function migrated(): Promise<Column[]> {
  const { rows } = await sql<Column>`
    select c.relname as "table", a.attname as "column",
           case when t.typtype = 'd' then base.typname else t.typname end as "type",
           not a.attnotnull as "nullable"
      from pg_attribute a
      join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p') and not c.relispartition
      join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
      join pg_type t on t.oid = a.atttypid
      left join pg_type base on base.oid = t.typbasetype
     where a.attnum > 0 and not a.attisdropped and c.relname not like 'kysely_%'`.execute(
    database.ownerDb,
  )
  return rows
}

const names = (columns: Column[]) => columns.map(each => `${each.table}.${each.column}`).sort()

test('lib/db/schema.ts declares exactly the columns that the migrations make', async () => {
  expect(names(declared())).toEqual(names(await migrated()))
})

test('every column has the type and the nullability in TypeScript that it has in the database', async () => {
  const inCode = new Map(declared().map(each => [`${each.table}.${each.column}`, each]))
  const wrong = (await migrated()).filter(column => {
    const code = inCode.get(`${column.table}.${column.column}`)
    const known = TYPESCRIPT[column.type]
    return !known?.test(code?.type ?? '') || code?.nullable !== column.nullable
  })
  expect(wrong).toEqual([])
})

test('the pool itself may change or delete no row that proves the past', async () => {
  const proofs = [
    'work_statements',
    'block_fates',
    'bmm_blocks',
    'bmm_bids',
    'journal',
    'legs',
    'journal_chain',
  ]
  proofs.push(
    'reward_statements',
    'approvals',
    'operator_acts',
    'freeze_acts',
    'audit_events',
    'payout_settings',
    'thunder_coins',
  )
  for (const table of proofs) {
    for (const statement of [`delete from ${table}`, `truncate ${table}`]) {
      const refusal = /permission denied/
      await expect(sql.raw(statement).execute(database.db), statement).rejects.toThrow(refusal)
    }
    const byOwner = sql.raw(`truncate ${table} cascade`).execute(database.ownerDb)
    await expect(byOwner, `truncate ${table} as owner`).rejects.toThrow(/written once/)
  }
})

test('a row of money names what is there, and that never goes', async () => {
  const { db, ownerDb } = database
  const nowhere = 987_654_321n
  const naming = [
    `with entry as (insert into journal (key, request_hash, event, posted_ms)
       values ('schema:nowhere', repeat('a', 64), 'test', 1) returning id)
     insert into legs select id, n, ${nowhere} + n, 2 * n - 1
       from entry, generate_series(0, 1) as n`,
    `insert into ledger_balances values (${nowhere}, 'asset', 0)`,
    `insert into payouts (account_id, batch_id, amount_sats, state, planned_ms, planned_height)
     values (${nowhere}, ${nowhere}, 1, 'planned', 1, 1)`,
  ]
  for (const statement of naming)
    await expect(sql.raw(statement).execute(db), statement).rejects.toMatchObject({ code: '23503' })
  await sql`insert into ledger_accounts (name, kind) values ('asset:schema', 'asset')`.execute(db)
  await sql`insert into ledger_balances
    select id, kind, 0 from ledger_accounts where name = 'asset:schema'`.execute(db)
  await sql`insert into payees (kind, destination, created_ms)
    values ('bitcoin', 'schema', 1)`.execute(db)
  await sql`insert into accounts (payee_id, scheme, created_ms)
    select id, 'schema', 1 from payees where destination = 'schema'`.execute(db)
  await sql`insert into batches (rail, state, manifest, manifest_hash, anchor_txid, anchor_vout,
                                 total_sats, fee_max_sats, created_ms, expires_ms)
    values ('l1', 'planned', '', repeat('b', 64), repeat('b', 64), 0, 1, 0, 0, 1)`.execute(db)
  const removing = [
    ...['ledger_accounts', 'accounts', 'batches'].map(table => `delete from ${table}`),
    ...['ledger_accounts', 'accounts', 'batches'].map(table => `truncate ${table} cascade`),
    'update ledger_accounts set id = default',
    'update accounts set id = default',
    `update ledger_balances set account_id = ${nowhere}`,
  ]
  for (const statement of removing) {
    const refused = { code: '23001' }
    await expect(sql.raw(statement).execute(ownerDb), statement).rejects.toMatchObject(refused)
  }
})
