import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { cpuSeconds, cpuSecondsOfFamily } from './parts/cpu.ts'
import { startDatabase } from './parts/database.ts'
import { type Load, startLoad } from './parts/load.ts'
import { median, printMachine, printTable, thousands } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { type Server, startBareServer, startShareServer } from './parts/servers.ts'

/**
 * Accepted shares a second of the server's own processor time: 200 connections with one submit in
 * flight each, a fresh extranonce2 for each share, 12 branches, every share committed to disk
 * before its answer. In turns with a bare loop, since only their ratio says something elsewhere.
 *
 * Both servers run at a lower priority than the load, so that each finds work waiting whenever it runs, as one
 * does that has all it can do; else a busy machine hands it one share at a time.
 *
 * It fails when a share costs more than {@link WORSE_MAX} times what `baseline.json` has, each as a
 * ratio to the bare loop in the least disturbed round.
 */
const CONNECTIONS = 200
const ROUNDS = 6
const LOW_PRIORITY = 10
/** The first shares run in an interpreter, and on a busy machine the compiler takes its time. */
const WARM_UP_SHARES = 100_000
const WARM_UP_LOOKS_MAX = 120
const MEASURE_MS = 5000
const LAST_ANSWERS_MS = 500
const WORSE_MAX = 1.2

const baseline = z
  .object({ shareRatio: z.number() })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, 'baseline.json'), 'utf8')))

type Round = {
  readonly micros: number
  readonly perSecond: number
  readonly postgresMicros: number
  readonly refused: number
}

async function startUnder(scene: Scene, server: Server): Promise<Load> {
  const load = await startLoad(scene)
  await load.connect(server.port, CONNECTIONS)
  setPriority(server.pid, LOW_PRIORITY)
  await load.submit(null)
  let accepted = 0
  for (let i = 0; i < WARM_UP_LOOKS_MAX && accepted < WARM_UP_SHARES; i++) {
    await sleep(500)
    accepted += (await load.look()).accepted
  }
  await load.quiet()
  return load
}

async function runRound(server: Server, load: Load, postgresPid: number): Promise<Round> {
  await sleep(LAST_ANSWERS_MS)
  await load.look()
  const usage = () => ({
    at: performance.now(),
    own: cpuSeconds(server.pid),
    postgres: cpuSecondsOfFamily(postgresPid),
  })
  const before = usage()
  await load.submit(null)
  await sleep(MEASURE_MS)
  await load.quiet()
  // Until the last are answered, so that what was counted is what was paid for.
  await sleep(LAST_ANSWERS_MS)
  const { accepted, refused } = await load.look()
  const after = usage()
  return {
    micros: ((after.own - before.own) / accepted) * 1e6,
    perSecond: accepted / ((after.at - before.at - LAST_ANSWERS_MS) / 1000),
    postgresMicros: ((after.postgres - before.postgres) / accepted) * 1e6,
    refused,
  }
}

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const bare = await startBareServer(scene)
  const sidepool = await startShareServer(scene, database)
  const loads = { bare: await startUnder(scene, bare), sidepool: await startUnder(scene, sidepool) }
  const rounds = { bare: [] as Round[], sidepool: [] as Round[] }
  for (let i = 0; i < ROUNDS; i++) {
    rounds.bare.push(await runRound(bare, loads.bare, database.pid))
    rounds.sidepool.push(await runRound(sidepool, loads.sidepool, database.pid))
  }
  const least = (name: keyof typeof rounds) => Math.min(...rounds[name].map(({ micros }) => micros))
  const row = (name: keyof typeof rounds) => {
    const of = (key: keyof Round) => median(rounds[name].map(round => round[key]))
    const reference = median(rounds.bare.map(({ micros }) => micros))
    return [
      name === 'bare' ? 'bare loop, no check, no store' : 'sidepool, durable',
      thousands(1e6 / of('micros')),
      of('micros').toFixed(1),
      rounds[name].map(({ micros }) => micros.toFixed(1)).join(', '),
      (reference / of('micros')).toFixed(3),
      (least('bare') / least(name)).toFixed(3),
      name === 'bare' ? '' : of('postgresMicros').toFixed(1),
      thousands(of('perSecond')),
      of('refused').toFixed(0),
    ]
  }
  printTable(`Shares, ${CONNECTIONS} connections, PostgreSQL ${database.version}`, [
    [
      'server',
      'shares/CPU-s',
      'µs CPU/share',
      'rounds',
      'ratio',
      'least disturbed',
      'PostgreSQL µs/share',
      'shares/s',
      'refused',
    ],
    row('bare'),
    row('sidepool'),
  ])
  const ratio = least('bare') / least('sidepool')
  const isWorse = ratio * WORSE_MAX < baseline.shareRatio
  process.stdout.write(
    `\nratio ${ratio.toFixed(3)}, baseline ${baseline.shareRatio}: ` +
      `${isWorse ? 'a share has become too expensive' : 'within a fifth'}\n`,
  )
  if (isWorse) process.exitCode = 1
})
