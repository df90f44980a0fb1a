import { sql } from 'kysely'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { epochId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { closeEpochIfDue, openFirstEpoch, readOpenEpoch } from '../../src/pool/epoch-store.ts'
import { ensurePartition } from '../../src/pool/retention-store.ts'
import { recountEpoch, writeNextStatement } from '../../src/pool/statement-store.ts'
import {
  checkWorkLink,
  decodeWork,
  type HashedStatement,
  hashStatement,
  type WorkStatement,
} from '../../src/statement/index.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addBlock, addMiner, commitShares, type Miner } from './mining-rows.ts'

const HEIGHT = 101
const terms = { blockTarget: 2n ** 200n, subsidy: sats(5_000_000_000n) }
const context = { network: 'regtest', rewardPoolOf: (scheme: string) => scheme }
const SOON = unixMs(1)
const LATE = unixMs(10_000)
const due = { now: LATE, lengthMs: 1000, terms }

let database: TestDatabase
let miner: Miner
const opened: TestDatabase[] = []

beforeEach(async () => {
  database = await testDatabase()
  opened.push(database)
  miner = await addMiner(database.db, 1)
  await ensurePartition(database.db, HEIGHT)
})

afterAll(async () => {
  for (const each of opened) await each.drop()
})

const share = (name: string, difficultyLog2 = 4) => ({ height: HEIGHT, difficultyLog2, name })

async function statements(): Promise<HashedStatement<WorkStatement>[]> {
  const rows = await database.db
    .selectFrom('work_statements')
    .selectAll()
    .orderBy('epoch_id')
    .execute()
  return rows.map(row => {
    const read = decodeWork(row.bytes)
    if (read.kind !== 'statement') throw new Error(read.reason)
    expect(hashStatement(row.bytes)).toBe(row.hash)
    return { statement: read.statement, hash: hashStatement(row.bytes) }
  })
}

async function writeAllStatements(): Promise<void> {
  while ((await writeNextStatement(database.db, context, LATE)) !== null);
}

/** Connections that wait for another one's lock. */
async function waiting(): Promise<number> {
  const { rows } = await sql<{ count: bigint }>`
    select count(*) from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`.execute(database.ownerDb)
  return Number(rows[0]?.count ?? 0)
}

const untilWaiting = () =>
  pollUntil(async () => ((await waiting()) > 0 ? true : null), { everyMs: 5, timeoutMs: 45_000 })

test('the first epoch is opened once, also by two processes at once', async () => {
  expect(await closeEpochIfDue(database.db, due)).toEqual({ kind: 'none' })
  await Promise.all([1, 2, 3].map(() => openFirstEpoch(database.db, terms, SOON)))
  const other = { ...terms, blockTarget: 1n }
  await openFirstEpoch(database.db, other, LATE)
  expect(await readOpenEpoch(database.db)).toEqual({ ...terms, id: 1n, openedAt: SOON })
  expect(await database.db.selectFrom('epochs').select('id').execute()).toHaveLength(1)
})

test('an epoch closes once, and the next one opens with the new terms', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  const early = { ...due, now: unixMs(500) }
  expect(await closeEpochIfDue(database.db, early)).toEqual({ kind: 'stays open' })
  const halved = { blockTarget: 2n ** 199n, subsidy: sats(2_500_000_000n) }
  const outcomes = await Promise.all(
    [1, 2, 3, 4].map(() => closeEpochIfDue(database.db, { ...due, terms: halved })),
  )
  const closed = outcomes.filter(outcome => outcome.kind === 'closed')
  expect(closed).toEqual([{ kind: 'closed', epoch: 1n, reason: 'target' }])
  expect(await readOpenEpoch(database.db)).toEqual({ ...halved, id: 2n, openedAt: LATE })
})

test('while the node does not say its terms, the next epoch keeps the old ones', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  const outcome = await closeEpochIfDue(database.db, { ...due, terms: null })
  expect(outcome).toEqual({ kind: 'closed', epoch: 1n, reason: 'time' })
  expect(await readOpenEpoch(database.db)).toMatchObject(terms)
})

test('closing waits for a share whose commit holds the epoch, and counts it', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  let release = () => {}
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  const commit = database.db.transaction().execute(async transaction => {
    const epoch = await commitShares(transaction, miner, [share('held')])
    await held
    return epoch
  })
  await pollUntil(
    async () => {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and state = 'idle in transaction'`.execute(
        database.ownerDb,
      )
      return rows.length > 0 ? true : null
    },
    { everyMs: 5, timeoutMs: 45_000 },
  )
  const closing = closeEpochIfDue(database.db, due)
  expect(await untilWaiting()).toBe(true)
  expect(await writeNextStatement(database.db, context, LATE)).toBeNull()
  release()
  expect(await commit).toBe(1n)
  expect(await closing).toMatchObject({ kind: 'closed' })
  await writeAllStatements()
  expect((await statements())[0]?.statement.lines[0]?.shares).toBe(1n)
})

test('a share that waits for a closing epoch finds none open and goes into the next', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  const taken: Promise<bigint | null>[] = []
  await database.ownerDb.transaction().execute(async closer => {
    await sql`select from epochs where closed_ms is null for update`.execute(closer)
    taken.push(commitShares(database.db, miner, [share('late')]))
    expect(await untilWaiting()).toBe(true)
    await sql`update epochs set closed_ms = 5, close_reason = 'time' where id = 1`.execute(closer)
    await sql`insert into epochs (id, opened_ms, block_target, subsidy_sats)
      select 2, 5, block_target, subsidy_sats from epochs where id = 1`.execute(closer)
  })
  expect(await Promise.all(taken)).toEqual([null])
  expect(await commitShares(database.db, miner, [share('late')])).toBe(2n)
})

test('a block that joins while the closer waits becomes the reason', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  let release = () => {}
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  let isHeld = () => {}
  const holding = new Promise<void>(resolve => {
    isHeld = resolve
  })
  const hash = 'ab'.repeat(32)
  const commit = database.db.transaction().execute(async transaction => {
    await addBlock(transaction, miner, { hash, height: HEIGHT })
    isHeld()
    await held
  })
  await holding
  const closing = closeEpochIfDue(database.db, due)
  expect(await untilWaiting()).toBe(true)
  release()
  await commit
  expect(await closing).toEqual({ kind: 'closed', epoch: 1n, reason: 'block' })
  await writeAllStatements()
  const [first] = await statements()
  const [block] = first?.statement.blocks ?? []
  expect(block).toMatchObject({ hash, height: HEIGHT, rewardPool: 'pplns', finder: miner.account })
})

test('under many writers and closers every share is in exactly one statement', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  const miners = [miner, await addMiner(database.db, 2), await addMiner(database.db, 3)]
  const SHARES = 60
  const writers = miners.map(async (each, who) => {
    for (let i = 0; i < SHARES; i++) {
      const one = [share(`${who} ${i}`, i % 7)]
      // As the pool does: an epoch that closed at this moment took nothing, so again.
      while ((await commitShares(database.db, each, one)) === null);
    }
  })
  let isWriting = true
  const closers = [1, 2].map(async () => {
    while (isWriting) {
      await closeEpochIfDue(database.db, { now: LATE, lengthMs: 0, terms })
      await writeNextStatement(database.db, context, LATE)
    }
  })
  await Promise.all(writers)
  isWriting = false
  await Promise.all(closers)
  await closeEpochIfDue(database.db, { now: LATE, lengthMs: 0, terms })
  await writeAllStatements()

  const all = await statements()
  expect(all.length).toBeGreaterThan(3)
  all.forEach((each, index) => {
    expect(checkWorkLink(each.statement, all[index - 1] ?? null)).toEqual([])
  })
  for (const [index, each] of miners.entries()) {
    const lines = all.flatMap(({ statement }) => statement.lines)
    const own = lines.filter(line => line.account === each.account)
    expect(
      own.reduce((sum, line) => sum + line.shares, 0n),
      `miner ${index}`,
    ).toBe(BigInt(SHARES))
  }
  for (const { statement } of all)
    expect(await recountEpoch(database.db, context, statement.epoch)).toBe('equal')
  const { rows } = await sql<{ same: boolean }>`
    select (select sum(work) from worker_work) is not distinct from ${all
      .flatMap(({ statement }) => statement.lines)
      .reduce((sum, line) => sum + line.work, 0n)}::numeric as same`.execute(database.db)
  expect(rows[0]?.same).toBe(true)
})

test('statements that a crash left out are written at the next call, in order, once', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  for (const name of ['a', 'b', 'c']) {
    await commitShares(database.db, miner, [share(name)])
    await closeEpochIfDue(database.db, { now: LATE, lengthMs: 0, terms })
  }
  const written = await Promise.all(
    [1, 2, 3, 4, 5].map(() => writeNextStatement(database.db, context, LATE)),
  )
  const epochs = written.filter(epoch => epoch !== null)
  expect(epochs.sort()).toEqual([1n, 2n, 3n])
  expect((await statements()).map(({ statement }) => statement.epoch)).toEqual([1n, 2n, 3n])
})

test('rejects stand in the line of their account, also where it has no share', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  const { account, session, worker } = miner
  const row = { epoch_id: 1n, session_id: session, account_id: account, worker_id: worker }
  await database.db
    .insertInto('rejects')
    .values([
      { ...row, reason: 'stale', count: 3n },
      { ...row, reason: 'duplicate', count: 1n },
    ])
    .execute()
  await closeEpochIfDue(database.db, due)
  await writeAllStatements()
  expect((await statements())[0]?.statement.lines).toMatchObject([
    { account, shares: 0n, work: 0n, rejects: { stale: 3n, duplicate: 1n } },
  ])
})

test('a recount finds a share that was added or taken away behind the pool', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  await commitShares(database.db, miner, [share('a'), share('b')])
  await closeEpochIfDue(database.db, due)
  await writeAllStatements()
  expect(await recountEpoch(database.db, context, epochId(1n))).toBe('equal')
  expect(await recountEpoch(database.db, context, epochId(2n))).toBe('no statement')
  await sql`delete from shares where hash = (select min(hash) from shares)`.execute(
    database.ownerDb,
  )
  expect(await recountEpoch(database.db, context, epochId(1n))).toBe('differs')
})

test('a scheme that nobody configured stops the statement instead of guessing', async () => {
  await openFirstEpoch(database.db, terms, SOON)
  await commitShares(database.db, miner, [share('a')])
  await closeEpochIfDue(database.db, due)
  const strict = {
    network: 'regtest',
    rewardPoolOf: (scheme: string): string => {
      throw new Error(`no scheme is called ${scheme}`)
    },
  }
  await expect(writeNextStatement(database.db, strict, LATE)).rejects.toThrow(/no scheme/)
  expect(await writeNextStatement(database.db, context, LATE)).toBe(1n)
})
