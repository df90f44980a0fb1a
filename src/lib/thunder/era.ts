/**
 * What a Thunder node can be used for. The same names meant other things in other versions, and no
 * call tells the version, so the methods that a node lists must.
 */
export type ThunderEra =
  | {
      readonly kind: 'usable'
      /** Whether it makes blocks that the pool can mine: without it, others must. */
      readonly canBuildBlocks: boolean
      /** Whether it can be told to let go of an orphaned block. */
      readonly canInvalidate: boolean
    }
  /** The reason is for the operator. */
  | { readonly kind: 'unusable'; readonly reason: string }

/** What paying and following need, each from the same version on or an earlier one. */
const NEEDED = [
  'submit_transaction',
  'get_utxos',
  'get_stxos',
  'get_block',
  'get_best_sidechain_block_hash',
  'get_best_mainchain_block_hash',
  'get_bmm_inclusions',
  'getblockcount',
]
const WANTED = 'Thunder 0.17.1 or newer is needed'

/**
 * Tells the era of a node.
 *
 * - Up to 0.16 `transfer` signs and sends at once: a lost reply could not be told from a loss.
 * - 0.17.0 can submit, but shows no spent coins and makes no proofs anew: what was sent can
 *   neither be followed nor sent again.
 * - 0.17.1 does both; 0.17.2 adds `get_block_template` and `connect_block`.
 *
 * @param methods as the node's `openapi_schema` lists them
 */
export function thunderEra(methods: ReadonlySet<string>): ThunderEra {
  if (methods.has('transfer'))
    return unusable('it sends a transfer as soon as it makes it, as Thunder up to 0.16 does')
  const missing = NEEDED.filter(name => !methods.has(name))
  if (missing.length > 0) return unusable(`it has no ${missing.join(', ')}`)
  return {
    kind: 'usable',
    canBuildBlocks: methods.has('get_block_template') && methods.has('connect_block'),
    canInvalidate: methods.has('invalidate_block'),
  }
}

function unusable(why: string): ThunderEra {
  return { kind: 'unusable', reason: `${why}: ${WANTED}` }
}
