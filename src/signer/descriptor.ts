import { DescriptorsFactory, signers } from '@bitcoinerlab/descriptors'
import { BIP32Factory } from 'bip32'
import { initEccLib, networks, Psbt, Transaction } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import type { Network } from '../lib/bitcoin/network.ts'
import { toHex } from '../lib/bytes.ts'

initEccLib(secp256k1)
const bip32 = BIP32Factory(secp256k1)
const { Output } = DescriptorsFactory(secp256k1)

/** Of chain 0 (received) or 1 (change). */
export type Place = { readonly chain: 0 | 1; readonly index: number }

/** An output script of the wallet, with all that a PSBT says of it. */
export type WalletOutput = {
  readonly script: Uint8Array
  readonly address: string
  /** Adds an input that spends such an output of a transaction, as replaceable. */
  readonly addInput: (psbt: Psbt, coin: { readonly txHex: string; readonly vout: number }) => void
}

/** A wallet of ours as its output descriptor says: BIP 380, two chains as `<0;1>/*` (BIP 389). */
export type Descriptor = {
  readonly kind: 'descriptor'
  readonly text: string
  readonly network: Network
  readonly at: (place: Place) => WalletOutput
}

type ReadDescriptor = Descriptor | { readonly kind: 'not ours'; readonly reason: string }

/** A key that signs for a wallet of which it holds a part. */
export type WalletKey = {
  /**
   * Adds its signature to every input but that of a sidechain's treasury, the only one that is not
   * segwit: it asks for none. @throws Error where an input has no key of it
   */
  readonly sign: (psbt: Psbt) => void
}

/** Reads a descriptor of a native segwit wallet: one key or several, by script or by Taproot. */
export function readDescriptor(text: string, network: Network): ReadDescriptor {
  if (!text.includes('/<0;1>/*')) return { kind: 'not ours', reason: 'it lacks /<0;1>/*' }
  const bare = hardenedByApostrophe(text)
  if (/[xt]prv/.test(bare)) return { kind: 'not ours', reason: 'it holds a private key' }
  const isTapTree = /^tr\([^,)]*,/.test(bare)
  const output = ({ chain, index }: Place) =>
    new Output({
      descriptor: bare,
      ...{ change: chain, index, network: networksOf(network) },
      ...(isTapTree ? { taprootSpendPath: 'script' as const } : {}),
    })
  try {
    // The library throws where it does not understand; here that is an answer. Read once as it
    // is written, so that a checksum that is there is good.
    new Output({ descriptor: text, change: 0, index: 0, network: networksOf(network) })
    const first = output({ chain: 0, index: 0 })
    if (!first.isSegwit() || first.getRedeemScript())
      return { kind: 'not ours', reason: 'only native segwit keeps a txid when signed' }
  } catch (error) {
    return { kind: 'not ours', reason: error instanceof Error ? error.message : String(error) }
  }
  return {
    kind: 'descriptor',
    ...{ text, network },
    at: place => {
      const found = output(place)
      return {
        script: found.getScriptPubKey(),
        address: found.getAddress(),
        addInput: (psbt, { txHex, vout }) => {
          found.updatePsbtAsInput({ psbt, txHex, vout, rbf: true })
        },
      }
    },
  }
}

/**
 * The part of a wallet's key that a seed gives.
 *
 * @param seed 16 to 64 bytes (BIP 32)
 * @returns null where no key of the descriptor comes from the seed
 */
export function walletKey(descriptor: Descriptor, seed: Uint8Array): WalletKey | null {
  const master = bip32.fromSeed(seed, networksOf(descriptor.network))
  const sign = (psbt: Psbt) => {
    for (const [index, { witnessUtxo }] of psbt.data.inputs.entries())
      if (witnessUtxo) signers.signInputBIP32({ psbt, index, node: master })
  }
  try {
    // It is of the wallet when it can sign for it; the library throws where it cannot.
    sign(trialOf(descriptor))
  } catch {
    return null
  }
  return { sign }
}

/** Spends a coin of the wallet that never was. */
function trialOf(descriptor: Descriptor): Psbt {
  const { script, addInput } = descriptor.at({ chain: 0, index: 0 })
  const made = new Transaction()
  made.addInput(new Uint8Array(32), 0)
  made.addOutput(script, 1n)
  const psbt = new Psbt()
  addInput(psbt, { txHex: made.toHex(), vout: 0 })
  return psbt.addOutput({ script, value: 1n })
}

/**
 * Public descriptors of a seed's first account: what a pool's watch-only wallet is made from.
 *
 * Source: BIP 84 for version 0 scripts, BIP 86 for Taproot.
 */
export function accountDescriptors(seed: Uint8Array, network: Network) {
  const master = bip32.fromSeed(seed, networksOf(network))
  const coin = network === 'mainnet' ? 0 : 1
  const describe = (kind: 'wpkh' | 'tr', purpose: number) => {
    const origin = `${purpose}h/${coin}h/0h`
    const account = master
      .derivePath(`m/${origin.replaceAll('h', "'")}`)
      .neutered()
      .toBase58()
    return `${kind}([${toHex(master.fingerprint)}/${origin}]${account}/<0;1>/*)`
  }
  return { wpkh: describe('wpkh', 84), tr: describe('tr', 86) }
}

/**
 * The public half of a seed as one key of a multisig: what stands in a descriptor like
 * `wsh(sortedmulti(2,KEY,KEY,KEY))`.
 *
 * Source: BIP 48, script type 2.
 */
export function cosignerKey(seed: Uint8Array, network: Network): string {
  const master = bip32.fromSeed(seed, networksOf(network))
  const origin = `48h/${network === 'mainnet' ? 0 : 1}h/0h/2h`
  const account = master.derivePath(`m/${origin.replaceAll('h', "'")}`).neutered()
  return `[${toHex(master.fingerprint)}/${origin}]${account.toBase58()}/<0;1>/*`
}

/** Without checksum, and with the older mark of a hardened step, the only one that BIP 32 code reads. */
function hardenedByApostrophe(text: string): string {
  const bare = text.replace(/#.*$/, '')
  return bare.replace(/\[[^\]]*\]/g, origin => origin.replaceAll('h', "'"))
}

function networksOf(network: Network) {
  switch (network) {
    case 'mainnet':
      return networks.bitcoin
    case 'regtest':
      return networks.regtest
    default:
      return networks.testnet
  }
}
