import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildApi } from '../../src/api/index.ts'
import type { OwnWish } from '../../src/api/rooms.ts'
import { type CoinManifest, encodeManifest, manifestHash } from '../../src/approval/index.ts'
import { addWithdrawal } from '../../src/bridges/withdrawal-store.ts'
import { batchId, txid, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { partsOn } from '../api/parts.ts'
import { thunderAddressOf } from '../payouts/thunder-order.ts'
import { addressOf } from '../signer/world.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addPerson, addToken, keyOf } from '../treasury/people.ts'
import { runCommand } from './child.ts'

const AT = unixMs(1_800_000_000_000)
const TOKEN = 'a-token-that-may-ask'
const AWAY = 'THE MONEY IS AWAY FOR MONTHS'
const MANIFEST: CoinManifest = {
  ...{ version: 2, purpose: 'withdrawal', wallet: 'hot', batch: batchId(1n) },
  ...{ network: 'regtest', rail: 'thunder', change: thunderAddressOf(1), feeMax: sats(800n) },
  payees: [{ destination: addressOf(5), amount: sats(300_000n), payouts: [] }],
  anchor: { txid: txid('ab'.repeat(32)), vout: 0 },
  ...{ createdAt: AT, expiresAt: unixMs(AT + 3_600_000), policyVersion: 1 },
  ...{ createdBy: 'operator:dan', excluded: ['dan'] },
}

let dir: string
let database: TestDatabase
let app: FastifyInstance
let at: readonly string[]
const wishes: OwnWish[] = []

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sidepool-withdraw-'))
  const tokenFile = join(dir, 'token')
  await writeFile(tokenFile, TOKEN, { mode: 0o600 })
  database = await testDatabase()
  const { db } = database
  const dan = await addPerson(db, 'dan', ['operator', 'viewer'], [keyOf(4)])
  const opens = { key: keyOf(4), token: TOKEN, scopes: ['create', 'read'] } as const
  await addToken(db, { operator: dan, ...opens })
  const bytes = encodeManifest(MANIFEST)
  const { anchor, payees, feeMax } = MANIFEST
  await sql`
    insert into batches (id, rail, state, manifest, manifest_hash, anchor_txid, anchor_vout,
                         total_sats, fee_max_sats, main_fee_sats, created_ms, expires_ms, purpose)
    overriding system value
    values (1, 'thunder', 'planned', ${bytes}, ${manifestHash(bytes)}, ${anchor.txid}, 0,
            ${payees[0]?.amount}, ${feeMax}, 300, ${AT}, ${MANIFEST.expiresAt},
            'withdrawal')`.execute(db)
  app = await buildApi(
    partsOn(db, {
      planOwn: async wish => {
        wishes.push(wish)
        return { kind: 'planned', batch: batchId(9n) }
      },
    }),
  )
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  at = ['--api', url, '--token-file', tokenFile]
})
afterAll(async () => {
  await app.close()
  await database.drop()
  await rm(dir, { recursive: true, force: true })
})

test('whoever asks for a withdrawal is told that it takes months, and asked', async () => {
  const done = await runCommand(['treasury', 'withdraw', '300000', ...at])
  expect(done).toMatchObject({ code: 2, stdout: expect.stringContaining(AWAY) })
  expect(wishes).toEqual([])
})

test('who is sure has it planned, and is told all the same', async () => {
  const sure = await runCommand(['treasury', 'withdraw', '300000', ...at, '--yes'])
  expect(sure.stdout).toContain(AWAY)
  expect(sure.stdout).toMatch(/batch 9 is planned; others than you approve it\n$/)
  expect(wishes).toEqual([{ kind: 'withdrawal', amount: 300_000n }])
})

test('so is whoever looks at one to approve it', async () => {
  const shown = await runCommand(['treasury', 'show', '1', ...at])
  expect(shown.stdout).toContain('withdrawal by thunder from the hot wallet: planned')
  expect(shown.stdout).toContain(AWAY)
})

test('where it is, and what comes next, is shown with the floats', async () => {
  await addWithdrawal(
    database.db,
    {
      ...{ batch: batchId(1n), amount: sats(300_000n), mainFee: sats(300n) },
      ...{ mainAddress: addressOf(5), state: 'voting', m6id: 'cd'.repeat(32), bundles: 1 },
      ...{ votes: { count: 4711, above: 13150 }, coin: null, turn: 0 },
    },
    AT,
  )
  const reply = await runCommand(['treasury', 'floats', ...at])
  expect(reply.stdout).toContain('from thunder: 300000 sat of batch 1, voting since 2027-01-15')
  expect(reply.stdout).toContain('4711 blocks have, more than 13150 must')
})
