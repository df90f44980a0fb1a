import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../src/lib/db/database.ts'
import { ofKind, type TestMiner, testMiner } from '../support/miner.ts'
import { MINERS_MAY_CONNECT, type PoolScene, poolScene } from '../support/pool-scene.ts'

/** Enough that the kernel gives some of them to either process, but for one chance in 2^14. */
const MINERS = 16
const EVERY_SHARE = { start: 2 ** -24, minimum: 2 ** -24, maximum: 2 ** -24, secondsPerShare: 1 }

let scene: PoolScene
let miners: TestMiner[] = []
beforeAll(async () => {
  scene = await poolScene({
    hashesPerBlock: 1n << 40n,
    difficulty: EVERY_SHARE,
    stratumProcesses: 2,
  })
  await scene.role('accounting').start()
  await scene.role('stratum').start(MINERS_MAY_CONNECT)
  await scene.role('stratum').start(MINERS_MAY_CONNECT)
})
afterAll(async () => {
  await Promise.all(miners.map(miner => miner.stop()))
  await scene?.remove()
})

test('two stratum processes share a port, and no two of their sessions an extranonce1', async () => {
  const user = await scene.newAddress()
  const port = scene.ports.pplns
  miners = Array.from({ length: MINERS }, (_, rig) =>
    testMiner({ port, user: `${user}.rig${rig}`, hashesPerSecond: 300 }),
  )
  const leases = await Promise.all(
    miners.map(async miner => (await miner.until(ofKind('subscribed'))).extranonce1),
  )
  await Promise.all(miners.map(miner => miner.until(ofKind('accepted'))))
  expect(new Set(leases).size).toBe(MINERS)
  // The first two bytes are the process's own.
  expect(new Set(leases.map(lease => lease.slice(0, 4))).size).toBe(2)
  const db = openDatabase(scene.appUrl, { max: 1 })
  const { accounts } = await db
    .selectFrom('shares')
    .select(({ fn }) => fn.count<bigint>('account_id').distinct().as('accounts'))
    .executeTakeFirstOrThrow()
    .finally(() => db.destroy())
  expect(accounts, 'all rigs of one payee share an account').toBe(1n)
})
