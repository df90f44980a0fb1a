import { z } from 'zod'
import { activateThunder, callConnect } from '../../src/devnet/sidechain/activate.ts'
import { type Sidechain, startSidechain } from '../../src/devnet/sidechain/start.ts'
import { createLog } from '../../src/lib/log.ts'
import { type TestNode, testNode } from './bitcoind.ts'

/** A sidechain of a test file's own, on a node of its own; its slot is in use. */
export type TestSidechain = Sidechain & {
  readonly node: TestNode
  /** A call of the Thunder node, whichever of its addresses has it. */
  readonly thunderCall: (method: string, ...params: readonly unknown[]) => Promise<unknown>
  readonly enforcerCall: (method: string, body?: object) => Promise<unknown>
  /** Mines what Thunder's template gives, and connects it. Returns side hash and main hash. */
  readonly mineSideBlock: () => Promise<{ readonly side: string; readonly main: string }>
  readonly remove: () => Promise<void>
}

const COINBASE_MATURITY_BLOCKS = 101
const PRIVATE =
  /^(balance|get_new|get_wallet|format|create_|sign_|get_block_template|mine|set_seed|invalidate|remove_|connect_peer|forget_peer|stop|transfer|withdraw)/
const reply = z.object({
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
})
const template = z.object({ critical_hash: z.string(), block: z.unknown() })

/** The seed of the recordings: its addresses are in test/vectors/thunder/transactions.json. */
export const TEST_MNEMONIC =
  'legal winner thank year wave sausage worth useful legal winner thank yellow'

/** Call it in `beforeAll` and its `remove` in `afterAll`. */
export async function testSidechain(
  options: Omit<Parameters<typeof startSidechain>[0], 'rpc' | 'log'> & {
    readonly relaysNonStandard?: boolean
  } = {},
): Promise<TestSidechain> {
  const node = await testNode(options)
  const log = createLog('test', 'silent')
  const sidechain = await startSidechain({ ...options, rpc: node.rpc, log })
  const { thunder, enforcer } = sidechain
  const thunderCall: TestSidechain['thunderCall'] = async (method, ...params) => {
    const url = PRIVATE.test(method) ? thunder.privateUrl : thunder.publicUrl
    const response = await fetch(url, {
      method: 'POST',
      // A connection of an earlier call would be a dead one after a restart.
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const { result, error } = reply.parse(await response.json())
    if (error) throw new Error(error.message)
    return result
  }
  const enforcerCall: TestSidechain['enforcerCall'] = (method, body = {}) =>
    callConnect(enforcer.grpcUrl, method, body)
  await activateThunder(sidechain)
  const { address } = z
    .object({ address: z.string() })
    .parse(await enforcerCall('WalletService/CreateNewAddress'))
  await node.mine(COINBASE_MATURITY_BLOCKS, address)
  await enforcer.control.sync()
  return {
    ...sidechain,
    node,
    thunderCall,
    enforcerCall,
    async mineSideBlock() {
      const { critical_hash: side, block } = template.parse(await thunderCall('get_block_template'))
      const main = await enforcer.control.mine({ accept: side })
      const isTip = await thunderCall('connect_block', block, main)
      if (isTip !== true) throw new Error(`${side} is not the tip`)
      return { side, main }
    },
    async remove() {
      await sidechain.stop()
      await node.remove()
    },
  }
}
