import { address, networks, Transaction } from 'bitcoinjs-lib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sigopCost } from '../../../src/lib/bitcoin/sigops.ts'
import { fromHex } from '../../../src/lib/bytes.ts'
import { type TestNode, testNode } from '../../support/bitcoind.ts'

let node: TestNode
beforeAll(async () => {
  node = await testNode()
  await node.cli('createwallet', 'some', false, false, '', false, true, true)
  await node.mine(101, await node.cliText('getnewaddress', '', 'bech32'))
  await node.mine(1, await node.cliText('getnewaddress', '', 'bech32m'))
  await node.mine(1, await node.cliText('getnewaddress', '', 'legacy'))
  await node.mine(101)
})
afterAll(() => node.remove())

type Counted = { readonly txid: string; readonly data: string; readonly sigops: number }
type Listed = { readonly txid: string; readonly vout: number; readonly scriptPubKey: string }

const scriptOf = async ({ txid, vout }: Pick<Listed, 'txid' | 'vout'>) => {
  const { hex } = (await node.cli('gettransaction', txid)) as { hex: string }
  const output = Transaction.fromHex(hex).outs[vout]
  if (!output) throw new Error('a coin has its output')
  return output.script
}

/** What the node's template says of every transaction in its mempool. */
async function counted(): Promise<readonly Counted[]> {
  const template = (await node.cli('getblocktemplate', { rules: ['segwit'] })) as {
    transactions: Counted[]
  }
  return template.transactions
}

test('signature operations are counted as the node counts them', async () => {
  const coins = (await node.cli('listunspent')) as Listed[]
  const outputs = [
    await node.cliText('getnewaddress', '', 'bech32'),
    await node.cliText('getnewaddress', '', 'legacy'),
    await node.cliText('getnewaddress', '', 'bech32m'),
    address.toBech32(new Uint8Array(32).fill(7), 0, networks.regtest.bech32),
  ]
  for (const kind of ['0014', '5120', '76a9']) {
    const coin = coins.find(({ scriptPubKey }) => scriptPubKey.startsWith(kind))
    if (!coin) throw new Error(`there is no coin of ${kind}`)
    const pays = outputs.map((to, n) => ({ [to]: 1 + n / 10 }))
    const raw = await node.cliText(
      'createrawtransaction',
      [{ txid: coin.txid, vout: coin.vout }],
      [...pays, { data: 'acacaeae' }],
    )
    const { hex } = (await node.cli('signrawtransactionwithwallet', raw)) as { hex: string }
    await node.cli('sendrawtransaction', hex, 0, '10')
  }
  const found = await counted()
  expect(found).toHaveLength(3)
  for (const { data, sigops } of found) {
    const transaction = Transaction.fromHex(data)
    const spent = await Promise.all(
      transaction.ins.map(({ hash, index }) =>
        scriptOf({ txid: Buffer.from(hash).reverse().toString('hex'), vout: index }),
      ),
    )
    expect(sigopCost(transaction, spent)).toBe(sigops)
  }
  expect(new Set(found.map(({ sigops }) => sigops)).size).toBeGreaterThan(1)
})

const CHECKSIG = 'ac'
const witnessScript = (...items: readonly string[]) => fromHex(items.join(''))
const P2WSH = fromHex(`0020${'cc'.repeat(32)}`)

test.each<[string, Uint8Array, number]>([
  ['one key', witnessScript(`21${'02'.repeat(33)}`, CHECKSIG), 1],
  ['two of three keys', witnessScript('52', `21${'02'.repeat(33)}`.repeat(3), '53ae'), 3],
  ['keys whose number is not said', witnessScript('00ae'), 20],
  ['a push that holds the opcodes', witnessScript('04acacaeae', CHECKSIG), 1],
  [
    'long pushes that hold the opcodes',
    witnessScript('4c02acac', '4d0200acac', '4e02000000acac'),
    0,
  ],
  ['what cannot be read on', witnessScript(CHECKSIG, '4cffac'), 1],
  ['nothing', witnessScript(), 0],
])('a witness script with %s counts so many', (_, script, cost) => {
  const transaction = new Transaction()
  transaction.addInput(new Uint8Array(32).fill(1), 0)
  transaction.setWitness(0, [new Uint8Array(), script])
  expect(sigopCost(transaction, [P2WSH])).toBe(cost)
})

test('outside a witness each counts four times', () => {
  const transaction = new Transaction()
  transaction.addInput(new Uint8Array(32).fill(1), 0, 0, fromHex('ac'))
  transaction.addOutput(fromHex('aeadaf'), 0n)
  expect(sigopCost(transaction, [fromHex('51')])).toBe(4 * (1 + 20 + 1 + 20))
})
