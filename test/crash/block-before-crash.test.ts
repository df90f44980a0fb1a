import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../src/lib/db/database.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { type TestMiner, testMiner } from '../support/miner.ts'
import type { PoolProcess } from '../support/pool-process.ts'
import { MINERS_MAY_CONNECT, type PoolScene, poolScene } from '../support/pool-scene.ts'
import { startTapProxy, type TapProxy } from '../support/tap-proxy.ts'

/**
 * A block is submitted before its share is recorded, so a crash between the two leaves a block on
 * the chain that no row knows. Looking back along the chain must find it, with its finder.
 */
const EVERY_SHARE = { start: 2 ** -24, minimum: 2 ** -24, maximum: 2 ** -24, secondsPerShare: 1 }
/** A block in about 20 shares. */
const HASHES_PER_BLOCK = 5000n
/** The recovery waits until whoever found a block has had time to book it. */
const SOON = { everyMs: 50, timeoutMs: 90_000 }

let scene: PoolScene
let node: TapProxy
let stratum: PoolProcess
let miner: TestMiner
let isSubmitting = false
let isArmed = true

beforeAll(async () => {
  scene = await poolScene({
    hashesPerBlock: HASHES_PER_BLOCK,
    difficulty: EVERY_SHARE,
    nodeUrl: async devnet => {
      node = await startTapProxy(
        () => Number(new URL(devnet.poolNodeUrl).port),
        (direction, chunk) => {
          if (direction === 'to server') isSubmitting = chunk.includes('submitblock')
          if (direction === 'to server' || !isSubmitting || !isArmed) return 'pass'
          // The node has taken the block; its answer is the last thing the process could see.
          isArmed = false
          stratum.kill()
          return 'drop'
        },
      )
      return `http://127.0.0.1:${node.port}`
    },
  })
  await scene.role('accounting').start()
  stratum = scene.role('stratum')
})
afterAll(async () => {
  await miner?.stop()
  await node?.close()
  await scene?.remove()
})

test('a block that the node took just before the crash is booked, with its finder and its share', async () => {
  await stratum.start(MINERS_MAY_CONNECT)
  const user = await scene.newAddress()
  miner = testMiner({ port: scene.ports.pplns, user, hashesPerSecond: 2000 })
  await stratum.ended()
  await miner.stop()
  const tip = String(await scene.devnet.call('getbestblockhash'))
  const db = openDatabase(scene.postgres().ownerUrl('postgres'))
  try {
    const booked = await pollUntil(
      async () =>
        (await db
          .selectFrom('blocks')
          .leftJoin('accounts', 'accounts.id', 'blocks.account_id')
          .leftJoin('payees', 'payees.id', 'accounts.payee_id')
          .innerJoin('shares', 'shares.height', 'blocks.height')
          .selectAll('blocks')
          .select(['destination', 'shares.hash as share_hash', 'shares.account_id as sharer'])
          .where('blocks.hash', '=', tip)
          .where('shares.hash', '=', Buffer.from(tip, 'hex'))
          .executeTakeFirst()) ?? null,
      SOON,
    )
    expect(booked).toMatchObject({ destination: user, recovered: true, scheme: 'pplns' })
    expect(booked?.sharer).toBe(booked?.account_id)
    const closed = await pollUntil(
      async () =>
        (await db
          .selectFrom('epochs')
          .selectAll()
          .where('id', '=', booked?.epoch_id ?? 0n)
          .where('close_reason', '=', 'block')
          .executeTakeFirst()) ?? null,
      SOON,
    )
    expect(closed?.id).toBe(booked?.epoch_id)
  } finally {
    await db.destroy()
  }
}, 120_000)
