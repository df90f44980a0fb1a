import { Psbt, Transaction } from 'bitcoinjs-lib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CoinManifest, encodeManifest, type L1SignRequest } from '../../src/approval/index.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { batchOf, finalBytes, type Scene, scene } from './scene.ts'
import { approvals, scriptOfAddress } from './world.ts'

// Whoever has the pool's host has its channel key, its wallet's view and every approval so far.
let node: TestNode
let it: Scene
let manifest: CoinManifest
/** What an honest pool asks for, with a real node's PSBT. */
let honest: L1SignRequest
beforeAll(async () => {
  node = await testNode()
  it = await scene(node, 'wpkh')
  const batch = await batchOf(it, 1, 0)
  manifest = batch.manifest
  await it.sign(manifest, batch.order, 2000n, [])
  const [asked] = it.requests
  if (!asked) throw new Error('the pool asked')
  honest = { ...asked, acts: approvals(manifest, ['alice']) }
})
afterAll(async () => {
  await it.remove()
  await node.remove()
})

type Output = { script: Uint8Array; value: bigint }
/** The honest PSBT with other outputs, everything else as the node made it. */
function withOutputs(change: (outputs: Output[]) => Output[]): Uint8Array {
  const old = Psbt.fromBuffer(honest.psbt)
  const made = new Psbt().setVersion(old.version).setLocktime(old.locktime)
  for (const [at, input] of old.data.inputs.entries()) {
    const { hash, index, sequence = 0 } = old.txInputs[at] ?? { hash: new Uint8Array(), index: 0 }
    const { witnessUtxo, nonWitnessUtxo, bip32Derivation } = input
    if (!witnessUtxo || !nonWitnessUtxo || !bip32Derivation) throw new Error('the node adds them')
    made.addInput({ hash, index, sequence, witnessUtxo, nonWitnessUtxo, bip32Derivation })
  }
  const derivation = old.data.outputs.at(-1)?.bip32Derivation ?? []
  const outputs = change(old.txOutputs.map(({ script, value }) => ({ script, value })))
  for (const output of outputs) made.addOutput({ ...output, bip32Derivation: derivation })
  return new Uint8Array(made.toBuffer())
}

const [PAY, CHANGE] = [0, 1]
const stranger = scriptOfAddress(666)
const at = (outputs: readonly Output[], index: number): Output => {
  const output = outputs[index]
  if (!output) throw new Error('there are two outputs')
  return output
}

test.each<[string, () => Partial<L1SignRequest>, string]>([
  ['no approvals', () => ({ acts: [] }), '0 of 1'],
  ["strangers' approvals", () => ({ acts: approvals(manifest, ['stranger', 'pool']) }), '0 of 1'],
  [
    'approvals of another batch',
    () => ({ acts: approvals({ ...manifest, feeMax: sats(1n) }, ['alice']) }),
    '0 of 1',
  ],
  [
    'an edited manifest',
    () => ({ manifest: encodeManifest({ ...manifest, feeMax: sats(90_000n) }) }),
    '0 of 1',
  ],
  [
    'an output more',
    () => ({ psbt: withOutputs(all => [...all, { script: stranger, value: 1n }]) }),
    'not the payees',
  ],
  [
    'another amount',
    () => ({
      psbt: withOutputs(all => [
        { ...at(all, PAY), value: at(all, PAY).value + 1n },
        at(all, CHANGE),
      ]),
    }),
    'not what payee 0',
  ],
  ['a swapped order', () => ({ psbt: withOutputs(all => [...all].reverse()) }), 'not what payee 0'],
  [
    'change to a stranger',
    () => ({
      psbt: withOutputs(all => [at(all, PAY), { ...at(all, CHANGE), script: stranger }]),
    }),
    'change does not go',
  ],
  [
    'a fee above',
    () => ({
      psbt: withOutputs(all => [
        at(all, PAY),
        { ...at(all, CHANGE), value: at(all, CHANGE).value - 50_000n },
      ]),
    }),
    'above the approved',
  ],
])('at the port of the real program, %s is refused', async (_, change, reason) => {
  const answer = await it.host.client.sign({ ...honest, ...change() })
  expect(answer).toMatchObject({
    value: { kind: 'refused', reason: expect.stringContaining(reason), head: { position: 1 } },
  })
})

test('then what is honest is signed, and the node takes it', async () => {
  const answer = await it.host.client.sign(honest)
  if (answer.kind !== 'answer' || answer.value.kind !== 'signed') throw new Error('it is signed')
  const raw = finalBytes(answer.value.psbt)
  const id = Transaction.fromBuffer(raw).getId()
  expect(await node.cliText('sendrawtransaction', toHex(raw))).toBe(id)
})
