import { z } from 'zod'
import type { Log } from '../lib/log.ts'
import { enforcerClient } from '../lib/nodes/enforcer-client.ts'
import { callJsonRpc } from '../lib/nodes/json-rpc-client.ts'
import { type ThunderClient, thunderClient } from '../lib/nodes/thunder-client.ts'
import { pollUntil } from '../lib/poll.ts'
import { parseBareAddress, type ThunderAddress } from '../lib/thunder/address.ts'
import { outputTotal } from '../lib/thunder/transaction.ts'
import type { DevnetNode } from './devnet.ts'
import { callNode } from './node-rpc.ts'
import { activateThunder } from './sidechain/activate.ts'
import { startSidechain } from './sidechain/start.ts'
import type { SidechainServices } from './sidechain-services.ts'

/** Known to everybody, for a wallet on a chain that ends with the process. */
const MNEMONIC = `${'abandon '.repeat(11)}about`
const PATIENCE = { everyMs: 200, timeoutMs: 120_000 }

/** A sidechain of a devnet, and the pool's address in the wallet of its node. */
export type DevnetSidechain = {
  /** As a person is told of it: whatever is simulated says so. */
  readonly name: 'Thunder' | 'Thunder (simulated)'
  readonly publicUrl: string
  readonly privateUrl: string
  readonly enforcerUrl: string
  /** The pool's own. */
  readonly address: ThunderAddress
  readonly client: ThunderClient
  /** What an address holds by the node, in satoshis. */
  readonly holds: (address: ThunderAddress) => Promise<bigint>
  readonly stop: () => Promise<void>
}

/** Starts simulated Thunder and enforcer on a devnet's real node. */
export async function startDevnetSidechain(options: {
  readonly devnet: { readonly node: Pick<DevnetNode, 'rpc'> }
  readonly log: Log
}): Promise<DevnetSidechain> {
  const { devnet, log } = options
  const { thunder, enforcer, stop } = await startSidechain({ rpc: devnet.node.rpc, log })
  const { publicUrl, privateUrl } = thunder
  const urls = { publicUrl, privateUrl, enforcerUrl: enforcer.grpcUrl }
  return { ...(await readySidechain(urls)), name: 'Thunder (simulated)', stop }
}

/** The real nodes that the environment names; they go on after it. */
export async function joinDevnetSidechain(services: SidechainServices): Promise<DevnetSidechain> {
  const { publicUrl, privateUrl, enforcerUrl, rpc } = services
  const enforcer = enforcerClient({ grpcUrl: enforcerUrl })
  const isJudged = async () =>
    (await enforcer.chainTip()).hash === (await callNode(rpc, 'getbestblockhash')) || null
  // It has to judge the blocks of the devnet's start one by one.
  if (!(await pollUntil(isJudged, PATIENCE))) throw new Error('the enforcer is not at the tip')
  const ready = await readySidechain({ publicUrl, privateUrl, enforcerUrl })
  return { ...ready, name: 'Thunder', stop: async () => {} }
}

/** Puts the slot into use, and gives the node a wallet. */
async function readySidechain(
  urls: Pick<DevnetSidechain, 'publicUrl' | 'privateUrl' | 'enforcerUrl'>,
): Promise<Omit<DevnetSidechain, 'name' | 'stop'>> {
  const { publicUrl, privateUrl, enforcerUrl } = urls
  await activateThunder(enforcerUrl)
  const wallet = async (method: string, ...params: readonly string[]) => {
    const outcome = await callJsonRpc({ url: privateUrl }, method, params)
    if (outcome.kind === 'refused') throw new Error(`${method}: ${outcome.message}`)
    return outcome.result
  }
  await wallet('set_seed_from_mnemonic', MNEMONIC)
  const address = parseBareAddress(z.string().parse(await wallet('get_new_address')))
  if (address === null) throw new Error('the node gave no address')
  const client = thunderClient({ publicUrl, privateUrl, network: 'regtest' })
  return {
    ...{ ...urls, address, client },
    holds: async of => {
      const coins = await client.getUtxos([of])
      return coins.reduce((sum, { output }) => sum + outputTotal(output), 0n)
    },
  }
}
