import { z } from 'zod'
import type { Log } from '../lib/log.ts'
import { callJsonRpc } from '../lib/nodes/json-rpc-client.ts'
import { type ThunderClient, thunderClient } from '../lib/nodes/thunder-client.ts'
import { parseBareAddress, type ThunderAddress } from '../lib/thunder/address.ts'
import { outputTotal } from '../lib/thunder/transaction.ts'
import type { Devnet } from './devnet.ts'
import { activateThunder } from './sidechain/activate.ts'
import { type Sidechain, startSidechain } from './sidechain/start.ts'

/** Known to everybody, for a wallet on a chain that ends with the process. */
const MNEMONIC = `${'abandon '.repeat(11)}about`

/** A simulated sidechain on a devnet's real node, and the pool's address in its node's wallet. */
export type DevnetSidechain = {
  readonly publicUrl: string
  readonly privateUrl: string
  readonly enforcerUrl: string
  /** The pool's own. */
  readonly address: ThunderAddress
  readonly client: ThunderClient
  /** What an address holds by the node, in satoshis. */
  readonly holds: (address: ThunderAddress) => Promise<bigint>
  readonly simulators: Sidechain
  readonly stop: () => Promise<void>
}

/** Starts simulated Thunder and enforcer, puts the slot into use, and gives the node a wallet. */
export async function startDevnetSidechain(options: {
  readonly devnet: Pick<Devnet, 'node'>
  readonly log: Log
}): Promise<DevnetSidechain> {
  const { devnet, log } = options
  const simulators = await startSidechain({ rpc: devnet.node.rpc, log })
  await activateThunder(simulators.enforcer.grpcUrl)
  const { publicUrl, privateUrl } = simulators.thunder
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
    ...{ publicUrl, privateUrl, address, client, simulators },
    enforcerUrl: simulators.enforcer.grpcUrl,
    holds: async of => {
      const coins = await client.getUtxos([of])
      return coins.reduce((sum, { output }) => sum + outputTotal(output), 0n)
    },
    stop: simulators.stop,
  }
}
