import { DescriptorsFactory } from '@bitcoinerlab/descriptors'
import { BIP32Factory, type BIP32Interface } from 'bip32'
import { initEccLib, networks, Psbt, Transaction } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { combineTaken, signaturesIn, takeSignatures } from '../../src/payouts/rails/l1/cosign.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

initEccLib(secp256k1)
const network = networks.regtest
const { Output } = DescriptorsFactory(secp256k1)
const bip32 = BIP32Factory(secp256k1)
const ACCOUNT = "48'/1'/0'/2'"
/** A point whose discrete logarithm nobody knows. Source: BIP 341, "H". */
const NOBODYS_KEY = '50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0'
const FEE = 1000n

const seeds = [1, 2, 3].map(n => bip32.fromSeed(new Uint8Array(32).fill(n), network))
const keys = seeds
  .map(seed => {
    const account = seed.derivePath(`m/${ACCOUNT}`).neutered().toBase58()
    return `[${toHex(seed.fingerprint)}/${ACCOUNT}]${account}/0/*`
  })
  .join(',')
const WALLETS = {
  'wsh(sortedmulti)': `wsh(sortedmulti(2,${keys}))`,
  'tr(sortedmulti_a)': `tr(${NOBODYS_KEY},sortedmulti_a(2,${keys}))`,
} as const

let node: TestNode
beforeAll(async () => {
  node = await testNode()
  await node.cli('createwallet', 'miner')
})
afterAll(() => node.remove())

/** An unsigned spend of two coins of the multisig, as a co-signer gets it. */
async function unsignedSpend(descriptor: string): Promise<Uint8Array> {
  const output = new Output({
    ...{ descriptor, network, index: 5 },
    ...(descriptor.startsWith('tr') ? { taprootSpendPath: 'script' as const } : {}),
  })
  const psbt = new Psbt({ network })
  let value = 0n
  for (const block of await node.mine(2, output.getAddress())) {
    const { tx } = z.object({ tx: z.array(z.string()) }).parse(await node.cli('getblock', block, 1))
    const txHex = await node.cliText('getrawtransaction', tx[0], false, block)
    output.updatePsbtAsInput({ psbt, txHex, vout: 0 })
    value += Transaction.fromHex(txHex).outs[0]?.value ?? 0n
  }
  psbt.addOutput({ script: output.getScriptPubKey(), value: value - FEE })
  await node.mine(100)
  return psbt.toBuffer()
}

function signedBy(psbt: Uint8Array, seed: BIP32Interface | undefined): Uint8Array {
  const copy = Psbt.fromBuffer(psbt, { network })
  const key = seed?.derivePath(`m/${ACCOUNT}/0/5`)
  if (!key) throw new Error('there is no such co-signer')
  copy.signAllInputs(key)
  return copy.toBuffer()
}

function taken(ours: Uint8Array, theirs: Uint8Array): Uint8Array {
  const outcome = takeSignatures(ours, theirs)
  if (outcome.kind === 'refused') throw new Error(outcome.reason)
  return outcome.psbt
}

async function finalised(psbt: Uint8Array): Promise<{ hex?: string | undefined; psbt?: string }> {
  const reply = z.object({ hex: z.string().optional(), complete: z.boolean() })
  return reply.parse(await node.cli('finalizepsbt', Buffer.from(psbt).toString('base64')))
}

for (const [name, descriptor] of Object.entries(WALLETS))
  describe(name, () => {
    test('any two of three co-signers, and all three, make a transaction that a node takes', async () => {
      for (const who of [
        [0, 1],
        [0, 2],
        [1, 2],
        [0, 1, 2],
      ]) {
        const ours = await unsignedSpend(descriptor)
        const parts = who.map(index => taken(ours, signedBy(ours, seeds[index])))
        expect((await finalised(parts[0] ?? ours)).hex).toBeUndefined()
        const all = combineTaken(ours, parts)
        expect(signaturesIn(all)).toBe(who.length)
        const { hex } = await finalised(all)
        expect(await node.cliText('sendrawtransaction', hex)).toMatch(/^[0-9a-f]{64}$/)
      }
    })

    test('signatures are taken from one another chain of co-signers, and from what Core made final', async () => {
      const ours = await unsignedSpend(descriptor)
      const chained = signedBy(signedBy(ours, seeds[0]), seeds[2])
      expect(signaturesIn(taken(ours, chained))).toBe(2)
      const reply = z.object({ psbt: z.string() })
      const text = Buffer.from(chained).toString('base64')
      const final = reply.parse(await node.cli('finalizepsbt', text, false)).psbt
      expect(signaturesIn(taken(ours, new Uint8Array(Buffer.from(final, 'base64'))))).toBe(2)
    })

    test('nothing is taken of a stranger, of another transaction, or of what leaves something open', async () => {
      const ours = await unsignedSpend(descriptor)
      const other = await unsignedSpend(descriptor)
      const refused = (theirs: Uint8Array) => takeSignatures(ours, theirs)
      expect(refused(ours)).toEqual({
        kind: 'refused',
        reason: 'it brings no signature that is valid',
      })
      expect(refused(signedBy(other, seeds[0])).kind).toBe('refused')
      expect(refused(new Uint8Array([1, 2, 3])).kind).toBe('refused')
      expect(refused(tampered(signedBy(ours, seeds[0]))).kind).toBe('refused')
    })
  })

/** Every signature with one bit changed. */
function tampered(signed: Uint8Array): Uint8Array {
  const psbt = Psbt.fromBuffer(signed, { network })
  for (const { partialSig = [], tapScriptSig = [] } of psbt.data.inputs)
    for (const { signature } of [...partialSig, ...tapScriptSig]) {
      const at = signature.length - 5
      signature[at] = (signature[at] ?? 0) ^ 1
    }
  return psbt.toBuffer()
}

test('a signature that does not cover every output is not taken, though it is valid', async () => {
  const ours = await unsignedSpend(WALLETS['wsh(sortedmulti)'])
  const copy = Psbt.fromBuffer(ours, { network })
  const key = seeds[0]?.derivePath(`m/${ACCOUNT}/0/5`)
  for (const [index] of copy.data.inputs.entries()) {
    copy.updateInput(index, { sighashType: Transaction.SIGHASH_NONE })
    if (key) copy.signInput(index, key, [Transaction.SIGHASH_NONE])
  }
  expect(takeSignatures(ours, copy.toBuffer()).kind).toBe('refused')
})

test('a signature that no node relays is not taken, though it is valid', async () => {
  const ours = await unsignedSpend(WALLETS['wsh(sortedmulti)'])
  const copy = Psbt.fromBuffer(ours, { network })
  const { publicKey, privateKey } = seeds[0]?.derivePath(`m/${ACCOUNT}/0/5`) ?? {}
  if (!publicKey || !privateKey) throw new Error('a seed has private keys')
  const sign = (hash: Uint8Array) => withHighS(secp256k1.sign(hash, privateKey))
  copy.signAllInputs({ publicKey, sign })
  expect(takeSignatures(ours, copy.toBuffer()).kind).toBe('refused')
})

/** As valid as before: s and its negative sign the same. Source: BIP 146. */
function withHighS(signature: Uint8Array): Uint8Array {
  const negative = secp256k1.privateNegate(signature.slice(32))
  return Uint8Array.of(...signature.slice(0, 32), ...negative)
}

test('a field that a stranger added does not reach what is stored', async () => {
  const ours = await unsignedSpend(WALLETS['wsh(sortedmulti)'])
  const theirs = Psbt.fromBuffer(signedBy(ours, seeds[1]), { network })
  theirs.addUnknownKeyValToGlobal({ key: fromHex('fc0401'), value: fromHex('00') })
  const psbt = taken(ours, theirs.toBuffer())
  expect(Psbt.fromBuffer(psbt).data.globalMap.unknownKeyVals ?? []).toEqual([])
})

test('a PSBT full of strangers’ signatures is refused without checking each', async () => {
  const ours = await unsignedSpend(WALLETS['wsh(sortedmulti)'])
  const signed = Psbt.fromBuffer(signedBy(ours, seeds[0]), { network })
  const [good] = signed.data.inputs[0]?.partialSig ?? []
  if (!good) throw new Error('the co-signer has signed')
  const strangers = Array.from({ length: 5000 }, (_, index) => {
    const secret = new Uint8Array(32).fill(1)
    new DataView(secret.buffer).setUint32(0, index)
    return { ...good, pubkey: secp256k1.pointFromScalar(secret, true) ?? good.pubkey }
  })
  const full = Psbt.fromBuffer(ours, { network })
  for (const input of full.data.inputs) input.partialSig = strangers
  const bytes = full.toBuffer()
  const before = process.cpuUsage()
  expect(takeSignatures(ours, bytes).kind).toBe('refused')
  const { user } = process.cpuUsage(before)
  const started = process.cpuUsage()
  Psbt.fromBuffer(bytes)
  const { user: reading } = process.cpuUsage(started)
  expect(user, 'not much more work than reading it').toBeLessThan(5 * reading)
})
