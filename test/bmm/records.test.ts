import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import {
  bidsOfBlocks,
  bidsPaid,
  bmmJobs,
  type SideNode,
  watchSideBlocks,
} from '../../src/bmm/index.ts'
import { headerHash } from '../../src/lib/bitcoin/header.ts'
import { type BlockHash, blockHash, unixMs } from '../../src/lib/ids.ts'
import { parseBtc } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { openEpoch, SILENT } from '../pool/mining-fixtures.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { mineJob, nextJob, placeBid, SIDE_BLOCK } from './bidding.ts'

const CLOCK = { now: () => unixMs(1_700_000_000_000) }
const OWN = 'ee'.repeat(32)
let node: TestNode
let database: TestDatabase

beforeAll(async () => {
  ;[node, database] = await Promise.all([testNode(), testDatabase()])
  await node.cli('createwallet', 'bidder')
  await node.mine(110, await node.cliText('getnewaddress'))
  await openEpoch(database.ownerDb, 1n)
})
afterAll(async () => {
  await node.remove()
  await database.drop()
})

/** Books a block of ours, as whoever found it does. */
async function book(raw: Uint8Array, height: number): Promise<BlockHash> {
  const hash = headerHash(raw.subarray(0, 80))
  const row = { hash, height, epoch_id: 1n, session_id: null, account_id: null, scheme: 'pps' }
  await database.db
    .insertInto('blocks')
    .values({ ...row, value_sats: 5_000_000_000n, work: 1n, found_ms: 1n, recovered: false })
    .execute()
  return hash
}

function jobsWith(sideNode: SideNode | null, tip = 0) {
  const jobs = bmmJobs({
    ...{ db: database.db, clock: CLOCK, log: SILENT, sideNode },
    node: bitcoindClient(connectNode(node.rpc)),
    tipHeight: async () => tip,
  })
  return async () => {
    for (const job of jobs) await job.run()
  }
}

/** A node of a sidechain, outside of our program, that connects what it has seen accepted. */
function sideNode(isAccepted: () => boolean, previousBlock: BlockHash) {
  const connected: string[] = []
  const it: SideNode = {
    slot: 9,
    getTemplate: async () => ({ sideBlock: OWN, previousBlock, body: '{"block":1}' }),
    connect: async ({ sideBlock, body }, mainBlock) => {
      if (isAccepted()) connected.push([sideBlock, body, mainBlock].join(' '))
      return isAccepted()
    },
  }
  return { it, connected }
}

const fees = z.object({ fees: z.object({ base: z.number() }) })

test('a bid and its fee are read from the block that accepted it, once', async () => {
  const txid = await placeBid(node, { slot: 9, feeRate: 25 })
  const entry = fees.parse(await node.cli('getmempoolentry', txid))
  const fee = parseBtc(entry.fees.base.toFixed(8))
  const block = await book(await mineJob(node, await nextJob(node, 500)), 111)
  expect(await bidsPaid(database.db, block)).toBeNull()
  const run = jobsWith(null)
  await run()
  await run()
  expect(await bidsOfBlocks(database.db, [block])).toEqual([
    { block, slot: 9, sideBlock: SIDE_BLOCK, request: txid, fee, own: null },
  ])
  expect(await bidsPaid(database.db, block)).toBe(fee)
})

test('a block without any is read too, so that it can be booked', async () => {
  const block = await book(await mineJob(node, await nextJob(node, 500)), 112)
  await jobsWith(null)()
  expect(await bidsPaid(database.db, block)).toBe(0n)
})

test('a block that no node has any more is booked without bids', async () => {
  const block = await book(new Uint8Array(80), 113)
  await jobsWith(null)()
  expect(await bidsPaid(database.db, block)).toBe(0n)
})

test('our own side block is kept before it is offered, and connected after a crash', async () => {
  const { db } = database
  const tip = blockHash(await node.cliText('getbestblockhash'))
  const parent = { previousBlock: tip, height: 113 }
  let isAccepted = false
  const side = sideNode(() => isAccepted, tip)
  let news = 0
  const source = watchSideBlocks({
    ...{ db, clock: CLOCK, log: SILENT, node: side.it },
    onNew: () => {
      news += 1
    },
  })
  expect(source.on(parent)).toBeNull()
  const ready = await pollUntil(() => source.on(parent), { everyMs: 10, timeoutMs: 30_000 })
  expect([ready, news]).toEqual([{ slot: 9, sideBlock: OWN }, 1])
  expect(source.on({ ...parent, previousBlock: blockHash('11'.repeat(32)) })).toBeNull()
  await source.stop()
  const kept = await db.selectFrom('side_blocks').selectAll().execute()
  expect(kept).toMatchObject([{ side_block: OWN, body: '{"block":1}', connected_ms: null }])

  const own = { slot: 9, sideBlock: OWN, yieldsFrom: null }
  const block = await book(await mineJob(node, await nextJob(node, 500, { own })), 114)
  // The process ends here; another one finds everything in the database and on the chain.
  await jobsWith(side.it, 214)()
  expect(await bidsOfBlocks(db, [block])).toMatchObject([{ own: 'waiting', fee: 0n }])
  isAccepted = true
  const run = jobsWith(side.it, 213)
  await run()
  await run()
  expect(side.connected).toEqual([`${OWN} {"block":1} ${block}`])
  expect(await bidsOfBlocks(db, [block])).toMatchObject([{ own: 'connected', request: null }])
})

test('the first side block on a parent soon gives way to one that knows what the parent accepted', async () => {
  const parent = { previousBlock: blockHash('ee'.repeat(32)), height: 120 }
  const hashes = ['e1'.repeat(32), 'e2'.repeat(32)]
  const source = watchSideBlocks({
    ...{ db: database.db, clock: CLOCK, log: SILENT, onNew: () => {} },
    node: {
      ...sideNode(() => false, parent.previousBlock).it,
      getTemplate: async () => ({
        sideBlock: hashes.shift() ?? 'e2'.repeat(32),
        previousBlock: parent.previousBlock,
        body: '{}',
      }),
    },
  })
  const isSecond = () => (source.on(parent)?.sideBlock === 'e2'.repeat(32) ? true : null)
  // Less than it waits otherwise.
  expect(await pollUntil(isSecond, { everyMs: 20, timeoutMs: 25_000 })).toBe(true)
  await source.stop()
  const mine = database.db.deleteFrom('side_blocks').where('height', '=', 120)
  await mine.execute()
})

test('a side block that nobody accepted is forgotten once no block with it can win', async () => {
  const { db } = database
  const lost = { side_block: 'dd'.repeat(32), slot: 9, previous_block: 'aa'.repeat(32) }
  await db
    .insertInto('side_blocks')
    .values({ ...lost, height: 200, body: '{}', made_ms: 1n })
    .execute()
  const side = sideNode(() => true, blockHash('aa'.repeat(32)))
  const names = async () =>
    (await db.selectFrom('side_blocks').select('side_block').execute()).map(row => row.side_block)
  await jobsWith(side.it, 300)()
  expect(await names()).toContain(lost.side_block)
  await jobsWith(side.it, 301)()
  expect(await names()).toEqual([OWN])
})
