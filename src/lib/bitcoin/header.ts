import { assert } from '../assert.ts'
import { fromHex, reversed } from '../bytes.ts'
import { type BlockHash, blockHash } from '../ids.ts'
import { displayHash, sha256d } from './hash.ts'

/** Bytes of a block header. */
export const HEADER_BYTES = 80

/** A block header's fields; its 32-bit integers are unsigned. */
export type Header = {
  readonly version: number
  readonly previousBlock: BlockHash
  /** 32 bytes, internal order. */
  readonly merkleRoot: Uint8Array
  /** Seconds since 1970. */
  readonly time: number
  readonly bits: number
  readonly nonce: number
}

/** The 80 bytes that are hashed: integers little-endian, hashes in internal order. */
export function buildHeader(header: Header): Uint8Array {
  assert(header.merkleRoot.length === 32, 'a Merkle root has 32 bytes')
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, header.version, true)
  bytes.set(reversed(fromHex(header.previousBlock)), 4)
  bytes.set(header.merkleRoot, 36)
  view.setUint32(68, header.time, true)
  view.setUint32(72, header.bits, true)
  view.setUint32(76, header.nonce, true)
  return bytes
}

/** The inverse of `buildHeader`. */
export function parseHeader(bytes: Uint8Array): Header {
  assert(bytes.length === HEADER_BYTES, 'a header has 80 bytes')
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  return {
    version: view.getUint32(0, true),
    previousBlock: blockHash(displayHash(bytes.subarray(4, 36))),
    merkleRoot: bytes.slice(36, 68),
    time: view.getUint32(68, true),
    bits: view.getUint32(72, true),
    nonce: view.getUint32(76, true),
  }
}

/** The block's hash as people write it. */
export function headerHash(bytes: Uint8Array): BlockHash {
  assert(bytes.length === HEADER_BYTES, 'a header has 80 bytes')
  return blockHash(displayHash(sha256d(bytes)))
}
