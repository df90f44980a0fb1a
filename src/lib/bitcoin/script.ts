import { assert } from '../assert.ts'
import { bigintFromLe, concat, equalBytes } from '../bytes.ts'

/** What one opcode below OP_PUSHDATA1 can push. */
export const PUSH_BYTES_MAX = 75
const OP_1_MINUS_1 = 0x50
const OP_RETURN = 0x6a
/** Bitcoin's consensus limit on a coinbase's scriptSig. */
export const COINBASE_SCRIPT_BYTES_MAX = 100
const WITNESS_COMMITMENT_HEADER = Uint8Array.of(0xaa, 0x21, 0xa9, 0xed)

/** A push of 1 to 75 bytes by the opcode of that number. */
export function pushData(data: Uint8Array): Uint8Array {
  assert(data.length > 0 && data.length <= PUSH_BYTES_MAX, 'a push holds 1 to 75 bytes')
  return concat(Uint8Array.of(data.length), data)
}

/**
 * The block's height as the coinbase must begin with it: the shortest push of a number.
 * Source: BIP 34; Bitcoin Core, `CScript() << nHeight`, so 0 to 16 are one opcode.
 */
export function pushHeight(height: number): Uint8Array {
  assert(Number.isInteger(height) && height >= 0 && height < 2 ** 31, 'a height is 31 bits')
  if (height === 0) return Uint8Array.of(0)
  if (height <= 16) return Uint8Array.of(OP_1_MINUS_1 + height)
  const bytes: number[] = []
  for (let rest = height; rest > 0; rest >>>= 8) bytes.push(rest & 0xff)
  // The top bit is the sign, so a number that has it set takes one more byte.
  if (((bytes.at(-1) ?? 0) & 0x80) !== 0) bytes.push(0)
  return pushData(Uint8Array.from(bytes))
}

/**
 * Reads the height that a coinbase's scriptSig begins with.
 *
 * @returns null unless it is spelt as `pushHeight` does; `length` is that of the push
 */
export function readHeightPush(
  script: Uint8Array,
): { readonly height: number; readonly length: number } | null {
  const [opcode] = script
  if (opcode === undefined) return null
  const isSmall = opcode > OP_1_MINUS_1 && opcode <= OP_1_MINUS_1 + 16
  const digits = opcode <= 4 ? script.subarray(1, 1 + opcode) : new Uint8Array()
  const height = isSmall ? opcode - OP_1_MINUS_1 : Number(bigintFromLe(digits))
  if (height >= 2 ** 31) return null
  const push = pushHeight(height)
  const isCanonical = equalBytes(push, script.subarray(0, push.length))
  return isCanonical ? { height, length: push.length } : null
}

/** An output script that nobody can spend and that carries up to 75 bytes. */
export function opReturn(data: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(OP_RETURN), pushData(data))
}

/**
 * The output script that commits to the block's witnesses.
 *
 * @param commitment hash of witness root and reserved value, 32 bytes
 * Source: BIP 141, commitment structure.
 */
export function witnessCommitmentScript(commitment: Uint8Array): Uint8Array {
  assert(commitment.length === 32, 'a witness commitment has 32 bytes')
  return opReturn(concat(WITNESS_COMMITMENT_HEADER, commitment))
}
