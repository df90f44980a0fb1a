import type { Transaction } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/lib/db/schema.ts'
import { digest, unixMs } from '../../src/lib/ids.ts'
import { tokenDigest } from '../../src/treasury/first-admin-store.ts'
import {
  type SignedLogin,
  signLogin,
  TOKEN_MS_MAX,
  TOKENS_MAX,
  type TokenScope,
} from '../../src/treasury/token.ts'
import { bearerOf, giveToken, listTokens, revokeToken } from '../../src/treasury/token-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addPerson, keyOf, secretOf } from './people.ts'

const NETWORK = 'regtest'
const NOW = unixMs(1_000_000_000_000)
const DAY_MS = 24 * 3_600_000

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await addPerson(database.db, 'ada', ['admin'], [keyOf(1)])
  await addPerson(database.db, 'bob', ['operator'], [keyOf(2), keyOf(3)])
})
afterEach(() => database.drop())

function inTransaction<T>(act: (tx: Transaction<Database>) => Promise<T>): Promise<T> {
  return database.db.transaction().execute(act)
}
const login = (who: number, token: string, words: object = {}): SignedLogin =>
  signLogin(secretOf(who), {
    ...{ network: NETWORK, digest: digest(tokenDigest(token)), scopes: ['read'], at: NOW },
    expiresAt: unixMs(NOW + DAY_MS),
    ...words,
  })
const give = (signed: SignedLogin, now = NOW) =>
  inTransaction(tx => giveToken(tx, NETWORK, signed, now))
const refused = (reason: string) => ({ kind: 'refused', reason })

test('a signed request gives a token, good until it expires, and kept only as its digest', async () => {
  const verdict = await give(login(2, 'token of bob', { scopes: ['create', 'read'] }))
  expect(verdict).toMatchObject({ kind: 'accepted', alias: 'bob' })
  const bearer = await bearerOf(database.db, 'token of bob', NOW)
  expect(bearer).toMatchObject({ alias: 'bob', scopes: ['create', 'read'] })
  expect(await bearerOf(database.db, 'token of bo', NOW)).toBeNull()
  expect(await bearerOf(database.db, tokenDigest('token of bob'), NOW)).toBeNull()
  expect(await bearerOf(database.db, 'token of bob', unixMs(NOW + DAY_MS))).toBeNull()
  expect(await give(login(2, 'token of bob')), 'the same request again').toEqual(
    refused('repeated'),
  )
})

const cases: readonly (readonly [string, SignedLogin, string])[] = [
  ['another network', login(2, 'x', { network: 'mainnet' }), 'other network'],
  ['a stranger', login(9, 'x'), 'unknown operator'],
  ['an old request', login(2, 'x', { at: NOW - 3_600_000 }), 'too old'],
  ['a scope that no role opens', login(2, 'x', { scopes: ['operators'] }), 'not allowed'],
  ['no scope', login(2, 'x', { scopes: [] }), 'not allowed'],
  ['one scope twice', login(2, 'x', { scopes: ['read', 'read'] }), 'not allowed'],
  ['a past expiry', login(2, 'x', { expiresAt: NOW }), 'bad expiry'],
  ['too long', login(2, 'x', { expiresAt: NOW + TOKEN_MS_MAX + 1 }), 'bad expiry'],
  [
    'more scopes than were signed',
    { ...login(2, 'x'), login: login(2, 'x', { scopes: ['create', 'read'] }).login },
    'bad signature',
  ],
]
test.each(cases)('no token is given for %s', async (_name, signed, reason) => {
  expect(await give(signed)).toEqual(refused(reason))
  expect(await listTokens(database.db, null, { before: null, limit: 10 })).toEqual([])
})

test('one person has a limited number of tokens, and none outlives its key', async () => {
  for (let n = 0; n < TOKENS_MAX; n++)
    expect(await give(login(2, `token ${n}`))).toMatchObject({ kind: 'accepted' })
  expect(await give(login(3, 'one more'))).toEqual(refused('too many'))
  await database.db
    .updateTable('operator_keys')
    .set({ not_after_ms: BigInt(NOW + 5) })
    .where('key', '=', keyOf(1))
    .execute()
  await give(login(1, 'of ada'))
  expect(await bearerOf(database.db, 'of ada', unixMs(NOW + 4))).not.toBeNull()
  expect(await bearerOf(database.db, 'of ada', unixMs(NOW + 5))).toBeNull()
})

test('a token falls with its key, with its person, and loses what a role no longer opens', async () => {
  const scopes: TokenScope[] = ['create', 'read']
  await give(login(2, 'by key 2', { scopes }))
  await give(login(3, 'by key 3', { scopes }))
  const { db } = database
  await db
    .updateTable('operators')
    .set({ roles: ['viewer'] })
    .where('alias', '=', 'bob')
    .execute()
  expect(await bearerOf(db, 'by key 2', NOW)).toMatchObject({ scopes: ['read'] })
  await db
    .updateTable('operator_keys')
    .set({ revoked_ms: 1n })
    .where('key', '=', keyOf(2))
    .execute()
  expect(await bearerOf(db, 'by key 2', NOW)).toBeNull()
  expect(await bearerOf(db, 'by key 3', NOW)).not.toBeNull()
  await db.updateTable('operators').set({ removed_ms: 1n }).where('alias', '=', 'bob').execute()
  expect(await bearerOf(db, 'by key 3', NOW)).toBeNull()
})

test('everybody ends own tokens, an admin anybody’s', async () => {
  const made = [
    await give(login(2, 'b')),
    await give(login(1, 'a', { scopes: ['operators', 'read'] })),
  ]
  const [bobs = 0n, adas = 0n] = made.map(each => (each.kind === 'accepted' ? each.token : 0n))
  const [bob, ada] = [await bearerOf(database.db, 'b', NOW), await bearerOf(database.db, 'a', NOW)]
  if (!bob || !ada) throw new Error('both are logged in')
  expect(await inTransaction(tx => revokeToken(tx, adas, bob, NOW))).toBe(false)
  expect(await bearerOf(database.db, 'a', NOW)).not.toBeNull()
  expect(await inTransaction(tx => revokeToken(tx, bobs, ada, NOW))).toBe(true)
  expect(await bearerOf(database.db, 'b', NOW)).toBeNull()
  expect(await inTransaction(tx => revokeToken(tx, adas, ada, NOW))).toBe(true)
  const list = await listTokens(database.db, null, { before: null, limit: 10 })
  expect(list.map(({ alias, revokedAt }) => [alias, revokedAt])).toEqual([
    ['ada', NOW],
    ['bob', NOW],
  ])
  expect((await listTokens(database.db, 'bob', { before: null, limit: 10 })).length).toBe(1)
})
