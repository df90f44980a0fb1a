import { z } from 'zod'
import { callNode, type NodeRpc } from './node-rpc.ts'

/** A Thunder node, the enforcer that it follows, and the Bitcoin node that the enforcer steers. */
export type SidechainServices = {
  /** With one RPC address both are the same. */
  readonly publicUrl: string
  readonly privateUrl: string
  /** Of the enforcer's Connect calls, and of its template server. */
  readonly enforcerUrl: string
  readonly templateUrl: string
  readonly rpc: NodeRpc
}

/** What the environment says where they are. */
export type ServiceVariables = Readonly<Record<string, string | undefined>>

const url = z.url({ protocol: /^https?$/ })
const variables = z.object({
  THUNDER_RPC_URL: url,
  /** Left out where the node has one address for all calls. */
  THUNDER_PRIVATE_RPC_URL: url.optional(),
  ENFORCER_URL: url,
  ENFORCER_TEMPLATE_URL: url,
  /** With user and password in it, as `http://user:password@127.0.0.1:18443`. */
  BITCOIND_RPC_URL: url,
})
const chainInfo = z.object({ chain: z.string() })

/** Whether the environment names nodes that somebody runs beside us. */
export function namesServices(environment: ServiceVariables): boolean {
  return Boolean(environment.THUNDER_RPC_URL || environment.ENFORCER_URL)
}

/**
 * Reads from the environment where real nodes are, for the demo and the tests to use in place of
 * simulated ones. They mine, undo blocks and spend there, so that any network but regtest is
 * refused.
 *
 * @returns null where neither THUNDER_RPC_URL nor ENFORCER_URL is set
 * @throws Error that names every variable which is missing or wrong, or the network
 */
export async function findSidechainServices(
  environment: ServiceVariables,
): Promise<SidechainServices | null> {
  if (!namesServices(environment)) return null
  const read = variables.safeParse(environment)
  if (!read.success) {
    const wrong = read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new Error(`real nodes cannot be used; ${wrong.join('; ')}`)
  }
  const { THUNDER_RPC_URL: publicUrl, ENFORCER_URL, ENFORCER_TEMPLATE_URL } = read.data
  const rpc = rpcOf(read.data.BITCOIND_RPC_URL)
  const { chain } = chainInfo.parse(await callNode(rpc, 'getblockchaininfo'))
  if (chain !== 'regtest') throw new Error(`real nodes must be on regtest, and not on ${chain}`)
  return {
    ...{ publicUrl, privateUrl: read.data.THUNDER_PRIVATE_RPC_URL ?? publicUrl },
    ...{ enforcerUrl: ENFORCER_URL, templateUrl: ENFORCER_TEMPLATE_URL, rpc },
  }
}

function rpcOf(text: string): NodeRpc {
  const { origin, username, password } = new URL(text)
  const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)]
  return { url: origin, user, password: secret }
}
