import { address as codec } from 'bitcoinjs-lib'
import { assert } from '../assert.ts'
import { prefixesOf } from '../bitcoin/address.ts'
import type { Network } from '../bitcoin/network.ts'

/** The longest address has 90 characters (BIP 173). */
const CHARS_MAX = 90
const PROGRAM_BYTES_MIN = 2
const PROGRAM_BYTES_MAX = 40
/** Versions of pay to public key hash and to script hash: mainnet, then the test networks. */
const PUB_KEY_HASH = [0x00, 0x6f]
const SCRIPT_HASH = [0x05, 0xc4]
const P2PKH = { before: [0x76, 0xa9, 20], after: [0x88, 0xac] }
const P2SH = { before: [0xa9, 20], after: [0x87] }
const HASH_BYTES = 20

/**
 * The script that a withdrawal pays on the main chain. Thunder takes an address of any network and
 * of any witness version there, so what our own payees are refused for must be read here: one such
 * coin of somebody else's must not hide all the others in a reply.
 *
 * @returns null when the text is no address at all
 * Source: rust-bitcoin, `Address<NetworkUnchecked>`; BIP 13, 173, 350.
 */
export function scriptOfMainAddress(text: string): Uint8Array | null {
  if (text.length > CHARS_MAX) return null
  const bech32 = attempt(() => codec.fromBech32(text))
  if (bech32) return witnessScript(bech32.version, bech32.data)
  const base58 = attempt(() => codec.fromBase58Check(text))
  if (!base58) return null
  const { version, hash } = base58
  const kind = PUB_KEY_HASH.includes(version) ? P2PKH : SCRIPT_HASH.includes(version) ? P2SH : null
  return kind && Uint8Array.from([...kind.before, ...hash, ...kind.after])
}

/** The address of a withdrawal's script, as the main chain of our network writes it. */
export function mainAddressOf(script: Uint8Array, network: Network): string {
  const prefixes = prefixesOf(network)
  for (const [kind, version] of [
    [P2PKH, prefixes.pubKeyHash],
    [P2SH, prefixes.scriptHash],
  ] as const) {
    const hash = script.slice(kind.before.length, kind.before.length + HASH_BYTES)
    const whole = [...kind.before, ...hash, ...kind.after]
    const isKind = script.length === whole.length && whole.every((byte, i) => byte === script[i])
    if (isKind && hash.length === HASH_BYTES) return codec.toBase58Check(hash, version)
  }
  const [opcode = 0, length] = script
  const program = script.slice(2)
  const version = opcode === 0 ? 0 : opcode - 0x50
  const isProgram = version >= 0 && version <= 16 && program.length === length
  assert(isProgram && witnessScript(version, program) !== null, 'a withdrawal pays to an address')
  return codec.toBech32(program, version, prefixes.bech32)
}

function witnessScript(version: number, program: Uint8Array): Uint8Array | null {
  const { length } = program
  if (length < PROGRAM_BYTES_MIN || length > PROGRAM_BYTES_MAX) return null
  if (version === 0 && length !== 20 && length !== 32) return null
  return Uint8Array.of(version === 0 ? 0 : 0x50 + version, length, ...program)
}

/** The library says by throwing that a text is no address; here that is an answer. */
function attempt<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}
