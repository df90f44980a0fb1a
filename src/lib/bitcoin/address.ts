import { address as codec, networks } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { unreachable } from '../assert.ts'
import { ceilDiv, type Sats, sats } from '../money.ts'
import type { Network } from './network.ts'

/** The kinds of output that the pool pays to. */
export type ScriptType = 'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh' | 'p2tr' | 'future witness'

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

/** Of a witness program. Source: BIP 141. */
const PROGRAM_BYTES_MIN = 2
const PROGRAM_BYTES_MAX = 40
/** Not every node relays a script of more than 34 bytes, and one such payee would stop a batch. */
const FUTURE_PROGRAM_BYTES_MAX = 32

/** What tells the addresses of one network from those of another. */
export type Prefixes = {
  readonly bech32: string
  readonly pubKeyHash: number
  readonly scriptHash: number
}

/** How addresses begin; testnet4 and signet share it, so an address of one is one of the other. */
export function prefixesOf(network: Network): Prefixes {
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
 * Reads a Bitcoin address. Witness versions 2 to 16 are addresses as nodes take them, so that a
 * payee need not wait for us when they come into use: until then anyone can spend what is paid to
 * them. A program of version 1 that is no Taproot key is none.
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
  if (isTaproot) return 'p2tr'
  const { length } = program
  const isLong = length >= PROGRAM_BYTES_MIN && length <= FUTURE_PROGRAM_BYTES_MAX
  return version >= 2 && version <= 16 && isLong ? 'future witness' : null
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

/** What nodes take for dust unless told otherwise. Source: Bitcoin Core, DUST_RELAY_TX_FEE. */
export const DUST_RELAY_SAT_PER_KVB = sats(3000n)
/** What spending an output adds, in virtual bytes: with a witness, and without. */
const WITNESS_SPEND_VBYTES = 67
const BARE_SPEND_VBYTES = 148

/**
 * The smallest output to a script that nodes relay: less is dust. It is what the output and the
 * input that spends it would cost.
 *
 * @param relayRate the node's `dustrelayfee`, satoshis a thousand virtual bytes
 * Source: Bitcoin Core, GetDustThreshold; measured on a node, output by output.
 */
export function dustLimit(script: Uint8Array, relayRate: Sats): Sats {
  const output = 8 + 1 + script.length
  const spend = isWitnessProgram(script) ? WITNESS_SPEND_VBYTES : BARE_SPEND_VBYTES
  return sats(ceilDiv(BigInt(output + spend) * relayRate, 1000n))
}

/** Source: BIP 141; Bitcoin Core, CScript::IsWitnessProgram. */
function isWitnessProgram(script: Uint8Array): boolean {
  const [version = 0xff, length] = script
  const isVersion = version === 0 || (version >= 0x51 && version <= 0x60)
  const isLong = script.length >= 2 + PROGRAM_BYTES_MIN && script.length <= 2 + PROGRAM_BYTES_MAX
  return isVersion && isLong && length === script.length - 2
}
