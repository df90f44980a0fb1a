import { assert } from '../assert.ts'
import { concat } from '../bytes.ts'
import { PUSH_BYTES_MAX } from './script.ts'

const OP_RETURN = 0x6a
const OP_PUSHDATA1 = 0x4c
const OP_PUSHDATA2 = 0x4d
const OP_PUSHDATA4 = 0x4e
/** Longer messages than a push of two length bytes holds do not exist. */
const DATA_BYTES_MAX = 0xffff

/** An output script that carries data by the shortest push of 1 to 65,535 bytes. */
export function opReturnOf(data: Uint8Array): Uint8Array {
  assert(data.length > 0 && data.length <= DATA_BYTES_MAX, 'a message is 1 to 65535 bytes')
  return concat(Uint8Array.of(OP_RETURN, ...pushPrefix(data.length)), data)
}

function pushPrefix(length: number): readonly number[] {
  if (length <= PUSH_BYTES_MAX) return [length]
  if (length <= 0xff) return [OP_PUSHDATA1, length]
  return [OP_PUSHDATA2, length & 0xff, length >> 8]
}

/**
 * What an output script carries when it is OP_RETURN and exactly one push, however that is encoded.
 *
 * @returns null for any other script; numbers that are opcodes of their own are no push
 * Source: bip300301_enforcer, lib/messages.rs, `CoinbaseMessage::parse`.
 */
export function readOpReturn(script: Uint8Array): Uint8Array | null {
  const opcode = script[1]
  if (script[0] !== OP_RETURN || opcode === undefined) return null
  const lengthBytes = lengthBytesOf(opcode)
  if (lengthBytes === null) return null
  const dataAt = 2 + lengthBytes
  if (script.length < dataAt) return null
  let length = lengthBytes === 0 ? opcode : 0
  for (let i = lengthBytes - 1; i >= 0; i--) length = length * 256 + (script[2 + i] ?? 0)
  return script.length === dataAt + length ? script.subarray(dataAt) : null
}

function lengthBytesOf(opcode: number): number | null {
  if (opcode <= PUSH_BYTES_MAX) return 0
  if (opcode === OP_PUSHDATA1) return 1
  if (opcode === OP_PUSHDATA2) return 2
  return opcode === OP_PUSHDATA4 ? 4 : null
}
