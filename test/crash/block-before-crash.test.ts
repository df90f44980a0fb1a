import type { Kysely } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../src/lib/db/database.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { paidTo } from '../support/coinbase.ts'
import { type TestMiner, testMiner } from '../support/miner.ts'
import type { PoolProcess } from '../support/pool-process.ts'
import { MINERS_MAY_CONNECT, type PoolScene, poolScene } from '../support/pool-scene.ts'
import { startTapProxy, type TapProxy } from '../support/tap-proxy.ts'

/**
 * A block is submitted before its share is recorded, so a crash between the two leaves a block on
 * the chain that no row knows. Looking back along the chain must find it, with its finder, and what
 * its coinbase paid whom.
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
let isArmed = false

beforeAll(async () => {
  scene = await poolScene({
    hashesPerBlock: HASHES_PER_BLOCK,
    difficulty: EVERY_SHARE,
    soloCoinbase: 'finder',
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

/** Of each, who is paid by the coinbase of a block: the pool, or the finder of it. */
test.each([
  { scheme: 'pplns', isPaidByCoinbase: false },
  { scheme: 'solo', isPaidByCoinbase: true },
] as const)(
  'a $scheme block that the node took just before the crash is booked, with its finder and its share',
  async ({ scheme, isPaidByCoinbase }) => {
    isArmed = true
    await stratum.start(MINERS_MAY_CONNECT)
    const user = await scene.newAddress()
    miner = testMiner({ port: scene.ports[scheme], user, hashesPerSecond: 2000 })
    await stratum.ended()
    await miner.stop()
    const tip = String(await scene.devnet.call('getbestblockhash'))
    const db = openDatabase(scene.postgres().ownerUrl('postgres'))
    try {
      const booked = await pollUntil(() => bookedBlock(db, tip), SOON)
      expect(booked).toMatchObject({ destination: user, recovered: true, scheme })
      expect(booked?.sharer).toBe(booked?.account_id)
      const toFinder = await paidTo(scene.devnet, tip, user)
      expect(booked?.finder_sats ?? 0n).toBe(toFinder)
      expect(toFinder > 0n).toBe(isPaidByCoinbase)
      expect(booked?.value_sats).toBe(await paidTo(scene.devnet, tip, scene.devnet.coinbaseAddress))
      const closed = await pollUntil(() => closedByBlock(db, booked?.epoch_id ?? 0n), SOON)
      expect(closed?.id).toBe(booked?.epoch_id)
    } finally {
      await db.destroy()
    }
  },
  120_000,
)

/** The block as it is booked, with who found it and whose share it is. */
async function bookedBlock(db: Kysely<Database>, hash: string) {
  const row = await db
    .selectFrom('blocks')
    .leftJoin('accounts', 'accounts.id', 'blocks.account_id')
    .leftJoin('payees', 'payees.id', 'accounts.payee_id')
    .innerJoin('shares', 'shares.height', 'blocks.height')
    .selectAll('blocks')
    .select(['destination', 'shares.hash as share_hash', 'shares.account_id as sharer'])
    .where('blocks.hash', '=', hash)
    .where('shares.hash', '=', Buffer.from(hash, 'hex'))
    .executeTakeFirst()
  return row ?? null
}

async function closedByBlock(db: Kysely<Database>, epoch: bigint) {
  const row = await db
    .selectFrom('epochs')
    .selectAll()
    .where('id', '=', epoch)
    .where('close_reason', '=', 'block')
    .executeTakeFirst()
  return row ?? null
}
