import { setTimeout as sleep } from 'node:timers/promises'
import { bareCommitMs, startDatabase } from './parts/database.ts'
import { type Look, startLoad } from './parts/load.ts'
import { median, printMachine, printTable } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { type Server, startShareServer } from './parts/servers.ts'

/** How long a miner waits for its answer, which comes after the commit: at several rates. */
const CONNECTIONS = 200
/** What 7,500 and 22,500 miners bring at a share in 15 seconds each; then as many as go in. */
const RATES = [500, 1500, null] as const
const ROUNDS = 3
const WARM_UP_MS = 5000
const MEASURE_MS = 10_000

async function runRound(scene: Scene, { port }: Server, rate: number | null): Promise<Look> {
  const load = await startLoad(scene)
  await load.connect(port, CONNECTIONS)
  await load.submit(rate)
  await sleep(WARM_UP_MS)
  await load.look()
  await sleep(MEASURE_MS)
  const look = await load.look()
  await load.stop()
  return look
}

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const commitMs = await bareCommitMs(database)
  const server = await startShareServer(scene, database)
  const rows: string[][] = []
  for (const rate of RATES) {
    const looks: Look[] = []
    for (let i = 0; i < ROUNDS; i++) looks.push(await runRound(scene, server, rate))
    const of = (key: 'accepted' | 'p50Ms' | 'p99Ms' | 'maxMs') =>
      median(looks.map(look => look[key] ?? Number.NaN))
    rows.push([
      rate === null ? 'saturation' : `${rate}/s`,
      (of('accepted') / (MEASURE_MS / 1000)).toFixed(0),
      of('p50Ms').toFixed(1),
      of('p99Ms').toFixed(1),
      of('maxMs').toFixed(0),
    ])
  }
  const heading = `Answer to a share after its commit, ${CONNECTIONS} connections, medians of ${ROUNDS} rounds`
  const commit = `one row on one connection commits in ${commitMs.toFixed(1)} ms`
  printTable(`${heading}; ${commit}`, [
    ['asked', 'shares/s', 'p50 ms', 'p99 ms', 'longest ms'],
    ...rows,
  ])
})
