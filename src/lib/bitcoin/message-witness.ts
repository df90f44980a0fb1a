import { readCompactSize } from './tx.ts'

/** Items of one witness: the largest multisig here has 18. */
const WITNESS_ITEMS_MAX = 30

/** The output script that a signed message's transaction ends in. Source: BIP 322. */
export function opReturnAlone(): Uint8Array {
  return Uint8Array.of(0x6a)
}

/**
 * Reads a witness stack as it stands in a transaction: a count, then each item with its length.
 *
 * @returns null unless the bytes are one whole stack of at least one item
 */
export function readWitness(bytes: Uint8Array): Uint8Array[] | null {
  const count = readCompactSize(bytes)
  if (count === null || count.n === 0 || count.n > WITNESS_ITEMS_MAX) return null
  const items: Uint8Array[] = []
  let rest = bytes.subarray(count.length)
  for (let i = 0; i < count.n; i++) {
    const size = readCompactSize(rest)
    if (size === null || rest.length < size.length + size.n) return null
    items.push(rest.subarray(size.length, size.length + size.n))
    rest = rest.subarray(size.length + size.n)
  }
  return rest.length === 0 ? items : null
}
