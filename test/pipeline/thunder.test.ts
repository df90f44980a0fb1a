import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { approveWaiting } from '../../src/devnet/index.ts'
import { bareAddress, depositForm, type ThunderAddress } from '../../src/lib/thunder/address.ts'
import { thunderTxid, transactionBytes } from '../../src/lib/thunder/transaction.ts'
import { ofKind, type TestMiner, testMiner } from '../support/miner.ts'
import { startThunderPool, type ThunderPool } from './thunder-pool.ts'

const MINERS = 500
/** Miners with one share each that are connected at once. */
const AT_ONCE = 10
const MATURITY_BLOCKS = 100
/** The published node panics where the block before an undone one credited a deposit. */
const SIDE_BLOCKS_AFTER_DEPOSIT = 3
/** Leaves the processor to the pool, and finds a block in seconds all the same. */
const HASHES_PER_SECOND = 60_000
/** The scene's operator stands in the tables without the signed change that an admin would make. */
const SCENE_OPERATOR =
  'operators and keys are what signed changes add up to: ' +
  'operators: scene-operator is not what the signed changes add up to'

let pool: ThunderPool
let miners: TestMiner[] = []
beforeAll(async () => {
  pool = await startThunderPool()
}, 900_000)
afterAll(async () => {
  await stopMining()
  await pool?.remove()
})

/** An address of nobody, another for each number. */
function addressOf(n: number): ThunderAddress {
  const payload = new Uint8Array(20).fill(0x5c)
  new DataView(payload.buffer).setUint32(0, n)
  return bareAddress(payload)
}
const WHALE = addressOf(0)
const userOf = (address: ThunderAddress) => `${depositForm(address)}.rig`

function mine(): void {
  const { port } = pool
  miners = [testMiner({ port, user: userOf(WHALE), hashesPerSecond: HASHES_PER_SECOND })]
}
async function stopMining(): Promise<void> {
  await Promise.all(miners.splice(0).map(({ stop }) => stop()))
}

const approve = () => approveWaiting(pool.api, pool.scene.operatorSecret)
const height = async () => Number(await pool.scene.devnet.call('getblockcount'))

/** Connects, waits for one accepted share, and goes. */
async function mineOneShare(address: ThunderAddress): Promise<void> {
  const { port } = pool
  const miner = testMiner({ port, user: userOf(address), hashesPerSecond: 2000 })
  await miner.until(ofKind('accepted')).finally(miner.stop)
}

async function countAccounts(): Promise<number> {
  const { count } = await pool.db
    .selectFrom('reward_lines')
    .select(({ fn }) => fn.count<bigint>('account_id').distinct().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

type Batch = { readonly id: bigint; readonly state: string; readonly note: string }

/** Batches of payouts on Thunder that hold at least so many payouts. */
async function bigBatches(): Promise<(Batch & { readonly txid: string | null })[]> {
  const batches = await pool.db
    .selectFrom('batches')
    .innerJoin('payouts', 'payouts.batch_id', 'batches.id')
    .leftJoin('batch_versions', 'batch_versions.batch_id', 'batches.id')
    .select(['batches.id', 'batches.state', 'batches.note', 'batch_versions.txid'])
    .where('rail', '=', 'thunder')
    .groupBy(['batches.id', 'batches.state', 'batches.note', 'batch_versions.txid'])
    .having(({ fn }) => fn.count('payouts.account_id'), '>=', BigInt(MINERS))
    .execute()
  return batches
}

/** Everything that was ever to be paid there. */
function thunderPayouts() {
  return pool.db
    .selectFrom('payouts')
    .innerJoin('batches', 'batches.id', 'payouts.batch_id')
    .select(['batches.id as batch', 'batches.state as batchState', 'destination', 'amount_sats'])
    .where('batches.rail', '=', 'thunder')
    .where('batches.state', '!=', 'released')
    .execute()
}

/** Whether a block of Thunder's best chain has the transaction, and that block. */
async function sideBlockWith(txid: string): Promise<string | null> {
  let at = await pool.side.client.bestSidechainBlock()
  while (at !== null) {
    const block = await pool.side.client.getBlock(at)
    const ids = block?.body.transactions.map(each => thunderTxid(transactionBytes(each))) ?? []
    if (ids.some(id => id === txid)) return at
    at = block?.header.prevSideHash ?? null
  }
  return null
}

const header = z.object({ confirmations: z.int() })

/**
 * Waits for the payment in a side block that the main chain of now carries: Thunder stays on an
 * orphan until the next one comes. @returns confirmations of the main block
 */
const untilMined = (txid: string) =>
  pool.until('a side block in a block of ours has the payment', async () => {
    const sideBlock = await sideBlockWith(txid)
    for (const main of sideBlock ? await pool.side.client.bmmInclusions(sideBlock) : []) {
      const reply = await pool.scene.devnet.call('getblockheader', main)
      const { confirmations } = header.parse(reply)
      if (confirmations > 0) return confirmations
    }
    return null
  })

/** Nobody's blocks take the place of the newest ones. */
async function replaceTip(depth: number): Promise<void> {
  const { devnet } = pool.scene
  const top = await height()
  await devnet.call('invalidateblock', await devnet.call('getblockhash', top - depth + 1))
  await devnet.mine(depth + 1)
}

/** What the operator does by the alert. @returns the exit code and what it said */
async function freeThunder() {
  return pool.command('thunder', 'invalidate', (await pool.side.client.bestSidechainBlock()) ?? '')
}

/**
 * Mines until the newest main block carries the side block with the payment. Where another block
 * was found before the miner could be stopped, those are undone and it is tried again.
 */
async function untilMinedInTip(txid: string): Promise<void> {
  for (;;) {
    mine()
    await untilMined(txid)
    await stopMining()
    const depth = await untilMined(txid)
    if (depth === 1) return
    await replaceTip(depth)
    await freeThunder()
  }
}

test('500 miners with addresses in deposit form are paid on Thunder by one transaction, through reorganisations', async () => {
  const { scene, side, until } = pool
  // A deposit from L1 in a block of ours, credited by a side block in a later one.
  mine()
  await until('the deposit is approved', async () => ((await approve()).length > 0 ? true : null))
  await until('the deposit is credited', async () =>
    (await side.holds(side.address)) > 0n ? true : null,
  )
  const credited = await side.client.blockCount()
  await until('side blocks go on in our blocks', async () =>
    (await side.client.blockCount()) >= credited + SIDE_BLOCKS_AFTER_DEPOSIT ? true : null,
  )
  await stopMining()

  // Each has really mined a share by itself; blocks after that pay all of them.
  const all = Array.from({ length: MINERS }, (_, n) => addressOf(n + 1))
  const waiting = [...all]
  const work = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) await mineOneShare(next)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  mine()
  await until('a block rewards everyone', async () =>
    (await countAccounts()) > MINERS ? true : null,
  )
  await stopMining()

  // What everyone has earned is due when the coinbases are mature. Those of the first blocks may be
  // planned before the others, and the change of that batch pays everyone when it is final.
  await scene.devnet.mine(MATURITY_BLOCKS)
  mine()
  await until('one batch for everyone is planned', async () => {
    if ((await bigBatches()).length > 0) return true
    await approve()
    return null
  })
  await stopMining()
  const batch = await until('that batch is approved', async () => {
    await approve()
    return (await bigBatches()).find(({ txid }) => txid !== null) ?? null
  })
  const txid = batch.txid ?? ''
  await untilMinedInTip(txid)

  // Depth 1: Thunder stalls, the batch says what to do, and the operator does it.
  await replaceTip(1)
  const tip = await side.client.bestSidechainBlock()
  const note = await until('the stall is told', async () => {
    const found = (await bigBatches()).find(({ id }) => id === batch.id)
    return found?.note.includes('thunder invalidate') ? found.note : null
  })
  expect(note).toContain(`sidepool thunder invalidate ${tip}`)
  const status = await pool.command('thunder', 'status')
  expect(status.code, status.text).toBe(1)
  const freed = await freeThunder()
  expect(freed.code, freed.text).toBe(0)
  await untilMinedInTip(txid)

  // Depth 3, with the parent of the main block that carried the payment: the next one repairs it.
  await replaceTip(3)
  await untilMinedInTip(txid)
  mine()
  await until('every batch is settled', async () => {
    await approve()
    return (await thunderPayouts()).every(({ batchState }) => batchState === 'settled') || null
  })
  await stopMining()

  const paid = await thunderPayouts()
  expect(paid.filter(({ batch: id }) => id === batch.id).length).toBeGreaterThanOrEqual(MINERS)
  for (const address of [WHALE, ...all]) {
    const amounts = paid.flatMap(each => (each.destination === address ? [each.amount_sats] : []))
    expect(amounts.length).toBeGreaterThan(0)
    const sum = amounts.reduce((total, amount) => total + amount, 0n)
    expect(await side.holds(address), address).toBe(sum)
  }
  expect(await pool.complaints()).toEqual([SCENE_OPERATOR])
}, 2_700_000)
