import { address as codec, networks } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { unreachable } from '../assert.ts'
import { type Sats, sats } from '../money.ts'
import type { Network } from './network.ts'

/** The kinds of output that the pool pays to. */
export type ScriptType = 'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh' | 'p2tr'

export type AddressOutcome =
  | {
      readonly kind: 'address'
      /** Its one spelling: Bech32 in lower case, Base58 as it is. */
      readonly text: string
      readonly script: Uint8Array
      readonly type: ScriptType
    }
  /** A good address of another network than the pool's. */
  | { readonly kind: 'wrong network' }
  | { readonly kind: 'not an address' }

/** Longer texts are not looked at: the longest address has 90 characters (BIP 173). */
const ADDRESS_CHARS_MAX = 90

type Prefixes = {
  readonly bech32: string
  readonly pubKeyHash: number
  readonly scriptHash: number
}

/** testnet4 and signet share their prefixes, so an address of one is one of the other. */
function prefixesOf(network: Network): Prefixes {
  switch (network) {
    case 'mainnet':
      return networks.bitcoin
    case 'testnet4':
    case 'signet':
      return networks.testnet
    case 'regtest':
      return networks.regtest
    default:
      return unreachable(network)
  }
}

/**
 * Reads a Bitcoin address. Witness versions above 1, and programs that only the future will know,
 * are not addresses here, since anyone could spend what is paid to them.
 *
 * Source: BIP 13, 141, 173, 350, 341. Vectors: test/vectors/address.json.
 */
export function parseAddress(text: string, network: Network): AddressOutcome {
  if (text.length > ADDRESS_CHARS_MAX) return { kind: 'not an address' }
  return parseBech32(text, network) ?? parseBase58(text, network) ?? { kind: 'not an address' }
}

function parseBech32(text: string, network: Network): AddressOutcome | null {
  const decoded = attempt(() => codec.fromBech32(text))
  if (!decoded) return null
  const { version, prefix, data } = decoded
  if (!['bc', 'tb', 'bcrt'].includes(prefix)) return null
  const type = witnessType(version, data)
  if (type === null) return { kind: 'not an address' }
  if (prefix !== prefixesOf(network).bech32) return { kind: 'wrong network' }
  const opcode = version === 0 ? 0 : 0x50 + version
  const script = Uint8Array.of(opcode, data.length, ...data)
  return { kind: 'address', text: text.toLowerCase(), script, type }
}

function witnessType(version: number, program: Uint8Array): ScriptType | null {
  if (version === 0 && program.length === 20) return 'p2wpkh'
  if (version === 0 && program.length === 32) return 'p2wsh'
  // Nobody can have a key that is no point of the curve, and what is paid to it is lost.
  const isTaproot = version === 1 && program.length === 32 && secp256k1.isXOnlyPoint(program)
  return isTaproot ? 'p2tr' : null
}

function parseBase58(text: string, network: Network): AddressOutcome | null {
  const decoded = attempt(() => codec.fromBase58Check(text))
  if (!decoded) return null
  const { version, hash } = decoded
  const ours = prefixesOf(network)
  if (version === ours.pubKeyHash) {
    const script = Uint8Array.of(0x76, 0xa9, 20, ...hash, 0x88, 0xac)
    return { kind: 'address', text, script, type: 'p2pkh' }
  }
  if (version === ours.scriptHash) {
    const script = Uint8Array.of(0xa9, 20, ...hash, 0x87)
    return { kind: 'address', text, script, type: 'p2sh' }
  }
  const others = [networks.bitcoin, networks.testnet]
  const isKnown = others.some(other => [other.pubKeyHash, other.scriptHash].includes(version))
  return isKnown ? { kind: 'wrong network' } : { kind: 'not an address' }
}

/** The library says by throwing that a text is no address; here that is an answer. */
function attempt<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}

/**
 * The smallest output that nodes relay at the usual 3 sat/vB: less is dust.
 * Source: Bitcoin Core, GetDustThreshold; measured on a node, output by output.
 */
export function dustLimit(type: ScriptType): Sats {
  switch (type) {
    case 'p2pkh':
      return sats(546n)
    case 'p2sh':
      return sats(540n)
    case 'p2wpkh':
      return sats(294n)
    case 'p2wsh':
    case 'p2tr':
      return sats(330n)
    default:
      return unreachable(type)
  }
}
