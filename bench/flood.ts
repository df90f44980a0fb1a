import { setTimeout as sleep } from 'node:timers/promises'
import { startDatabase } from './parts/database.ts'
import { type Load, type Look, startLoad } from './parts/load.ts'
import { median, printMachine, printTable } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { startBareServer, startShareServer } from './parts/servers.ts'

/**
 * How long miners wait for their answers while another one floods the pool with bad shares: in
 * turns without and with it. It comes from one address, authorized, on connections that it opens
 * again whenever the pool ends them. The same flood of a server beside the pool's shows what of it is
 * the flooder's own use of the processors.
 */
const CONNECTIONS = 200
const SHARES_PER_SECOND = 500
const BAD_SHARES_PER_SECOND = 50_000
const ROUNDS = 3
const WARM_UP_MS = 3000
const MEASURE_MS = 8000

async function watch(load: Load): Promise<Look> {
  await sleep(WARM_UP_MS)
  await load.look()
  await sleep(MEASURE_MS)
  return load.look()
}

type Flooded = { readonly looks: Look[]; readonly rates: number[] }

const noFlood = (): Flooded => ({ looks: [], rates: [] })
const rateOf = ({ rates }: Flooded) => median(rates).toFixed(0)

/** Watches the miners while somebody floods a port. */
async function flood(scene: Scene, port: number, miners: Load, into: Flooded): Promise<void> {
  const flooder = await startLoad(scene)
  await flooder.flood(port, BAD_SHARES_PER_SECOND)
  const before = { at: performance.now(), lines: await flooder.flooded() }
  into.looks.push(await watch(miners))
  const lines = (await flooder.flooded()) - before.lines
  into.rates.push(lines / ((performance.now() - before.at) / 1000))
  await flooder.stop()
}

await measure(async scene => {
  printMachine()
  const server = await startShareServer(scene, await startDatabase(scene))
  const miners = await startLoad(scene)
  await miners.connect(server.port, CONNECTIONS)
  await miners.submit(SHARES_PER_SECOND)
  const bare = await startBareServer(scene)
  const calm: Look[] = []
  const [elsewhere, flooded] = [noFlood(), noFlood()]
  for (let i = 0; i < ROUNDS; i++) {
    calm.push(await watch(miners))
    await flood(scene, bare.port, miners, elsewhere)
    await flood(scene, server.port, miners, flooded)
  }
  const row = (name: string, looks: readonly Look[], rate: string) => {
    const of = (key: 'accepted' | 'p50Ms' | 'p99Ms' | 'maxMs') =>
      median(looks.map(look => look[key] ?? Number.NaN))
    const times = [of('p50Ms'), of('p99Ms'), of('maxMs')].map(ms => ms.toFixed(1))
    return [name, rate, (of('accepted') / (MEASURE_MS / 1000)).toFixed(0), ...times]
  }
  const heading = `Answers to ${CONNECTIONS} miners with ${SHARES_PER_SECOND} shares a second`
  printTable(`${heading}, medians of ${ROUNDS} rounds`, [
    ['beside them', 'bad shares/s', 'shares/s', 'p50 ms', 'p99 ms', 'longest ms'],
    row('nobody', calm, '0'),
    row('a flood of a bare loop, not of the pool', elsewhere.looks, rateOf(elsewhere)),
    row('a flood from one address', flooded.looks, rateOf(flooded)),
  ])
})
