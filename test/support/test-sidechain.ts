import { findSidechainServices, namesServices } from '../../src/devnet/index.ts'
import { nodeCalls } from './bitcoind.ts'
import { sidechainAt, type TestSidechain } from './sidechain.ts'
import { type SimulatedSidechain, simulatedSidechain } from './simulated-sidechain.ts'

/** A sidechain, and what can be broken of it: null where its nodes are real. */
export type ProvidedSidechain = TestSidechain & { readonly simulated: SimulatedSidechain | null }

/** Whether the environment names real nodes, on which nothing breaks on demand. */
export const runsOnServices = namesServices(process.env)

/**
 * A sidechain on the real nodes that the environment names, or on simulated ones of the test file's
 * own. Call it in `beforeAll` and its `remove` in `afterAll`.
 */
export async function testSidechain(): Promise<ProvidedSidechain> {
  const services = await findSidechainServices(process.env)
  if (services === null) {
    const simulated = await simulatedSidechain()
    return { ...simulated, simulated }
  }
  const { rpc, ...urls } = services
  const parts = { urls, node: nodeCalls(rpc), remove: async () => {} }
  return { ...(await sidechainAt(parts)), simulated: null }
}

/** For a test that is left out where nodes are real. */
export function simulatorsOf({ simulated }: ProvidedSidechain): SimulatedSidechain {
  if (simulated === null) throw new Error('nothing breaks on demand on real nodes')
  return simulated
}
