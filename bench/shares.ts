import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, cpuSecondsOfFamily } from './parts/cpu.ts'
import { startDatabase } from './parts/database.ts'
import { startLoad } from './parts/load.ts'
import { median, printMachine, printTable, thousands } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { type Server, startBareServer, startShareServer } from './parts/servers.ts'

/**
 * Accepted shares a second of the server's own processor time: 200 connections with one submit in
 * flight each, a fresh extranonce2 for each share, 12 branches, every share committed to disk
 * before its answer. In turns with a bare loop, since only their ratio says something elsewhere.
 */
const CONNECTIONS = 200
const ROUNDS = 3
/** The first shares run in an interpreter. */
const WARM_UP_MS = 5000
const MEASURE_MS = 10_000

type Round = {
  readonly perServerSecond: number
  readonly perSecond: number
  readonly postgresMicros: number
  readonly refused: number
}

async function runRound(scene: Scene, server: Server, postgresPid: number): Promise<Round> {
  const load = await startLoad(scene)
  await load.connect(server.port, CONNECTIONS)
  await load.submit(null)
  await sleep(WARM_UP_MS)
  await load.look()
  const before = { at: performance.now(), own: cpuSeconds(server.pid), pg: family(postgresPid) }
  await sleep(MEASURE_MS)
  const { accepted, refused } = await load.look()
  const own = cpuSeconds(server.pid) - before.own
  const pg = family(postgresPid) - before.pg
  const seconds = (performance.now() - before.at) / 1000
  await load.stop()
  return {
    perServerSecond: accepted / own,
    perSecond: accepted / seconds,
    postgresMicros: (pg / accepted) * 1e6,
    refused,
  }
}

const family = cpuSecondsOfFamily

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const servers = {
    bare: await startBareServer(scene),
    sidepool: await startShareServer(scene, database),
  }
  const rounds = { bare: [] as Round[], sidepool: [] as Round[] }
  for (let i = 0; i < ROUNDS; i++) {
    rounds.bare.push(await runRound(scene, servers.bare, database.pid))
    rounds.sidepool.push(await runRound(scene, servers.sidepool, database.pid))
  }
  const reference = median(rounds.bare.map(round => round.perServerSecond))
  const row = (name: keyof typeof rounds) => {
    const of = (key: keyof Round) => median(rounds[name].map(round => round[key]))
    const all = rounds[name].map(round => thousands(round.perServerSecond)).join(', ')
    return [
      name === 'bare' ? 'bare loop, no check, no store' : 'sidepool, durable',
      thousands(of('perServerSecond')),
      all,
      (of('perServerSecond') / reference).toFixed(3),
      (1e6 / of('perServerSecond')).toFixed(1),
      name === 'bare' ? '' : of('postgresMicros').toFixed(1),
      thousands(of('perSecond')),
      of('refused').toFixed(0),
    ]
  }
  printTable(`Shares, ${CONNECTIONS} connections, PostgreSQL ${database.version}`, [
    [
      'server',
      'shares/CPU-s',
      'rounds',
      'ratio',
      'µs CPU/share',
      'PostgreSQL µs/share',
      'shares/s',
      'refused',
    ],
    row('bare'),
    row('sidepool'),
  ])
})
