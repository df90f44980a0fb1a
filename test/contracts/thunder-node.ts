import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromHex } from '../../src/lib/bytes.ts'
import { blockHash } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import {
  type ThunderClient,
  ThunderError,
  thunderClient,
} from '../../src/lib/nodes/thunder-client.ts'
import { THUNDER_SLOT } from '../../src/lib/thunder/address.ts'
import { authorize } from '../../src/lib/thunder/authorization.ts'
import { criticalHash } from '../../src/lib/thunder/block.ts'
import { thunderEra } from '../../src/lib/thunder/era.ts'
import type { Coin } from '../../src/lib/thunder/json.ts'
import { seedOfMnemonic, type ThunderKey, thunderKey } from '../../src/lib/thunder/keys.ts'
import { outputTotal, transactionBytes } from '../../src/lib/thunder/transaction.ts'
import { chainsOf } from '../../src/payouts/rails/thunder/chains-client.ts'
import { mineDeposit } from '../support/deposit.ts'
import { TEST_MNEMONIC, type TestSidechain } from '../support/sidechain.ts'
import { FEE, type Payment, payment, pays, spend } from './thunder-payment.ts'

const DOUBLE = "node error: mempool error: can't add transaction, utxo double spent"
const NO_LEAF = 'node error: state error: utreexo error (Could not find node)'
const MAIN_SCRIPT = fromHex(`0014${'32'.repeat(20)}`)
const SEED = seedOfMnemonic(TEST_MNEMONIC) ?? new Uint8Array()
const DEPOSIT = 1_000_000n
/** A bundle is made so many side blocks after one that failed, and voted for in as many and more. */
const BUNDLE_BLOCKS_MAX = 12

/**
 * What the rail, the bridge and the merge mining rely on of a Thunder node, by the pool's own
 * client. Run it in a test file of the node's own; the tests build on each other.
 */
export function testThunderNode(name: string, setUp: () => Promise<TestSidechain>): void {
  let side: TestSidechain
  let client: ThunderClient
  let key: ThunderKey
  let payee: ThunderKey
  let paid: Payment
  beforeAll(async () => {
    side = await setUp()
    client = thunderClient({ ...side.urls, network: 'regtest' })
    await side.thunderCall('set_seed_from_mnemonic', TEST_MNEMONIC)
    await side.mineSideBlock()
    key = await newKey()
    payee = await newKey()
  })
  afterAll(() => side?.remove())

  /** The wallet's next address, with the key that our own derivation gives it. */
  async function newKey(): Promise<ThunderKey> {
    const made = thunderKey(SEED, (await client.walletAddresses()).length + 1)
    expect(await side.thunderCall('get_new_address')).toBe(made.address)
    return made
  }
  async function coinOf(owner = key): Promise<Coin> {
    const coins = await client.getUtxos([owner.address])
    const best = coins.filter(({ output }) => output.content.kind === 'value').at(0)
    if (!best) throw new Error('there is a coin to spend')
    return best
  }
  /** Sorted: a node gives coins in any order. */
  const valuesOf = async (owner: ThunderKey) =>
    sorted((await client.getUtxos([owner.address])).map(({ output }) => outputTotal(output)))
  const refusal = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(ThunderError)
    return (error as ThunderError).message
  }
  const chains = () =>
    chainsOf({
      client,
      node: bitcoindClient(connectNode(side.node.rpc)),
      complaint: async () => null,
    })
  /** Main blocks for as many and one more that carry nothing. */
  async function giveUp(main: string, depth: number): Promise<void> {
    await side.node.cli('invalidateblock', main)
    await side.node.mine(depth + 1)
    await side.sync()
  }

  test(`${name}: it can be used, makes blocks, and can be told to let go of one`, async () => {
    expect(thunderEra(await client.methods())).toEqual({
      ...{ kind: 'usable', canBuildBlocks: true, canInvalidate: true },
    })
  })

  test(`${name}: its block is on both tips, and the main block that carries it makes it the tip, once`, async () => {
    const [tip, count] = [await client.bestSidechainBlock(), await client.blockCount()]
    const { criticalHash: hash, block } = await client.getBlockTemplate()
    const parent = blockHash(await side.node.cliText('getbestblockhash'))
    expect(block.header).toMatchObject({ prevSideHash: tip, prevMainHash: parent })
    const early = await client.connectBlock(block, parent).catch(() => false)
    expect(early).toBe(false)
    const main = await side.mine({ accept: hash })
    expect(await client.connectBlock(block, main)).toBe(true)
    expect(await client.connectBlock(block, main)).toBe(false)
    expect(await client.bestSidechainBlock()).toBe(hash)
    expect(await client.bestMainchainBlock()).toBe(main)
    expect(await client.bmmInclusions(hash)).toEqual([main])
    expect(await client.blockCount()).toBe(count + 1)
    const read = await client.getBlock(hash)
    expect(read && criticalHash(read.header)).toBe(hash)
    expect(await client.getBlock('00'.repeat(32))).toBeNull()
  })

  test(`${name}: a deposit is a coin of its address once the next side block is there`, async () => {
    const txid = await mineDeposit(side, key.address, DEPOSIT)
    expect(await client.getUtxos([key.address])).toEqual([])
    await side.mineSideBlock()
    expect(await client.getUtxos([key.address])).toEqual([
      { outPoint: { kind: 'deposit', hash: txid, vout: 0 }, output: pays(key.address, DEPOSIT) },
    ])
    // Undoing a block that follows one with a deposit is what published nodes panic over.
    await side.mineSideBlock()
  })

  test(`${name}: its wallet signs as our own key does, and sends nothing`, async () => {
    paid = payment(await coinOf(), key, pays(payee.address, 1000n))
    const signed = await client.signTransaction(paid.transaction)
    expect(signed.authorizations).toEqual(paid.authorizations)
    expect(transactionBytes(signed.transaction)).toEqual(paid.bytes)
    expect(await client.getTransaction(paid.txid)).toBeNull()
  })

  test(`${name}: it refuses what is not right, in its own words`, async () => {
    const coin = await coinOf()
    const stranger = thunderKey(SEED.toReversed(), 1)
    const output = pays(payee.address, DEPOSIT)
    const submit = (made: Payment) => refusal(client.submitTransaction(made))
    const unsigned = spend(coin, [output], () => [])
    expect(await submit(unsigned)).toContain('failed to verify authorization')
    const foreign = spend(coin, [output], bytes => [authorize(bytes, stranger.privateKey)])
    expect(await submit(foreign)).toContain('wrong public key for address')
    const dear = spend(coin, [pays(payee.address, DEPOSIT + 1n)], bytes => [
      authorize(bytes, key.privateKey),
    ])
    expect(await submit(dear)).toContain('value in is less than value out')
    const nowhere = { ...coin, outPoint: { ...coin.outPoint, vout: 7 } }
    expect(await submit(payment(nowhere, key, pays(payee.address, 1n)))).toBe(NO_LEAF)
  })

  test(`${name}: a payment has our own id, and until it is mined repeats and rivals count as spent twice`, async () => {
    const coin = await coinOf()
    expect(await client.submitTransaction(paid)).toBe(paid.txid)
    expect(await client.getTransaction(paid.txid)).toMatchObject({ blockHash: null })
    expect(await client.getUtxos([key.address])).toEqual([coin])
    expect(await client.getStxos([key.address])).toEqual([])
    expect(await refusal(client.submitTransaction(paid))).toBe(DOUBLE)
    const rival = payment(coin, key, pays(payee.address, 1001n))
    expect(await refusal(client.submitTransaction(rival))).toBe(DOUBLE)
    const outPoint = { kind: 'regular' as const, hash: paid.txid, vout: 0 }
    const early = payment(
      { outPoint, output: pays(payee.address, 1000n) },
      payee,
      pays(key.address, 1n),
    )
    expect(await refusal(client.submitTransaction(early))).toBe(NO_LEAF)
    await side.mineSideBlock()
  })

  test(`${name}: a mined payment is shown by the coin that it spent, and a repeat does not find it`, async () => {
    const [input] = paid.transaction.inputs
    expect(await client.getStxos([key.address])).toEqual([
      {
        ...{ outPoint: input?.outPoint, output: pays(key.address, DEPOSIT) },
        inPoint: { kind: 'regular', txid: paid.txid, vin: 0 },
      },
    ])
    expect(await client.getUtxos([payee.address])).toEqual([
      {
        outPoint: { kind: 'regular', hash: paid.txid, vout: 0 },
        output: pays(payee.address, 1000n),
      },
    ])
    expect(await valuesOf(key)).toEqual([DEPOSIT - 1000n - FEE])
    expect(await refusal(client.submitTransaction(paid))).toBe(NO_LEAF)
    const found = await chains().side.find(new Set([paid.txid]), false)
    expect(found?.hash).toBe(await client.bestSidechainBlock())
    expect(found && (await chains().placeOf(found))).toEqual({ kind: 'on chain', confirmations: 1 })
    expect((await client.getTransaction(paid.txid))?.blockHash).toBe(found?.hash)
  })

  test(`${name}: after a reorganisation of depth 1 it stalls until it is told to let go, and nothing is lost`, async () => {
    await side.mineSideBlock()
    const before = await valuesOf(payee)
    const lost = payment(await coinOf(), key, pays(payee.address, 2000n))
    await client.submitTransaction(lost)
    const { side: hash, main } = await side.mineSideBlock()
    await giveUp(main, 1)
    expect(await client.bestSidechainBlock()).toBe(hash)
    expect(await valuesOf(payee)).toContain(2000n)
    expect(await chains().stall()).toContain(`sidepool thunder invalidate ${hash}`)
    await expect(side.mineSideBlock()).rejects.toThrow('is not the tip')
    await client.invalidateBlock(hash)
    expect(await chains().stall()).toBeNull()
    expect(await valuesOf(payee)).toEqual(before)
    expect(await refusal(client.submitTransaction(lost))).toBe(DOUBLE)
    await side.mineSideBlock()
    expect(await valuesOf(payee)).toEqual(sorted([...before, 2000n]))
  })

  test(`${name}: after a reorganisation of depth 3 the next block repairs it, and nothing is lost`, async () => {
    await side.mineSideBlock()
    const before = await valuesOf(payee)
    const lost = payment(await coinOf(), key, pays(payee.address, 3000n))
    await client.submitTransaction(lost)
    const { main } = await side.mineSideBlock()
    await side.mineSideBlock()
    await side.mineSideBlock()
    await giveUp(main, 3)
    await side.mineSideBlock()
    expect(await valuesOf(payee)).toEqual(before)
    await side.mineSideBlock()
    expect(await valuesOf(payee)).toEqual(sorted([...before, 3000n]))
    expect(await chains().stall()).toBeNull()
  })

  test(`${name}: a withdrawal has our own id, waits in a bundle, and leaves by it`, async () => {
    const content = {
      ...{ kind: 'withdrawal' as const, value: sats(200_000n), mainFee: sats(1000n) },
      mainScript: MAIN_SCRIPT,
    }
    const leaving = payment(await coinOf(), key, { address: payee.address, content })
    expect(await client.submitTransaction(leaving)).toBe(leaving.txid)
    await side.mineSideBlock()
    const coin = { outPoint: { kind: 'regular' as const, hash: leaving.txid, vout: 0 } }
    const output = { address: payee.address, content }
    expect(await client.getUtxos([payee.address])).toContainEqual({ ...coin, output })
    await until(async () => {
      await side.mineSideBlock()
      return (await client.pendingBundle()) !== null
    })
    expect(await client.pendingBundle()).toContainEqual({ ...coin, output })
    const enforcer = enforcerClient({ grpcUrl: side.urls.enforcerUrl })
    await until(async () => {
      await side.mine()
      return (await enforcer.bundles(THUNDER_SLOT)).length > 0
    })
    await until(async () => {
      await side.mine()
      return (await enforcer.bundles(THUNDER_SLOT)).length === 0
    })
    await side.mineSideBlock()
    expect(await client.pendingBundle()).toBeNull()
    expect(await client.lastFailedBundleHeight()).toBeNull()
    const spent = await client.getStxos([payee.address])
    expect(spent).toContainEqual({
      ...{ ...coin, output },
      inPoint: { kind: 'withdrawal', m6id: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
  })
}

function sorted(amounts: readonly bigint[]): bigint[] {
  return amounts.toSorted((a, b) => Number(a - b))
}

async function until(step: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < BUNDLE_BLOCKS_MAX; n++) if (await step()) return
  throw new Error('it does not come about')
}
