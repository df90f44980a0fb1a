import { setTimeout as sleep } from 'node:timers/promises'
import { startDatabase } from './parts/database.ts'
import { type Load, type Look, startLoad } from './parts/load.ts'
import { median, printMachine, printTable } from './parts/report.ts'
import { measure } from './parts/scene.ts'
import { startShareServer } from './parts/servers.ts'

/**
 * How long miners wait for their answers while another one floods the pool with bad shares: in
 * turns without and with it. It comes from one address, authorized, on connections that it opens
 * again whenever the pool ends them.
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

await measure(async scene => {
  printMachine()
  const server = await startShareServer(scene, await startDatabase(scene))
  const miners = await startLoad(scene)
  await miners.connect(server.port, CONNECTIONS)
  await miners.submit(SHARES_PER_SECOND)
  const calm: Look[] = []
  const flooded: Look[] = []
  const rates: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    calm.push(await watch(miners))
    const flooder = await startLoad(scene)
    await flooder.flood(server.port, BAD_SHARES_PER_SECOND)
    const before = { at: performance.now(), lines: await flooder.flooded() }
    flooded.push(await watch(miners))
    const lines = (await flooder.flooded()) - before.lines
    rates.push(lines / ((performance.now() - before.at) / 1000))
    await flooder.stop()
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
    row('a flood from one address', flooded, median(rates).toFixed(0)),
  ])
})
