import type { Kysely } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { auditChecks, runCheck } from '../../src/commands/audit-checks.ts'
import { verifyFiles } from '../../src/commands/verify-files.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemClock } from '../../src/lib/time.ts'
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

const coinbaseOnChain = z.object({
  tx: z.tuple([
    z.object({
      vout: z.array(
        z.object({
          value: z.number().transform(btc => BigInt(Math.round(btc * 1e8))),
          scriptPubKey: z.object({ address: z.string().optional() }),
        }),
      ),
    }),
  ]),
})

/** What a block's coinbase pays to an address, as the node has it. */
async function paidTo(hash: string, address: string): Promise<bigint> {
  const block = coinbaseOnChain.parse(await scene.devnet.call('getblock', hash, 2))
  return block.tx[0].vout
    .filter(({ scriptPubKey }) => scriptPubKey.address === address)
    .reduce((sum, { value }) => sum + value, 0n)
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
    expect(await paidTo(hash, payee)).toBe(paid)
    const whole = value + (paid ?? 0n)
    expect(value).toBe((whole * FEE_BASIS_POINTS) / 10_000n)
    const { coinbaseAddress } = scene.devnet
    expect(await paidTo(hash, coinbaseAddress)).toBe(value)
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
