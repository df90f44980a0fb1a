import { type Sidechain, startSidechain } from '../../src/devnet/index.ts'
import { createLog } from '../../src/lib/log.ts'
import { type TestNode, testNode } from './bitcoind.ts'
import { sidechainAt, type TestSidechain } from './sidechain.ts'

/** A sidechain whose nodes are simulated, and what can be done to them. */
export type SimulatedSidechain = TestSidechain & Sidechain & { readonly node: TestNode }

/** On a node of a test file's own. Call it in `beforeAll` and its `remove` in `afterAll`. */
export async function simulatedSidechain(
  options: Omit<Parameters<typeof startSidechain>[0], 'rpc' | 'log'> & {
    readonly relaysNonStandard?: boolean
  } = {},
): Promise<SimulatedSidechain> {
  const node = await testNode(options)
  const log = createLog('test', 'silent')
  const sidechain = await startSidechain({ ...options, rpc: node.rpc, log })
  const { thunder, enforcer } = sidechain
  const { publicUrl, privateUrl } = thunder
  const { grpcUrl: enforcerUrl, templateUrl } = enforcer
  const remove = async () => {
    await sidechain.stop()
    await node.remove()
  }
  const urls = { publicUrl, privateUrl, enforcerUrl, templateUrl }
  return { ...sidechain, ...(await sidechainAt({ urls, node, remove })), node }
}
