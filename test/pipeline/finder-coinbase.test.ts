import type { Kysely } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditChecks, runCheck } from '../../src/commands/audit-checks.ts'
import { verifyFiles } from '../../src/commands/verify-files.ts'
import { auditChain } from '../../src/ledger/index.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemClock } from '../../src/lib/time.ts'
import { paidTo } from '../support/coinbase.ts'
import { ofKind, type TestMiner, testMiner } from '../support/miner.ts'
import type { PoolProcess } from '../support/pool-process.ts'
import {
  API_IS_SERVED,
  MINERS_MAY_CONNECT,
  type PoolScene,
  poolScene,
} from '../support/pool-scene.ts'

/**
 * A solo pool whose coinbases pay their finder, on a real node: what a block paid stands on the
 * chain, and nothing of it is owed again, before and after it matures.
 */
const DIFFICULTY = { start: 2 ** -20, minimum: 2 ** -24, maximum: 1, secondsPerShare: 0.5 }
const SOON = { everyMs: 100, timeoutMs: 120_000 }
/** Of the scene's solo port. */
const FEE_BASIS_POINTS = 200n

let scene: PoolScene
let db: Kysely<Database>
let processes: PoolProcess[] = []
let miner: TestMiner | null = null

beforeAll(async () => {
  scene = await poolScene({
    ...{ hashesPerBlock: 50_000n, difficulty: DIFFICULTY, epochMinutes: 0.05 },
    soloCoinbase: 'finder',
  })
  db = openDatabase(scene.appUrl, { max: 2 })
  const roles = ['accounting', 'payouts', 'api', 'stratum'] as const
  processes = roles.map(role => scene.role(role))
  const ready = [undefined, undefined, API_IS_SERVED, MINERS_MAY_CONNECT]
  await Promise.all(processes.map((each, index) => each.start(ready[index])))
}, 300_000)
afterAll(async () => {
  await miner?.stop()
  await db?.destroy()
  await scene?.remove()
})

async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const found = await pollUntil(look, SOON)
  const logs = processes.map(each => each.log().slice(-1500)).join('\n')
  if (found === null) throw new Error(`waited in vain: ${what}\n${logs}`)
  return found
}

const blocks = () => db.selectFrom('blocks').selectAll().orderBy('height').execute()
const balances = async () => {
  const rows = await db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
    .select(['name', 'amount_msat'])
    .execute()
  return new Map(rows.map(row => [row.name, row.amount_msat]))
}

async function isStated(count: number): Promise<true | null> {
  const rows = await db.selectFrom('reward_statements').select('number').execute()
  return rows.length >= count || null
}

async function statementFiles() {
  const work = await db.selectFrom('work_statements').select(['epoch_id', 'bytes']).execute()
  const rewards = await db.selectFrom('reward_statements').select(['number', 'bytes']).execute()
  return [
    ...work.map(row => ({ name: `work ${row.epoch_id}`, bytes: new Uint8Array(row.bytes) })),
    ...rewards.map(row => ({ name: `reward ${row.number}`, bytes: new Uint8Array(row.bytes) })),
  ]
}

test('a block found on such a port pays its finder, and the books owe it nothing', async () => {
  const payee = await scene.newAddress()
  const port = scene.ports.solo
  miner = testMiner({ port, user: `${payee}.rig`, hashesPerSecond: 20_000 })
  const job = await miner.until(ofKind('job'))
  const order = miner.events.map(({ kind }) => kind)
  expect(order.indexOf('authorized'), 'no job before its payee is known').toBeLessThan(
    miner.events.indexOf(job),
  )
  await until('two blocks', async () => ((await blocks()).length >= 2 ? true : null))
  await miner.stop()

  const found = await blocks()
  for (const { hash, value_sats: value, finder_sats: paid, scheme } of found) {
    expect(scheme).toBe('solo')
    expect(await paidTo(scene.devnet, hash, payee)).toBe(paid)
    const whole = value + (paid ?? 0n)
    expect(value).toBe((whole * FEE_BASIS_POINTS) / 10_000n)
    const { coinbaseAddress } = scene.devnet
    expect(await paidTo(scene.devnet, hash, coinbaseAddress)).toBe(value)
  }
  await until('both are stated', () => isStated(found.length))
  const fees = found.reduce((sum, block) => sum + block.value_sats, 0n) * 1000n
  expect((await balances()).get('liability:pool_fee_pending')).toBe(-fees)

  await scene.devnet.mine(101)
  await until('they are mature in the books', async () => {
    const held = await balances()
    return held.get('income:pool_fee') === -fees ? true : null
  })
  const owed = [...(await balances())].filter(([name]) => name.startsWith('miner:'))
  expect(owed, 'nobody was credited').toEqual([])
  await until('the coins of the fees are noted, and wallet and books agree', async () => {
    const coins = await db
      .selectFrom('float_coins')
      .select('value_sats')
      .where('origin', '=', 'coinbase')
      .execute()
    return coins.length === found.length || null
  })
  const frozen = await db.selectFrom('freeze_acts').selectAll().execute()
  expect(frozen).toEqual([])

  const audit = auditChecks(db, {
    retentionBlocks: 4032,
    network: 'regtest',
    now: systemClock.now(),
  })
  // The scene's operator was written into the database, and no admin signed for it.
  for (const check of audit.filter(({ name }) => !name.startsWith('operators')))
    expect((await runCheck(check)).complaints, check.name).toEqual([])
  const verdicts = verifyFiles(await statementFiles())
  expect(verdicts.map(({ complaint, notes }) => [complaint, notes])).toEqual(
    verdicts.map(() => [null, []]),
  )

  const page = await (await fetch(`http://127.0.0.1:${scene.apiPort}/`)).text()
  expect(page).toContain(`paid in the coinbase to ${payee}`)
}, 240_000)

test('one that is orphaned leaves nothing in the books, and one that returns stands there again', async () => {
  const { devnet } = scene
  const payee = await scene.newAddress()
  const before = await blocks()
  const settled = await balances()
  miner = testMiner({ port: scene.ports.solo, user: payee, hashesPerSecond: 20_000 })
  await until('a block', async () => ((await blocks()).length > before.length ? true : null))
  await miner.stop()
  const found = (await blocks()).slice(before.length)
  const first = found[0]
  if (!first) throw new Error('a block was found')
  const fees = found.reduce((sum, block) => sum + block.value_sats, 0n) * 1000n
  const isPending = async (msat: bigint) =>
    ((await balances()).get('liability:pool_fee_pending') ?? 0n) === -msat || null
  await until('its fee is pending', () => isPending(fees))

  const height = Number(await devnet.call('getblockcount'))
  await devnet.call('invalidateblock', first.hash)
  await devnet.mine(height - first.height + 3)
  await until("it is orphaned, and its fee nobody's", () => isPending(0n))
  expect((await fates(found)).map(({ fate }) => fate)).toEqual(found.map(() => 'orphaned'))
  expect((await auditChain(db)).findings).toEqual([])

  await devnet.call('invalidateblock', await devnet.call('getblockhash', first.height))
  await devnet.call('reconsiderblock', first.hash)
  await devnet.mine(5)
  await until('it is back, and its fee with it', () => isPending(fees))
  expect((await fates(found)).map(({ fate }) => fate)).toEqual(found.map(() => 'found'))
  const now = await balances()
  expect(now.get('income:pool_fee'), 'what was mature before').toBe(settled.get('income:pool_fee'))
  expect([...now].filter(([name]) => name.startsWith('miner:'))).toEqual([])
  expect((await auditChain(db)).findings).toEqual([])
  expect(await db.selectFrom('freeze_acts').selectAll().execute()).toEqual([])
}, 240_000)

/** The last fate of each. */
const fates = (found: readonly { readonly hash: string }[]) =>
  db
    .selectFrom('block_fates')
    .select('fate')
    .distinctOn('block_hash')
    .where(
      'block_hash',
      'in',
      found.map(({ hash }) => hash),
    )
    .orderBy('block_hash')
    .orderBy('seq', 'desc')
    .execute()
