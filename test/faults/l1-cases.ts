import { rm } from 'node:fs/promises'
import { z } from 'zod'
import type { BatchId } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import type { Rail } from '../../src/payouts/rail.ts'
import { addressOf, FINALITY, HOUR_MS, OPTIONS, railOn, type World } from '../payouts/l1-world.ts'
import { noteTip } from '../payouts/seed.ts'
import type { TestNode } from '../support/bitcoind.ts'

/** One approved batch that pays one miner, on a real node and a real database. */
export type Play = { readonly world: World; readonly node: TestNode; readonly batch: BatchId }

/** A fault, how it is made, and how it must end; whatever it is, the oracle is asked afterwards. */
export type Case = {
  /** Of the catalogue of faults; several where one situation is all of them. */
  readonly number: string
  readonly name: string
  readonly play: (play: Play) => Promise<void>
  /** Whether the miner is paid once the fault is over, or nothing may have left. */
  readonly ends: 'paid' | 'reserved'
}

const EMPTY_BLOCKS_PAY = 'raw(51)'
const DEPTHS = [1, 2, 3, 4, 5, 6] as const
let lastMiner = 5_000_000

export const L1_CASES: readonly Case[] = [
  {
    number: '9, 54',
    name: 'several workers take the same batch at once',
    play: async ({ world }) => {
      await Promise.all([world.advance(), world.advance(), world.advance()])
      await Promise.all([world.advance(), world.advance()])
    },
    ends: 'paid',
  },
  {
    number: '10, 75',
    name: 'several planners plan at once while the batch holds its coins',
    play: async ({ world }) => {
      await Promise.all([world.plan(), world.plan(), world.plan()])
      await world.advance()
    },
    ends: 'paid',
  },
  {
    number: '11',
    name: 'the node is restarted between approval and signing',
    play: async ({ world, node }) => {
      await node.stop()
      await world.advance()
      await node.restart()
    },
    ends: 'paid',
  },
  {
    number: '12, 18',
    name: 'the node forgets its mempool',
    play: async ({ world, node }) => {
      await world.advance()
      const file = await mempoolFileOf(node)
      await node.stop()
      await rm(file)
      await node.restart()
      await world.advance()
    },
    ends: 'paid',
  },
  {
    number: '13',
    name: 'the wallet is not loaded when it is to be signed and when it is to be looked up',
    play: async ({ world, node }) => {
      await node.cli('unloadwallet', 'payouts')
      await world.advance()
      await node.cli('loadwallet', 'payouts')
      await world.advance()
      await node.cli('unloadwallet', 'payouts')
      await world.advance()
      await node.cli('loadwallet', 'payouts')
    },
    ends: 'paid',
  },
  {
    number: '16',
    name: 'fees rise above what was approved, and fall again',
    play: async ({ world, node }) => {
      await world.advance({ rail: dearRail(world, node, 60_000n) })
      await expectState(world, 'approved')
    },
    ends: 'paid',
  },
  {
    number: '19',
    name: 'a version is replaced, and the replaced one confirms',
    play: async ({ world, node }) => {
      await world.advance()
      const first = await mempoolTransaction(node)
      await bumpOnce(world, node, 10_000n)
      await node.cli('generateblock', await ownAddress(node), [first])
    },
    ends: 'paid',
  },
  {
    number: '20',
    name: 'a version is replaced twice, and the last one confirms',
    play: async ({ world, node }) => {
      await world.advance()
      await bumpOnce(world, node, 10_000n)
      await bumpOnce(world, node, 20_000n)
    },
    ends: 'paid',
  },
  ...DEPTHS.map(
    (depth): Case => ({
      number: depth < FINALITY ? '21' : '22',
      name: `a payment is taken back from ${depth} deep, and mined again elsewhere`,
      play: async ({ world, node }) => {
        await world.advance()
        const [block] = await node.mine(depth)
        await world.advance()
        await node.cli('invalidateblock', block)
        await world.advance()
        await world.watch()
        // Other blocks than those that were taken back.
        await node.mine(depth + 1, addressOf(++lastMiner))
        await world.watch()
      },
      ends: 'paid',
    }),
  ),
  {
    number: '21',
    name: 'a payment is taken back and the same blocks return',
    play: async ({ world, node }) => {
      await world.advance()
      const [block] = await node.mine(FINALITY - 1)
      await world.advance()
      await node.cli('invalidateblock', block)
      await world.advance()
      await node.cli('reconsiderblock', block)
    },
    ends: 'paid',
  },
  {
    number: '64',
    name: 'the clock jumps an hour back, and a day forth once it is sent',
    play: async ({ world }) => {
      world.clock.advance(-HOUR_MS)
      await world.advance()
      world.clock.advance(24 * HOUR_MS)
      await world.advance()
    },
    ends: 'paid',
  },
  {
    number: '71',
    name: 'somebody edits the batch after its approval',
    play: async ({ world, batch }) => {
      const edit = world.db.updateTable('batches').set({ fee_max_sats: 1n }).where('id', '=', batch)
      const refused = await edit.execute().then(
        () => false,
        () => true,
      )
      if (!refused) throw new Error('a batch keeps its manifest')
    },
    ends: 'paid',
  },
  {
    number: '78',
    name: 'the rail is frozen between approval and signing',
    play: async ({ world }) => {
      await world.freeze('an operator looks into it')
      await world.advance()
      await world.advance()
    },
    ends: 'reserved',
  },
]

/** The file in which the node keeps its mempool over a restart. */
async function mempoolFileOf(node: TestNode): Promise<string> {
  return z.object({ filename: z.string() }).parse(await node.cli('savemempool')).filename
}

function dearRail(world: World, node: TestNode, rate: bigint): Rail {
  const rates = { feeRateMin: sats(rate), feeRateMax: sats(rate > 50_000n ? rate : 50_000n) }
  return railOn(world.db, connectNode(node.rpc), {
    clock: world.clock,
    options: { ...OPTIONS, ...rates },
  })
}

async function mempoolTransaction(node: TestNode): Promise<string> {
  const [id] = z
    .array(z.string())
    .length(1)
    .parse(await node.cli('getrawmempool'))
  return node.cliText('getrawtransaction', id)
}

const ownAddress = (node: TestNode) => node.cliText('getnewaddress', '', 'bech32')

/** Blocks without the payment pass, as accounting would write them down, and fees have risen. */
async function bumpOnce(world: World, node: TestNode, rate: bigint): Promise<void> {
  const before = await node.cli('getrawmempool')
  for (let blocks = 0; blocks < OPTIONS.bumpAfterBlocks; blocks++) {
    world.clock.advance(1000)
    await node.cli('generateblock', EMPTY_BLOCKS_PAY, [])
    await noteTip(world.db, node, world.clock.now())
  }
  const rail = dearRail(world, node, rate)
  await world.advance({ rail })
  await world.advance({ rail })
  const after = await node.cli('getrawmempool')
  if (JSON.stringify(after) === JSON.stringify(before)) throw new Error('nothing was replaced')
}

async function expectState(world: World, state: string): Promise<void> {
  const found = (await world.batches()).at(-1)
  if (found?.state !== state) throw new Error(`the batch is ${found?.state}: ${found?.note}`)
}
