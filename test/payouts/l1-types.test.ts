import { address, networks } from 'bitcoinjs-lib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { addressScript, parseDestination } from '../../src/payouts/rails/l1/destination.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { lastBatch, outputsTo, settle, versionsIn } from './l1-chain.ts'
import { createWorld, fundWallet, WALLET } from './l1-world.ts'
import { OWED } from './seed.ts'

let node: TestNode
let payees: string[]

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
  const { bech32, scriptHash } = networks.regtest
  const program = (bytes: number) => new Uint8Array(bytes).fill(7)
  payees = [
    await node.cliText('getnewaddress', '', 'legacy'),
    await node.cliText('getnewaddress', '', 'p2sh-segwit'),
    address.toBase58Check(program(20), scriptHash),
    await node.cliText('getnewaddress', '', 'bech32'),
    address.toBech32(program(32), 0, bech32),
    await node.cliText('getnewaddress', '', 'bech32m'),
    ...[2, 9, 16].map(version => address.toBech32(program(32), version, bech32)),
    address.toBech32(program(2), 16, bech32),
  ]
})
afterAll(() => node.remove())

test('one batch pays every type of address, those of future witness versions too', async () => {
  const world = await createWorld(node, payees)
  await world.approve(await world.planned())
  await world.advance()
  await settle(world, node)
  expect(await lastBatch(world)).toMatchObject({ state: 'settled', note: '' })
  expect(await versionsIn(world)).toHaveLength(1)
  for (const [index, payee] of payees.entries())
    expect([payee, await outputsTo(node, payee)]).toEqual([
      payee,
      [(OWED[index % OWED.length] ?? 0n) / 1000n],
    ])
  await world.database.drop()
})

test('what is dust is what the node says, to the satoshi, for every type', async () => {
  const [coin] = await walletClient(connectNode(node.rpc), WALLET).coins(1)
  if (!coin) throw new Error('the wallet has no coin')
  const change = await node.cliText('getnewaddress', '', 'bech32')
  const refusal = async (payee: string, paid: bigint) => {
    const btc = (sum: bigint) => (Number(sum) / 1e8).toFixed(8)
    const outputs = [{ [payee]: btc(paid) }, { [change]: btc(coin.value - paid - 10_000n) }]
    const inputs = [{ txid: coin.txid, vout: coin.vout }]
    const raw = await node.cliText('createrawtransaction', inputs, outputs)
    const signed = await node.cli('signrawtransactionwithwallet', raw)
    const { hex } = z.object({ hex: z.string() }).parse(signed)
    const verdicts = z.array(z.object({ 'reject-reason': z.string().optional() }))
    return verdicts.parse(await node.cli('testmempoolaccept', [hex]))[0]?.['reject-reason'] ?? null
  }
  for (const payee of payees) {
    const parsed = parseDestination(payee, 'regtest')
    if (parsed.kind !== 'payable') throw new Error(`${payee} is ${parsed.reason}`)
    expect(addressScript(payee, 'regtest').length).toBeGreaterThan(0)
    expect([payee, await refusal(payee, parsed.dust)]).toEqual([payee, null])
    expect([payee, await refusal(payee, parsed.dust - 1n)]).toEqual([
      payee,
      expect.stringMatching(/^dust/),
    ])
  }
})

test('the rate by which a node takes for dust is asked of it', async () => {
  const client = walletClient(connectNode(node.rpc), WALLET)
  expect(await client.dustRelayRate()).toBe(3000n)
})
