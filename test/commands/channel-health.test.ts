import { afterAll, beforeAll, expect, test } from 'vitest'
import { channelHealth } from '../../src/commands/channel-wiring.ts'
import { chartAccount, minerAccount, postEntries } from '../../src/ledger/index.ts'
import { accountId, journalKey, unixMs } from '../../src/lib/ids.ts'
import { millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const START = 1_800_000_000_000
const MINUTE_MS = 60_000
const PEER = `02${'ab'.repeat(32)}`

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

/** A miner who is paid over Lightning where nobody said anything else. */
async function owe(amount: bigint): Promise<void> {
  const { ownerDb: db } = database
  const created_ms = BigInt(START)
  const payee = await db
    .insertInto('payees')
    .values({ kind: 'lightning', destination: 'anna@example.org', created_ms })
    .returning('id')
    .executeTakeFirstOrThrow()
  const { id } = await db
    .insertInto('accounts')
    .values({ payee_id: payee.id, scheme: 'pps', created_ms })
    .returning('id')
    .executeTakeFirstOrThrow()
  const owed = msatsFromSats(sats(amount))
  const legs = [
    { account: chartAccount('ppsCost'), amount: owed },
    { account: minerAccount(accountId(id), 'payable'), amount: millisats(-owed) },
  ]
  const entry = { key: journalKey('credit:1'), event: 'credit', legs, at: unixMs(START) }
  await db.transaction().execute(tx => postEntries(tx, [entry]))
}

test('the health of the channels is asked of the ledger once a minute, whoever looks', async () => {
  let now = START
  const clock = { now: () => unixMs(now) }
  const lightning = {
    ...{ address: 'unused', peers: [PEER], refill: null },
    channel: { atLeastSats: sats(20_000n), atMostSats: sats(20_000n) },
  }
  const { channels } = channelHealth({ config: { bridges: { lightning } }, db: database.db, clock })
  const holdsNothing = { ok: true, detail: 'the float holds 0 sat' }
  expect(await channels?.()).toEqual(holdsNothing)
  await owe(5000n)
  now += MINUTE_MS - 1
  expect(await channels?.()).toEqual(holdsNothing)
  now += 1
  const short = { ok: false, detail: 'it holds 0 sat, and 5000 are owed there' }
  expect(await channels?.()).toEqual(short)
})

test('where no bridge fills channels they are no part of the pool', () => {
  const clock = { now: () => unixMs(START) }
  expect(channelHealth({ config: { bridges: {} }, db: database.db, clock })).toEqual({})
})
