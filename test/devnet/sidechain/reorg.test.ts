import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { fromHex } from '../../../src/lib/bytes.ts'
import { sats } from '../../../src/lib/money.ts'
import { parseBareAddress } from '../../../src/lib/thunder/address.ts'
import { authorize } from '../../../src/lib/thunder/authorization.ts'
import { coinJson } from '../../../src/lib/thunder/json.ts'
import { seedOfMnemonic, thunderKey } from '../../../src/lib/thunder/keys.ts'
import {
  outputTotal,
  thunderTxid,
  transactionBytes,
  utxoHash,
} from '../../../src/lib/thunder/transaction.ts'
import { signedToJson } from '../../../src/lib/thunder/write-json.ts'
import { TEST_MNEMONIC } from '../../support/sidechain.ts'
import { type SimulatedSidechain, simulatedSidechain } from '../../support/simulated-sidechain.ts'

const PAYEE = '8twUkpctzwgbjqi5o14qWjrD9uk'
const KEY = thunderKey(seedOfMnemonic(TEST_MNEMONIC) ?? fromHex(''), 1)
const NO_LEAF = 'node error: state error: utreexo error (Could not find node)'
const DOUBLE = "node error: mempool error: can't add transaction, utxo double spent"

let sidechain: SimulatedSidechain
beforeAll(async () => {
  sidechain = await simulatedSidechain()
  await sidechain.thunderCall('set_seed_from_mnemonic', TEST_MNEMONIC)
  await sidechain.thunderCall('get_new_address')
  await deposit(KEY.address)
})
afterAll(() => sidechain.remove())

/** Makes a deposit, which the node does not relay, and mines it and the block that credits it. */
async function deposit(address: string): Promise<void> {
  const { enforcerCall, enforcer, mineSideBlock } = sidechain
  const wanted = { sidechain_id: 9, address, value_sats: 1_000_000, fee_sats: 1000 }
  const sent = enforcerCall('WalletService/CreateDepositTransaction', wanted)
  await expect(sent).rejects.toThrow(/HTTP 500 .*broadcast deposit transaction failed/)
  const raw = enforcer.parts.wallet?.deposits().at(-1)?.raw ?? ''
  await enforcer.control.mine({ transactions: [fromHex(raw)] })
  await mineSideBlock()
}

const coinsOf = async (address: string) =>
  z.array(coinJson).parse(await sidechain.thunderCall('get_utxos', [address]))

/** A payment of one coin of ours, signed by our own key. */
async function payment(amount: bigint) {
  const [coin] = await coinsOf(KEY.address)
  const payee = parseBareAddress(PAYEE)
  if (!coin || !payee) throw new Error('there is a coin to spend')
  const rest = outputTotal(coin.output) - amount
  const transaction = {
    inputs: [{ outPoint: coin.outPoint, utxoHash: utxoHash(coin.outPoint, coin.output) }],
    outputs: [
      { address: payee, content: { kind: 'value', value: sats(amount) } },
      { address: KEY.address, content: { kind: 'value', value: sats(rest) } },
    ],
    proof: { targets: [], hashes: [] },
  } as const
  const bytes = transactionBytes(transaction)
  const authorizations = [authorize(bytes, KEY.privateKey)]
  return {
    txid: thunderTxid(bytes),
    json: signedToJson({ transaction, authorizations }, 'regtest'),
  }
}

const submit = (json: unknown) => sidechain.thunderCall('submit_transaction', json)
const paid = async () => (await coinsOf(PAYEE)).map(({ output }) => Number(outputTotal(output)))

/** Gives up so many main blocks for one more that carry nothing. */
async function giveUp(depth: number): Promise<void> {
  const { node } = sidechain
  const height = z.number().parse(await node.cli('getblockcount'))
  await node.cli('invalidateblock', await node.cliText('getblockhash', height - depth + 1))
  await node.mine(depth + 1)
}

test('after a reorganisation by one block Thunder stalls until its block is invalidated', async () => {
  const { thunderCall, mineSideBlock } = sidechain
  await mineSideBlock()
  const { txid, json } = await payment(1000n)
  expect(await submit(json)).toBe(txid)
  const { side } = await mineSideBlock()
  await giveUp(1)
  expect(await thunderCall('get_best_sidechain_block_hash')).toBe(side)
  expect(await paid()).toEqual([1000])
  await expect(mineSideBlock()).rejects.toThrow('is not the tip')
  await expect(mineSideBlock()).rejects.toThrow('is not the tip')
  await thunderCall('invalidate_block', side)
  expect(await paid()).toEqual([])
  await expect(submit(json)).rejects.toThrow(DOUBLE)
  await mineSideBlock()
  expect(await paid()).toEqual([1000])
  await expect(submit(json)).rejects.toThrow(NO_LEAF)
})

test('after a reorganisation by three blocks it recovers by itself, and no payment is lost', async () => {
  const { mineSideBlock } = sidechain
  await mineSideBlock()
  await submit((await payment(2000n)).json)
  for (let i = 0; i < 3; i++) await mineSideBlock()
  await giveUp(3)
  // The first block after it is empty, and undoes those that the main chain gave up.
  await mineSideBlock()
  expect(await paid()).toEqual([1000])
  await mineSideBlock()
  expect((await paid()).sort()).toEqual([1000, 2000])
})

test('undoing a block that follows a deposit panics in the published node and not in the repaired', async () => {
  const { thunder, thunderCall, mineSideBlock } = sidechain
  await deposit(KEY.address)
  const { side } = await mineSideBlock()
  await giveUp(1)
  await expect(thunderCall('invalidate_block', side)).rejects.toThrow('fetch failed')
  await expect(mineSideBlock()).rejects.toThrow('is not the tip')
  expect(await thunderCall('get_best_sidechain_block_hash')).toBe(side)
  await thunder.control.restart('kept')
  await expect(thunderCall('invalidate_block', side)).rejects.toThrow('fetch failed')
  thunder.control.setPanicsOnUndo(false)
  await thunder.control.restart('kept')
  expect(await thunderCall('invalidate_block', side)).toBeNull()
  await mineSideBlock()
})

test('a reply can be lost after the transaction was taken, and a power loss forgets it', async () => {
  const { thunder } = sidechain
  const { txid, json } = await payment(3000n)
  thunder.control.breakNext('submit_transaction', 'request lost')
  await expect(submit(json)).rejects.toThrow('fetch failed')
  thunder.control.breakNext('submit_transaction', 'reply lost')
  await expect(submit(json)).rejects.toThrow('fetch failed')
  await expect(submit(json)).rejects.toThrow(DOUBLE)
  await thunder.control.restart('kept')
  await expect(submit(json)).rejects.toThrow(DOUBLE)
  await thunder.control.restart('lost')
  expect(await submit(json)).toBe(txid)
})

test('a deposit to the deposit form of an address is credited to nobody', async () => {
  await deposit(`s9_${PAYEE}_ca9565`)
  const burned = await coinsOf('11111111111111111111')
  expect(burned.map(({ output }) => Number(outputTotal(output)))).toEqual([1_000_000])
})
