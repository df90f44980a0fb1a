import { BIP32Factory } from 'bip32'
import { initEccLib, networks, Psbt } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { z } from 'zod'
import { toHex } from '../../src/lib/bytes.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import type { TestNode } from '../support/bitcoind.ts'

initEccLib(secp256k1)
const network = networks.regtest
const ACCOUNT = "48'/1'/0'/2'"
/** A point whose discrete logarithm nobody knows. Source: BIP 341, "H". */
const NOBODYS_KEY = '50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0'
const SEEDS = [1, 2, 3].map(n =>
  BIP32Factory(secp256k1).fromSeed(new Uint8Array(32).fill(n), network),
)

export type MultisigKind = 'wsh' | 'tr'

/** Two of three, with the private key of one of them where it is asked for. */
function descriptor(kind: MultisigKind, branch: 0 | 1, withPrivate: number | null): string {
  const keys = SEEDS.map((seed, index) => {
    const account = seed.derivePath(`m/${ACCOUNT}`)
    const key = index === withPrivate ? account : account.neutered()
    return `[${toHex(seed.fingerprint)}/${ACCOUNT}]${key.toBase58()}/${branch}/*`
  }).join()
  return kind === 'wsh'
    ? `wsh(sortedmulti(2,${keys}))`
    : `tr(${NOBODYS_KEY},sortedmulti_a(2,${keys}))`
}

/** The descriptor as a configuration has it: no private key, and no checksum. */
export function multisigDescriptor(kind: MultisigKind): string {
  return descriptor(kind, 0, null)
}

const holderOf = (wallet: string) => `${wallet}-holder`

/**
 * A watch-only wallet with coins, and another one, which holds the first of its three keys.
 */
export async function createMultisig(node: TestNode, kind: MultisigKind, wallet: string) {
  const { call } = connectNode(node.rpc)
  await node.cli('createwallet', wallet, true, true, '', false, true, true)
  await node.cli('createwallet', holderOf(wallet), false, true, '', false, true, true)
  const known = z.object({ checksum: z.string() })
  for (const [name, key] of [
    [wallet, null],
    [holderOf(wallet), 0],
  ] as const)
    for (const branch of [0, 1] as const) {
      const text = descriptor(kind, branch, key)
      const { checksum } = known.parse(await call('getdescriptorinfo', [text]))
      const request = {
        ...{ desc: `${text}#${checksum}`, active: true, internal: branch === 1 },
        ...{ timestamp: 'now', range: [0, 99] },
      }
      const reply = await call('importdescriptors', [[request]], { wallet: name })
      z.array(z.object({ success: z.literal(true) })).parse(reply)
    }
  const type = kind === 'wsh' ? 'bech32' : 'bech32m'
  await node.mine(6, z.string().parse(await call('getnewaddress', ['', type], { wallet })))
  await node.mine(100)
}

/** The first key's signatures, by a node's wallet. */
export async function signAtNode(node: TestNode, wallet: string, psbt: Uint8Array) {
  const { call } = connectNode(node.rpc)
  const params = [Buffer.from(psbt).toString('base64'), true, 'DEFAULT', true, false]
  const reply = await call('walletprocesspsbt', params, { wallet: holderOf(wallet) })
  const { psbt: signed } = z.object({ psbt: z.string() }).parse(reply)
  return new Uint8Array(Buffer.from(signed, 'base64'))
}

/** The signatures of one of the three, by the derivations that the PSBT says. */
export function signWithSeed(index: number, psbt: Uint8Array): Uint8Array {
  const copy = Psbt.fromBuffer(psbt, { network })
  const seed = SEEDS[index]
  for (const [at, { bip32Derivation = [], tapBip32Derivation = [] }] of copy.data.inputs.entries())
    for (const { masterFingerprint, path } of [...bip32Derivation, ...tapBip32Derivation])
      if (seed && toHex(masterFingerprint) === toHex(seed.fingerprint))
        copy.signInput(at, seed.derivePath(path))
  return copy.toBuffer()
}

/** Other signatures of the same key, as many as there are numbers. */
export function signAnew(index: number, psbt: Uint8Array, number: number): Uint8Array {
  const copy = Psbt.fromBuffer(psbt, { network })
  const entropy = new Uint8Array(32).fill(number)
  for (const [at, { bip32Derivation = [], tapBip32Derivation = [] }] of copy.data.inputs.entries())
    for (const { masterFingerprint, path } of [...bip32Derivation, ...tapBip32Derivation]) {
      const seed = SEEDS[index]
      if (!seed || toHex(masterFingerprint) !== toHex(seed.fingerprint)) continue
      const { publicKey, privateKey } = seed.derivePath(path)
      if (!privateKey) throw new Error('a seed has private keys')
      copy.signInput(at, {
        publicKey,
        sign: hash => secp256k1.sign(hash, privateKey, entropy),
        signSchnorr: hash => secp256k1.signSchnorr(hash, privateKey, entropy),
      })
    }
  return copy.toBuffer()
}

/** What a co-signer does who needs nobody else to send it. */
export async function sendSigned(node: TestNode, psbt: Uint8Array): Promise<string> {
  const final = z.object({ hex: z.string() })
  const text = Buffer.from(psbt).toString('base64')
  return node.cliText('sendrawtransaction', final.parse(await node.cli('finalizepsbt', text)).hex)
}
