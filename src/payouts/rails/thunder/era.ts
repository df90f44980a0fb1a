/** What is asked of the public RPC address, and the version that has all of it. */
const NEEDED = [
  'get_best_sidechain_block_hash',
  'get_block',
  'get_stxos',
  'get_transaction',
  'get_utxos',
  'submit_transaction',
] as const
const OLDEST = '0.17.1'

/** Where the node's own wallet signs. */
const NEEDED_TO_SIGN = 'sign_transaction'

/**
 * Why a node is of no use by the methods that its `openapi_schema` lists, or null. One name means
 * different things in different versions, so that nothing is tried before this was asked: what
 * `create_transfer` does above all, which is never called.
 *
 * Source: thunder-rust, c9831e8 (0.17.0), 9b16b80 and e0eff64 (0.17.1).
 */
export function eraComplaint(
  methods: readonly string[],
  { signsItself }: { readonly signsItself: boolean },
): string | null {
  const has = new Set(methods)
  if (has.has('transfer') || !has.has('submit_transaction'))
    return `Thunder is older than 0.17: it signs and sends in one call; ${OLDEST} or newer is needed`
  const missing = [...NEEDED, ...(signsItself ? [NEEDED_TO_SIGN] : [])].filter(
    name => !has.has(name),
  )
  if (missing.length === 0) return null
  return `Thunder has no ${missing.join(', ')}: ${OLDEST} or newer is needed`
}
