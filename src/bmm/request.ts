import { assert } from '../lib/assert.ts'
import { concat, equalBytes, fromHex, reversed, toHex } from '../lib/bytes.ts'
import { type BlockHash, blockHash } from '../lib/ids.ts'

/** A bid for a slot of the next block: its M8 says which side block the miner shall accept. */
export type BlockRequest = {
  readonly slot: number
  /** 64 hex digits in the order of the bytes. */
  readonly sideBlock: string
  /** The only parent on which the bid holds. */
  readonly previousBlock: BlockHash
}

/** OP_RETURN and the push of 68 bytes; no other encoding is an M8. */
const START = Uint8Array.of(0x6a, 0x44, 0x00, 0xbf, 0x00)
const HASH_BYTES = 32
const SLOT_AT = START.length
const SIDE_BLOCK_AT = SLOT_AT + 1
const PREVIOUS_AT = SIDE_BLOCK_AT + HASH_BYTES
const SCRIPT_BYTES = PREVIOUS_AT + HASH_BYTES

/** The script of the first output of a bid. Source: BIP 301 as enforced. */
export function requestScript({ slot, sideBlock, previousBlock }: BlockRequest): Uint8Array {
  assert(Number.isInteger(slot) && slot >= 0 && slot <= 0xff, 'a slot is one byte')
  const parts = [fromHex(sideBlock), reversed(fromHex(previousBlock))]
  assert(
    parts.every(part => part.length === HASH_BYTES),
    'a hash has 32 bytes',
  )
  return concat(START, Uint8Array.of(slot), ...parts)
}

/**
 * Reads the script of a transaction's first output.
 *
 * @returns null unless an enforcer would take the transaction for a bid
 */
export function readRequest(script: Uint8Array): BlockRequest | null {
  if (script.length !== SCRIPT_BYTES || !startsAsRequest(script)) return null
  return {
    slot: script[SLOT_AT] ?? 0,
    sideBlock: toHex(script.subarray(SIDE_BLOCK_AT, PREVIOUS_AT)),
    previousBlock: blockHash(toHex(reversed(script.subarray(PREVIOUS_AT)))),
  }
}

/** Whether it begins like a bid: one that is malformed pays nobody for what another reads in it. */
export function startsAsRequest(script: Uint8Array): boolean {
  return equalBytes(script.subarray(0, START.length), START)
}
