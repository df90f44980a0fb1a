import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from './parts/cpu.ts'
import { startDatabase } from './parts/database.ts'
import { startLoad } from './parts/load.ts'
import { printMachine, printTable } from './parts/report.ts'
import { measure } from './parts/scene.ts'
import { startShareServer } from './parts/servers.ts'

/** Memory of the server for each miner that is connected, authorized, has a job, and is silent. */
const STEP = 5000
const STEPS = 2
/** Six ticks of the server: what the handshakes left behind has been dealt with. */
const SETTLE_MS = 30_000

const kib = (bytes: number) => (bytes / 1024).toFixed(1)

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const server = await startShareServer(scene, database, ['--expose-gc'])
  const load = await startLoad(scene)
  // The first sessions bring code and connections to the database that no later one brings.
  await load.connect(server.port, 100)
  const settle = async () => {
    await sleep(SETTLE_MS)
    const resident = residentBytes(server.pid)
    return { resident, heap: await server.collectGarbage(), after: residentBytes(server.pid) }
  }
  const start = await settle()
  const rows: string[][] = []
  for (let step = 1; step <= STEPS; step++) {
    const from = performance.now()
    await load.connect(server.port, STEP)
    const seconds = ((performance.now() - from) / 1000).toFixed(1)
    const now = await settle()
    const count = step * STEP
    rows.push([
      count.toString(),
      kib((now.resident - start.after) / count),
      kib((now.after - start.after) / count),
      kib((now.heap - start.heap) / count),
      (now.resident / 2 ** 20).toFixed(0),
      seconds,
    ])
  }
  printTable('Memory of an idle connection, KiB each above the server without them', [
    [
      'connections',
      'resident',
      'resident after a collection',
      'heap after a collection',
      'server MiB',
      'seconds to bring them in',
    ],
    ...rows,
  ])
})
