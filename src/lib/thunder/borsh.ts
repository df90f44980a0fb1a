import { assert } from '../assert.ts'
import { concat } from '../bytes.ts'

const U32_MAX = 0xffff_ffff
const U64_MAX = 0xffff_ffff_ffff_ffffn

/** Four bytes, least significant first. */
export function u32Bytes(n: number): Uint8Array {
  assert(Number.isInteger(n) && n >= 0 && n <= U32_MAX, 'a u32 has 32 bits')
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, n, true)
  return bytes
}

/** Eight bytes, least significant first. */
export function u64Bytes(n: bigint): Uint8Array {
  assert(n >= 0n && n <= U64_MAX, 'a u64 has 64 bits')
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, n, true)
  return bytes
}

/** A list: how many, then one after the other. */
export function vecBytes(items: readonly Uint8Array[]): Uint8Array {
  return concat(u32Bytes(items.length), ...items)
}

/** Reads from front to back; each read is null once there are too few bytes left for it. */
export type BorshReader = {
  readonly bytes: (length: number) => Uint8Array | null
  readonly u8: () => number | null
  readonly u32: () => number | null
  readonly u64: () => bigint | null
  /** Null where one item is, so that the bytes bound a list, whatever count it claims. */
  readonly vec: <T>(readItem: () => T | null) => T[] | null
  readonly left: () => number
}

/** Source: borsh.io, the integers, lists and byte strings of its specification. */
export function borshReader(whole: Uint8Array): BorshReader {
  const view = new DataView(whole.buffer, whole.byteOffset, whole.length)
  let at = 0
  const left = () => whole.length - at
  const take = <T>(length: number, read: (from: number) => T): T | null => {
    if (length > left()) return null
    at += length
    return read(at - length)
  }
  const u32 = () => take(4, from => view.getUint32(from, true))
  return {
    bytes: length => take(length, from => whole.slice(from, from + length)),
    u8: () => take(1, from => view.getUint8(from)),
    u32,
    u64: () => take(8, from => view.getBigUint64(from, true)),
    vec(readItem) {
      const count = u32()
      if (count === null) return null
      const items = []
      for (let i = 0; i < count; i++) {
        const item = readItem()
        if (item === null) return null
        items.push(item)
      }
      return items
    },
    left,
  }
}
