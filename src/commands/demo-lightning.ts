import { join } from 'node:path'
import {
  DEMO_APPROVALS,
  type DemoOperators,
  type DemoPool,
  type DemoSigner,
  type Devnet,
  type DevnetLightning,
  type DevnetNode,
  demoSigner,
  findLnd,
  LND_VERSION,
  startDevnetLightning,
} from '../devnet/index.ts'
import { createLog } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import { CommandError, say } from './command.ts'
import { step } from './demo-story.ts'

/** How the demo pays over Lightning. */
export type DemoLightning = {
  readonly lightning: DevnetLightning
  readonly signer: DemoSigner
  /** Starts the signer, once the operators are known, and books what the channel holds. */
  readonly begin: (pool: DemoPool, operators: DemoOperators) => Promise<void>
}

/**
 * Two lnd on the demo's node with a channel between them, and a signer that pays.
 *
 * @returns null where there is no lnd, which is said
 */
export async function setLightning(
  dir: string,
  devnet: Devnet<DevnetNode>,
  stops: (() => Promise<void>)[],
): Promise<DemoLightning | null> {
  const program = await findLnd().catch(error => {
    throw new CommandError(error instanceof Error ? error.message : String(error))
  })
  if (program === null) {
    step(`There is no lnd ${LND_VERSION} here, so that nobody is paid over Lightning.`)
    say('    ./sidepool test builds one where there is Go; or LND names one, or it is on PATH')
    return null
  }
  step('Starting two real lnd on regtest, with a channel from the pool to a miner ...')
  const random = systemRandom
  const starting = startDevnetLightning({ dir, program, devnet, log: createLog('demo', 'warn') })
  // Also while it starts it can be asked to stop.
  stops.push(async () => (await starting).stop())
  const lightning = await starting
  const options = { dir: join(dir, 'signer'), lightning, approvals: DEMO_APPROVALS, random }
  const signer = await demoSigner(options)
  stops.push(signer.stop)
  say('    nothing of it is simulated; the server of the Lightning address is on this machine, and')
  say('    the signer takes it for the Internet, as it does on regtest alone')
  return {
    ...{ lightning, signer },
    begin: async (pool, { secrets }) => {
      await signer.start(secrets)
      const amount = String(lightning.outboundSats)
      const what = ['--rail', 'lightning', '--amount', amount, '--id', 'demo-lightning']
      await pool.command('treasury', 'capital', ...what)
      say('    a signer of its own process has the macaroon that pays; the pool can only look')
    },
  }
}
