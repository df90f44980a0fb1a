import { join } from 'node:path'
import {
  type Devnet,
  type DevnetNode,
  type DevnetSidechain,
  findSidechainServices,
  joinDevnet,
  joinDevnetSidechain,
  type SidechainServices,
  startDevnet,
  startDevnetSidechain,
} from '../devnet/index.ts'
import { createLog } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import { CommandError, say } from './command.ts'
import { step } from './demo-story.ts'

/** Three miners find a block every few seconds. */
const HASHES_PER_BLOCK = 800_000n

/** What the demo's pool mines on. */
export type Chains = {
  readonly devnet: Devnet<DevnetNode>
  readonly sidechain: DevnetSidechain
}

/** A node and a sidechain on it: the demo's own in a folder, or those that the environment names. */
export async function setChains(dir: string, stops: (() => Promise<void>)[]): Promise<Chains> {
  const services = await findSidechainServices(process.env).catch(error => {
    throw new CommandError(error instanceof Error ? error.message : String(error))
  })
  return services === null ? startChains(dir, stops) : joinChains(services, stops)
}

async function startChains(dir: string, stops: (() => Promise<void>)[]): Promise<Chains> {
  const log = createLog('demo', 'warn')
  step('Starting a real bitcoind on regtest (Debian machines without one fetch it now) ...')
  const node = { dir: join(dir, 'bitcoind'), hashesPerBlock: HASHES_PER_BLOCK, log }
  const starting = startDevnet({ ...node, random: systemRandom })
  // Also while it starts it can be asked to stop.
  stops.push(async () => (await starting).stop())
  const devnet = await starting
  sayNode(devnet)
  step('Starting a simulated Thunder node and a simulated enforcer on that real node ...')
  const sidechain = await startDevnetSidechain({ devnet, log })
  stops.push(sidechain.stop)
  say('    simulated in our own words; its slot was voted into use by M1 and M2 in real blocks')
  return { devnet, sidechain }
}

async function joinChains(
  services: SidechainServices,
  stops: (() => Promise<void>)[],
): Promise<Chains> {
  step('Using the real bitcoind, enforcer and Thunder node that the environment names ...')
  const { rpc } = services
  const options = { rpc, hashesPerBlock: HASHES_PER_BLOCK, random: systemRandom }
  const devnet = await joinDevnet(options)
  stops.push(devnet.stop)
  sayNode(devnet)
  const sidechain = await joinDevnetSidechain(services)
  say('    real ones, which go on after the demo; the slot is in use')
  return { devnet, sidechain }
}

function sayNode({ node }: Devnet<DevnetNode>): void {
  say(`    ${node.version}; a devnet proxy makes blocks rarer, so that it looks like mining`)
}
