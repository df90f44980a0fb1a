import { assert } from '../assert.ts'
import { concat } from '../bytes.ts'
import { sha256d } from './hash.ts'

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
      next.push(sha256d(concat(left, rest[i + 1] ?? left)))
    }
    level = next
  }
  return branches
}

/** The root of the tree whose first leaf is the coinbase. All in internal order. */
export function merkleRoot(coinbase: Uint8Array, branches: readonly Uint8Array[]): Uint8Array {
  return branches.reduce((hash, branch) => sha256d(concat(hash, branch)), coinbase)
}
