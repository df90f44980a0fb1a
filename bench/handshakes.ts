import { cpuSeconds, cpuSecondsOfFamily } from './parts/cpu.ts'
import { startDatabase } from './parts/database.ts'
import { startLoad } from './parts/load.ts'
import { median, printMachine, printTable, thousands } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { type Server, startBareServer, startShareServer } from './parts/servers.ts'

/**
 * Connections a second of the server's processor time, each from nothing to its first job:
 * connected, subscribed, authorized. In turns with the bare loop, which knows no sessions.
 */
const CONNECTIONS = 2000
const ROUNDS = 4

async function bringIn(scene: Scene, { pid, port }: Server, postgresPid: number) {
  const load = await startLoad(scene)
  const before = { own: cpuSeconds(pid), postgres: cpuSecondsOfFamily(postgresPid) }
  await load.connect(port, CONNECTIONS)
  const own = cpuSeconds(pid) - before.own
  const postgres = cpuSecondsOfFamily(postgresPid) - before.postgres
  await load.stop()
  return { perServerSecond: CONNECTIONS / own, postgresMicros: (postgres / CONNECTIONS) * 1e6 }
}

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const servers = [
    { name: 'bare loop', server: await startBareServer(scene) },
    { name: 'sidepool', server: await startShareServer(scene, database) },
  ]
  const rounds = servers.map((): Awaited<ReturnType<typeof bringIn>>[] => [])
  for (let i = 0; i <= ROUNDS; i++)
    for (const [index, { server }] of servers.entries()) {
      const round = await bringIn(scene, server, database.pid)
      // The first one runs code that has not run before.
      if (i > 0) rounds[index]?.push(round)
    }
  const rows = servers.map(({ name }, index) => {
    const all = rounds[index] ?? []
    const rates = all.map(round => round.perServerSecond)
    const postgres = median(all.map(round => round.postgresMicros))
    return [name, thousands(median(rates)), rates.map(thousands).join(', '), postgres.toFixed(0)]
  })
  printTable(`From nothing to the first job, ${CONNECTIONS} connections a round`, [
    ['server', 'connections/CPU-s', 'rounds', 'PostgreSQL µs each'],
    ...rows,
  ])
})
