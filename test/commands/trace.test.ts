import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { operatorKeyOf } from '../../src/approval/index.ts'
import { traceHash } from '../../src/commands/trace-facts.ts'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { type BlockHash, blockHash } from '../../src/lib/ids.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { runCommand } from './child.ts'
import { configFile } from './config-file.ts'
import { BLOCK, type History, hashOf, OPERATOR_SECRET, writeHistory } from './history.ts'

const HEADER = new Uint8Array(80).fill(7)
/** The first share of the first miner, with a header whose hash it is. */
const SHARE = headerHash(HEADER)
/** Its header is its own, but its hash is above the target it was credited for. */
const WEAK_HEADER = new Uint8Array(80).fill(8)
const WEAK = headerHash(WEAK_HEADER)
const HOST = '203.0.113.77'

let database: TestDatabase
let history: History
beforeAll(async () => {
  database = await testDatabase()
  history = await writeHistory(database.db)
  const { ownerDb: db } = database
  await sql`update sessions set host = ${HOST}, agent = ${'cgminer\u001b[2J/4.12'}`.execute(db)
  await sql`update workers set name = 'rig7' where id = 1`.execute(db)
  // Every hash meets the lowest difficulty there is.
  await sql`
    update shares set hash = ${Buffer.from(fromHex(SHARE))}, header = ${Buffer.from(HEADER)},
                      difficulty_log2 = -33
     where hash = ${Buffer.from(fromHex(hashOf('a1')))}`.execute(db)
  await sql`
    update shares set hash = ${Buffer.from(fromHex(WEAK))}, header = ${Buffer.from(WEAK_HEADER)}
     where hash = ${Buffer.from(fromHex(hashOf('a2')))}`.execute(db)
  await sql`
    update shares set difficulty_log2 = -33
     where hash = ${Buffer.from(fromHex(BLOCK))}`.execute(db)
})
afterAll(() => database.drop())

/** What a trace says of one thing, in its order. */
async function factsOf(hash: BlockHash, about: string): Promise<readonly string[]> {
  const facts = await traceHash(database.db, hash)
  return (facts ?? []).filter(each => each[0] === about).map(each => each[1])
}

test('a share is followed to its miner, session, job, epoch and statement line', async () => {
  expect(await factsOf(SHARE, 'share')).toEqual([expect.stringContaining('at height 101')])
  expect(await factsOf(SHARE, 'proof')).toEqual([expect.stringMatching(/^header (07)+ proves it$/)])
  expect(await factsOf(SHARE, 'miner')).toEqual(['bcrt1qminer1.rig7, account 1'])
  expect(await factsOf(SHARE, 'session')).toEqual([expect.stringMatching(/^1, port 3333, from /)])
  expect(await factsOf(SHARE, 'job')).toEqual([
    `1 on template 1, after block ${hashOf('previous')}`,
  ])
  expect(await factsOf(SHARE, 'epoch')).toEqual([expect.stringMatching(/^1, /)])
  const { hash } = await database.db
    .selectFrom('work_statements')
    .select('hash')
    .where('epoch_id', '=', 1n)
    .executeTakeFirstOrThrow()
  expect(await factsOf(SHARE, 'statement')).toEqual([`${hash}, GET /api/v1/epochs/1`])
  expect(await factsOf(SHARE, 'line')).toEqual([
    expect.stringMatching(/^account 1: 2 shares, work \d+ of \d+ in pplns$/),
  ])
  expect(await factsOf(SHARE, 'block')).toEqual(['none in this epoch'])
})

test('its credits are those of every reward that used its epoch, with their entries', async () => {
  const line = await database.db
    .selectFrom('reward_lines')
    .select('amount_msat')
    .where('account_id', '=', 1n)
    .executeTakeFirstOrThrow()
  const [reward] = await factsOf(SHARE, 'reward')
  expect(reward).toContain(`1 for block ${BLOCK}, used 1/1 of epoch 1`)
  expect(reward).toContain(`gave account 1 ${line.amount_msat} msat, hash ${history.rewardHash}`)
  const entries = await factsOf(SHARE, 'entry')
  expect(entries.map(entry => entry.split(' ')[0])).toEqual([
    'credit:1:1',
    'credit:1:2',
    'credit:1:2',
    'batch:1:planned',
    'batch:1:planned',
    'batch:1:settled',
  ])
  expect(entries[0]).toMatch(`miner:1:pending -${line.amount_msat} msat, place 2 of the chain`)
})

test('the payout after them is followed to its approval and its transaction', async () => {
  expect(await factsOf(SHARE, 'payout')).toEqual([
    expect.stringMatching(/^1: 100000 sat, settled, planned \S+ in batch 1$/),
  ])
  expect(await factsOf(SHARE, 'batch')).toEqual([
    expect.stringMatching(/^1 by l1: settled since \S+, GET \/api\/v1\/treasury\/batches\/1$/),
  ])
  expect(await factsOf(SHARE, 'approval')).toEqual([
    expect.stringContaining(`approve by operator ${operatorKeyOf(OPERATOR_SECRET)}`),
  ])
  expect(await factsOf(SHARE, 'txid')).toEqual([`${history.txid}, version 1, fee 1000 sat, signed`])
})

test('a share that found a block says so, and a header that proves nothing is told', async () => {
  const found = blockHash(BLOCK)
  expect(await factsOf(found, 'block')).toEqual([`${BLOCK} at height 101: mature, this very share`])
  for (const hash of [found, WEAK])
    expect(await factsOf(hash, 'proof')).toEqual([expect.stringContaining('does NOT prove it')])
  expect(await factsOf(found, 'reward')).toHaveLength(1)
})

test('a share of the open epoch ends where its way ends', async () => {
  const facts = await traceHash(database.db, blockHash(hashOf('b3')))
  expect(facts?.at(-1)).toEqual(['epoch', '3, which has no statement yet'])
})

test('a block whose share is no longer kept is followed by itself', async () => {
  const copy = await testDatabase()
  await writeHistory(copy.db)
  await sql`drop table shares_0`.execute(copy.ownerDb)
  const facts = await traceHash(copy.db, blockHash(BLOCK))
  expect(facts?.[0]).toEqual(['block', `${BLOCK}, its share is not kept`])
  expect(facts?.map(([about]) => about)).toContain('txid')
  expect(await traceHash(copy.db, blockHash(hashOf('a2')))).toBeNull()
  await copy.drop()
})

test('the command prints a fact a line, and never where a miner connects from', async () => {
  const config = await configFile(database)
  const traced = await runCommand(['trace', SHARE, '--config', config.path])
  expect(traced).toMatchObject({ code: 0, stderr: '' })
  expect(traced.stdout).not.toContain(HOST)
  expect(traced.stdout).toContain('agent      cgminer\\u{1b}[2J/4.12\n')
  expect(traced.stdout).toContain(`txid       ${history.txid}`)
  const unknown = await runCommand(['trace', hashOf('nothing'), '--config', config.path])
  expect(unknown.code).toBe(1)
  expect(await runCommand(['trace', 'abc', '--config', config.path])).toMatchObject({ code: 2 })
  await config.remove()
})
