import { join, resolve } from 'node:path'
import { z } from 'zod'
import {
  type DevnetLightning,
  joinOperators,
  paidOnL1,
  paidOnThunder,
  startDemoPool,
} from '../devnet/index.ts'
import { systemRandom } from '../lib/random.ts'
import { depositForm } from '../lib/thunder/address.ts'
import { thunderKey } from '../lib/thunder/keys.ts'
import { systemClock } from '../lib/time.ts'
import { type Command, CommandError, orExplain, say } from './command.ts'
import { type Chains, setChains } from './demo-chains.ts'
import { setLightning } from './demo-lightning.ts'
import { takeDemoFolder } from './demo-lock.ts'
import { type Cast, goOn, type Scene, step, story, until } from './demo-story.ts'
import { untilAskedToStop } from './supervise.ts'

const DIR = '.data/demo'
/** Each miner leaves room on two cores for the pool, the node and the database. */
const HASHES_PER_SECOND = 100_000
/** Whoever is paid over Lightning earns no more than a channel can carry. */
const SLOW_HASHES_PER_SECOND = 200

/** The main job from end to end on a real node, watched. */
export const demoCommand: Command = args =>
  orExplain(async () => {
    const unknown = args.find(arg => arg !== '--keep')
    if (unknown) throw new CommandError(`demo does not know ${unknown}; it knows --keep`)
    return runDemo(args.includes('--keep'))
  })

async function runDemo(keep: boolean): Promise<number> {
  const asked = untilAskedToStop()
  const dir = resolve(DIR)
  const giveFolderFree = await takeDemoFolder(dir)
  const stops: (() => Promise<void>)[] = [giveFolderFree]
  // What a shell expects of a program that was interrupted, until the story has come out well.
  let exitCode = 130
  const play = async () => {
    const scene = await setScene(dir, stops)
    await story(scene, stops)
    exitCode = 0
    pointers(scene, keep)
    if (keep) await goOn(scene, stops)
  }
  try {
    await Promise.race([play(), asked])
    return exitCode
  } finally {
    step('Stopping everything the demo started ...')
    for (const stop of stops.reverse()) await stop().catch(() => {})
    step('Stopped.')
  }
}

async function setScene(dir: string, stops: (() => Promise<void>)[]): Promise<Scene> {
  const random = systemRandom
  const { devnet, sidechain } = await setChains(dir, stops)
  const payment = await setLightning(join(dir, 'lightning'), devnet, stops)
  const lightning = payment && { lnd: payment.lightning.read, signer: payment.signer.access }
  step('Starting the pool on a real PostgreSQL ...')
  const opening = startDemoPool({ dir, devnet, sidechain, lightning })
  stops.push(async () => (await opening).stop())
  const pool = await opening
  await until(pool, 'the pool is up', () => pool.api.get('/stats'))
  const coins = devnet.capitalCoins.join(',')
  await pool.command('treasury', 'capital', '--outpoint', coins, '--id', 'demo')
  const invitation = (await pool.command('treasury', 'first-admin')).trim()
  const operators = await joinOperators(pool.url, invitation, { random, clock: systemClock })
  say("    an admin joined by the console's one-time token and added two approvers, alice and bob")
  await payment?.begin(pool, operators)
  const { pplns, pps, solo, thunder } = pool.ports
  say(`    ports: pplns ${pplns}, pps ${pps}, solo ${solo}; thunder ${thunder}`)
  say(`    whoever mines on port ${thunder} is paid on ${sidechain.name}`)
  if (payment) say(`    whoever mines on port ${pool.ports.lightning} is paid over Lightning`)
  say(`    page: ${pool.url}/   log: ${pool.logFile}`)
  const { cast, spare } = await castOf({ devnet, sidechain }, payment?.lightning ?? null)
  return { devnet, sidechain, pool, operators, cast, spare }
}

/** Miners with addresses of their own, and one more address for whoever wants to mine. */
async function castOf(
  { devnet, sidechain }: Chains,
  lightning: DevnetLightning | null,
): Promise<Pick<Scene, 'cast' | 'spare'>> {
  const wallet = `${devnet.wallet}-miners`
  await devnet.call('createwallet', wallet, false, false, '', false, true, true)
  const address = async () =>
    z.string().parse(await devnet.walletCall(wallet, 'getnewaddress', '', 'bech32'))
  const onThunder = depositForm(thunderKey(systemRandom.bytes(64), 1).address)
  const paid = paidOnL1(devnet)
  const fast = { hashesPerSecond: HASHES_PER_SECOND }
  const cast: Cast[] = [
    { name: 'miner A', scheme: 'pplns', payee: await address(), paid, ...fast },
    { name: 'miner B', scheme: 'pps', payee: await address(), paid, ...fast },
    {
      name: 'miner C',
      scheme: 'thunder',
      payee: onThunder,
      paid: paidOnThunder(sidechain),
      ...fast,
    },
  ]
  say(`    miner C is paid on ${sidechain.name}, so that its username is ${onThunder}`)
  if (lightning) {
    const { address: payee, receivedSats } = lightning.payee
    const slow = { hashesPerSecond: SLOW_HASHES_PER_SECOND, paid: receivedSats }
    cast.push({ name: 'miner D', scheme: 'lightning', payee, ...slow })
    say(`    miner D is slow and paid over Lightning, so that its username is ${payee}`)
  }
  return { cast, spare: await address() }
}

function pointers({ pool, cast, spare }: Scene, keep: boolean): void {
  say(`\n  look at it    ${pool.url}/  and  ${pool.url}/miner/${cast[0]?.payee ?? ''}`)
  say(`  API           ${pool.url}/api/v1/openapi.json`)
  say('  mine on it    with any Stratum V1 miner; this address is one of the demo wallet:')
  const port = pool.ports.pplns
  say(`                minerd -a sha256d -o stratum+tcp://127.0.0.1:${port} -u ${spare}.you -p x`)
  if (keep)
    say('\n  Running until Ctrl-C; the miners go on, and the operators approve what falls due.')
  else say('\n  ./sidepool demo --keep leaves it running to look around.')
}
