import { describe, vi } from 'vitest'
import { testEnforcer } from '../../contracts/enforcer.ts'
import { testThunderNode } from '../../contracts/thunder-node.ts'
import type { TestSidechain } from '../../support/sidechain.ts'
import { simulatedSidechain } from '../../support/simulated-sidechain.ts'
import { runsOnServices, testSidechain } from '../../support/test-sidechain.ts'

const whose = runsOnServices ? 'real' : 'simulated'

/** Real nodes where the environment names them, or simulated ones, named in the same way. */
async function byEnvironment(): Promise<TestSidechain> {
  if (runsOnServices) return testSidechain()
  const { urls, node, remove } = await simulatedSidechain()
  const { url, user, password } = node.rpc
  vi.stubEnv('THUNDER_RPC_URL', urls.publicUrl)
  vi.stubEnv('THUNDER_PRIVATE_RPC_URL', urls.privateUrl)
  vi.stubEnv('ENFORCER_URL', urls.enforcerUrl)
  vi.stubEnv('ENFORCER_TEMPLATE_URL', urls.templateUrl)
  vi.stubEnv('BITCOIND_RPC_URL', url.replace('//', `//${user}:${password}@`))
  return { ...(await testSidechain().finally(() => vi.unstubAllEnvs())), remove }
}

describe('Thunder', () => testThunderNode(`${whose} Thunder`, byEnvironment))
describe('enforcer', () => testEnforcer(`${whose} enforcer`, byEnvironment))
