import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromHex } from '../../src/lib/bytes.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { createPayees } from '../../src/payouts/index.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const ANNA = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'
const BERT = '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa'
const CARL = '3P14159f73E4gFr7JterCCQh9QjiTjiZrG'
/** Of BERT's address. */
const POOL_SCRIPT = fromHex('76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac')
const clock = { now: () => unixMs(1_700_000_000_000) }

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})

afterAll(() => database.drop())

const offers = [
  ...['pplns', 'solo', 'burn', 'burn-next'].map(scheme => ({
    scheme,
    ports: [1],
    rails: ['l1'],
    finderFee: null,
  })),
  { scheme: 'side', ports: [3336, 3337], rails: ['thunder'], finderFee: null },
  {
    ...{ scheme: 'own', ports: [3340], rails: ['l1'] },
    finderFee: { feeBasisPoints: 150, poolScript: POOL_SCRIPT },
  },
  { scheme: 'both', ports: [3338], rails: ['thunder', 'l1'], finderFee: null },
]
const payees = () => createPayees({ db: database.db, clock, network: 'mainnet', offers })

async function accountOf(username: string, scheme: string): Promise<bigint> {
  const answer = await payees().authorize(username, scheme)
  if (answer.kind === 'refused') throw new Error(answer.reason)
  return answer.accountId
}

const rowsOf = (destination: string) =>
  database.db
    .selectFrom('payees')
    .innerJoin('accounts', 'accounts.payee_id', 'payees.id')
    .select(['payees.id as payee', 'kind', 'destination', 'accounts.id as account', 'scheme'])
    .select(['payees.created_ms as payeeMs', 'accounts.created_ms as accountMs'])
    .where('destination', '=', destination)
    .orderBy('accounts.id')
    .execute()

test('a payee is one account a scheme, in every spelling and with every worker', async () => {
  const answer = await payees().authorize(`${ANNA}.rig1`, 'pplns')
  const [row, ...others] = await rowsOf(ANNA)
  expect(others).toEqual([])
  const createdMs = 1_700_000_000_000n
  expect(row).toMatchObject({ kind: 'bitcoin', payeeMs: createdMs, accountMs: createdMs })
  expect(answer).toEqual({
    kind: 'authorized',
    accountId: row?.account,
    worker: 'rig1',
    finder: null,
  })
  for (const username of [ANNA, `${ANNA}/rig2`, `${ANNA.toUpperCase()}.rig1`])
    expect(await accountOf(username, 'pplns')).toBe(row?.account)
  expect(await rowsOf(ANNA.toUpperCase())).toEqual([])

  const solo = await accountOf(ANNA, 'solo')
  const rows = await rowsOf(ANNA)
  expect(rows.map(({ account }) => account)).toEqual([row?.account, solo])
  expect(new Set(rows.map(({ payee }) => payee)).size).toBe(1)
})

test('twenty at once for one new payee get one account', async () => {
  const two = [payees(), payees()]
  const asked = Array.from({ length: 20 }, (_, i) =>
    two[i % 2]?.authorize(`${BERT}.rig${i}`, 'pplns'),
  )
  const answers = await Promise.all(asked)
  const rows = await rowsOf(BERT)
  expect(rows).toHaveLength(1)
  expect(answers).toEqual(
    answers.map((_, i) => ({
      kind: 'authorized',
      accountId: rows[0]?.account,
      worker: `rig${i}`,
      finder: null,
    })),
  )
})

test('ten at once under each of two schemes get two accounts of one payee', async () => {
  const schemes = Array.from({ length: 20 }, (_, i) => (i % 2 ? 'solo' : 'pplns'))
  const accounts = await Promise.all(schemes.map(scheme => accountOf(CARL, scheme)))
  const rows = await rowsOf(CARL)
  expect(rows).toHaveLength(2)
  expect(new Set(rows.map(({ payee }) => payee)).size).toBe(1)
  for (const [i, account] of accounts.entries())
    expect(rows.find(row => row.account === account)?.scheme).toBe(schemes[i])
})

test('who is known already takes no id from the sequences', async () => {
  const before = await accountOf(ANNA, 'burn')
  for (let i = 0; i < 10; i++) expect(await accountOf(`${ANNA}.${i}`, 'burn')).toBe(before)
  expect(await accountOf(ANNA, 'burn-next')).toBe(before + 1n)
})

test('a payee whose account was never made gets one', async () => {
  const destination = 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0'
  const payee = await database.db
    .insertInto('payees')
    .values({ kind: 'bitcoin', destination, created_ms: 0n })
    .returning('id')
    .executeTakeFirstOrThrow()
  const account = await accountOf(destination, 'pplns')
  expect(await rowsOf(destination)).toMatchObject([{ payee: payee.id, account, payeeMs: 0n }])
})

test('whoever is refused leaves no row', async () => {
  const count = () => database.db.selectFrom('payees').select('id').execute()
  const before = await count()
  for (const username of ['anna', `${ANNA}.a b`, 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'])
    expect(await payees().authorize(username, 'pplns')).toMatchObject({ kind: 'refused' })
  expect(await count()).toEqual(before)
})

describe('where coinbases pay their finder', () => {
  test('the answer has whom and at which fee, and one address is one account', async () => {
    const answer = await payees().authorize(`${ANNA.toUpperCase()}.rig`, 'own')
    const script = fromHex('0014751e76e8199196d454941c45d1b3a323f1433bd6')
    expect(answer).toMatchObject({ kind: 'authorized', finder: { script, feeBasisPoints: 150 } })
    expect(await accountOf(ANNA, 'own')).toBe(await accountOf(`${ANNA}.2`, 'own'))
    expect(await payees().authorize(ANNA, 'solo')).toMatchObject({ finder: null })
  })

  const refusals: readonly (readonly [string, RegExp])[] = [
    [
      's9_8twUkpctzwgbjqi5o14qWjrD9uk_ca9565',
      /own pays in the coinbase of the block itself, which pays Bitcoin addresses only: connect to/,
    ],
    [
      'anna@example.com',
      /is a Lightning address, and own pays in the coinbase of the block itself, which pays Bitcoin/,
    ],
    ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', /another network/],
    [`bc1p${'q'.repeat(58)}`, /no address that this pool knows/],
    [BERT, /the pool's own address/],
  ]
  for (const [username, reason] of refusals)
    test(`${username} is refused, and told why`, async () => {
      const answer = await payees().authorize(`${username}/rig`, 'own')
      expect(answer).toMatchObject({ kind: 'refused', reason: expect.stringMatching(reason) })
    })
})

describe('a Thunder payee', () => {
  const bare = '8twUkpctzwgbjqi5o14qWjrD9uk'
  const deposit = `s9_${bare}_ca9565`

  test('is one account in both forms, stored bare', async () => {
    const account = await accountOf(`${deposit}.rig1`, 'side')
    expect(await accountOf(`${bare}/rig2`, 'side')).toBe(account)
    expect(await rowsOf(bare)).toMatchObject([{ kind: 'thunder', account, scheme: 'side' }])
    expect(await rowsOf(deposit)).toEqual([])
    expect(await accountOf(deposit, 'both')).not.toBe(account)
  })

  test('is refused where nothing can pay it, with the ports that do, and leaves no row', async () => {
    const other = 'JPbJrEKEaA69dAADY2qfW7dfyYQ'
    expect(await payees().authorize(`s9_${other}_3ca6f9.rig`, 'pplns')).toEqual({
      kind: 'refused',
      reason: `'${other}' is a Thunder address, and pplns pays by l1: connect to port 3336 (side) or 3338 (both)`,
    })
    expect(await rowsOf(other)).toEqual([])
  })

  test('does not keep a Bitcoin payee from being refused on its port likewise', async () => {
    expect(await payees().authorize('1BoatSLRHtKNngkdXEeobR76b53LETtpyT', 'side')).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(
        /is a Bitcoin address, and side pays by thunder: connect to port/,
      ),
    })
    expect(await accountOf(ANNA, 'both')).toBeTypeOf('bigint')
  })
})
