import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import {
  createRecipients,
  recipientAddress,
  settle,
  spendAsRecipient,
  versionsIn,
} from '../payouts/l1-chain.ts'
import { addressOf, createWorld, fundWallet, WALLET, type World } from '../payouts/l1-world.ts'
import { OWED } from '../payouts/seed.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { L1_CASES } from './l1-cases.ts'
import { L1_NODE_CASES } from './l1-node-cases.ts'
import { checkBooks, checkOutputs } from './oracle.ts'

/** Faults of the main chain on real parts; what a crash leaves is in crash.test.ts. */
const PAID = (OWED[0] ?? 0n) / 1000n
const SOON = { everyMs: 20, timeoutMs: 30_000 }

let node: TestNode
let lastPayee = 900_000
beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
})
afterAll(() => node.remove())

const stateOf = async (world: World) => (await world.batches()).at(-1)?.state

/** When the fault is over, the same jobs bring the batch to its end. */
async function untilSettled(world: World): Promise<boolean> {
  const look = async () => {
    await world.advance()
    if ((await stateOf(world)) === 'settled') return true
    await node.mine(1)
    return null
  }
  return (await pollUntil(look, SOON)) === true
}

for (const { number, name, play, ends } of [...L1_CASES, ...L1_NODE_CASES]) {
  test(`fault ${number}: ${name}`, async () => {
    const address = addressOf(++lastPayee)
    const world = await createWorld(node, [address])
    const batch = await world.planned()
    await world.approve(batch)
    await play({ world, node, batch })
    const debt = { address, amount: PAID }
    if (ends === 'paid')
      expect(await untilSettled(world), JSON.stringify(await notes(world))).toBe(true)
    const debts = ends === 'paid' ? { paid: [debt], unpaid: [] } : { paid: [], unpaid: [debt] }
    expect(await checkOutputs({ node: node.cli }, debts)).toEqual([])
    expect(await checkBooks(world.db)).toEqual([])
    expect(await world.batches(), 'one batch paid it all').toHaveLength(1)
    await world.database.drop()
  })
}

const notes = async (world: World) =>
  (await world.batches()).map(({ state, note }) => `${state}: ${note}`)

test('fault 26: what was paid is sent once more when all its outputs are spent', async () => {
  await createRecipients(node)
  const world = await createWorld(node, [await recipientAddress(node)])
  const batch = await world.planned()
  await world.approve(batch)
  await world.advance()
  const [version] = await versionsIn(world)
  const txid = version?.txid ?? ''
  await spendAsRecipient(node, { txid, vout: 0, value: PAID }, { count: 1, fee: 1000n })
  const pool = connectNode(node.rpc)
  const own = await pool.call('getnewaddress', ['', 'bech32'], { wallet: WALLET })
  const change = { inputs: [{ txid, vout: 1 }], add_to_wallet: false }
  const raw = z
    .object({ hex: z.string() })
    .parse(await pool.call('sendall', [[own], null, 'unset', 2, change], { wallet: WALLET }))
  await node.cli('sendrawtransaction', raw.hex)
  await node.mine(1)
  expect((await world.rail.send(batch)).kind).toBe('unknown')
  expect(await stateOf(world)).toBe('sent')
  await settle(world, node)
  expect(await stateOf(world)).toBe('settled')
  expect(await checkBooks(world.db)).toEqual([])
  await world.database.drop()
})
