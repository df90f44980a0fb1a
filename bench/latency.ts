import { setTimeout as sleep } from 'node:timers/promises'
import { bareCommitMs, startDatabase } from './parts/database.ts'
import { type Look, startLoad } from './parts/load.ts'
import { median, printMachine, printTable } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { type ShareServer, startShareServer } from './parts/servers.ts'

/** How long a miner waits for its answer, which comes after the commit: at several rates. */
/** 500 and 1,500 a second are what 7,500 and 22,500 miners bring at a share in 15 seconds each. */
const LOADS = [
  { connections: 200, rate: 500 },
  { connections: 200, rate: 1500 },
  { connections: 5000, rate: 1500 },
  // As many as go in.
  { connections: 200, rate: null },
] as const
const ROUNDS = 3
const WARM_UP_MS = 5000
const MEASURE_MS = 10_000

type Round = Look & { readonly pauseMs: number }

async function runRound(
  scene: Scene,
  server: ShareServer,
  { connections, rate }: (typeof LOADS)[number],
): Promise<Round> {
  const load = await startLoad(scene)
  await load.connect(server.port, connections)
  await load.submit(rate)
  await sleep(WARM_UP_MS)
  await load.look()
  await server.longestPause()
  await sleep(MEASURE_MS)
  const look = await load.look()
  const pauseMs = await server.longestPause()
  await load.stop()
  return { ...look, pauseMs }
}

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const commitMs = await bareCommitMs(database)
  const server = await startShareServer(scene, database)
  const rows: string[][] = []
  for (const each of LOADS) {
    const rounds: Round[] = []
    for (let i = 0; i < ROUNDS; i++) rounds.push(await runRound(scene, server, each))
    const of = (key: 'accepted' | 'p50Ms' | 'p99Ms' | 'maxMs' | 'pauseMs') =>
      median(rounds.map(round => round[key] ?? Number.NaN))
    rows.push([
      each.connections.toString(),
      each.rate === null ? 'saturation' : `${each.rate}/s`,
      (of('accepted') / (MEASURE_MS / 1000)).toFixed(0),
      of('p50Ms').toFixed(1),
      of('p99Ms').toFixed(1),
      of('maxMs').toFixed(0),
      of('pauseMs').toFixed(0),
    ])
  }
  const heading = `Answer to a share after its commit, medians of ${ROUNDS} rounds`
  const commit = `one row on one connection commits in ${commitMs.toFixed(1)} ms`
  printTable(`${heading}; ${commit}`, [
    ['connections', 'asked', 'shares/s', 'p50 ms', 'p99 ms', 'longest ms', 'longest pause ms'],
    ...rows,
  ])
})
