import { createSHA256 } from 'hash-wasm'
import { assert } from '../assert.ts'

/** A tree has thousands of hashes, and each new block waits for one: this hash is the faster one. */
const sha256 = await createSHA256()

/** SHA-256 of the SHA-256 of both. */
function join(left: Uint8Array, right: Uint8Array): Uint8Array {
  const once = sha256.init().update(left).update(right).digest('binary')
  return sha256.init().update(once).digest('binary')
}

/**
 * What the coinbase's hash is joined with, level by level, to give the Merkle root. They do not
 * depend on the coinbase, so a job sends them once for all extranonces.
 *
 * @param txids of all transactions but the coinbase, internal order
 * @returns one branch a level, lowest first, internal order; empty without transactions
 * Source: Bitcoin Core, ComputeMerkleRoot: an odd level repeats its last hash.
 */
export function coinbaseBranches(txids: readonly Uint8Array[]): Uint8Array[] {
  const branches: Uint8Array[] = []
  let level = [...txids]
  // Each turn halves the level, so even a full block takes about a dozen.
  while (level.length > 0) {
    const [sibling, ...rest] = level
    if (sibling) branches.push(sibling)
    const next: Uint8Array[] = []
    for (let i = 0; i < rest.length; i += 2) {
      const left = rest[i]
      assert(left !== undefined, 'a pair has a left hash')
      next.push(join(left, rest[i + 1] ?? left))
    }
    level = next
  }
  return branches
}

/** The root of the tree whose first leaf is the coinbase. All in internal order. */
export function merkleRoot(coinbase: Uint8Array, branches: readonly Uint8Array[]): Uint8Array {
  return branches.reduce(join, coinbase)
}
