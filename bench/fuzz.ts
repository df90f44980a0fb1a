import { systemRandom } from '../src/lib/random.ts'
import { fuzzBytes } from '../test/pool/stratum/fuzz-bytes.ts'
import { fuzzEvents } from '../test/pool/stratum/fuzz-events.ts'
import { fuzzLines } from '../test/pool/stratum/fuzz-lines.ts'
import { startDatabase } from './parts/database.ts'
import { printMachine, printTable } from './parts/report.ts'
import { measure } from './parts/scene.ts'
import { startShareServer } from './parts/servers.ts'

/**
 * Lines, orders of events, and bytes on a real server, each many times from a seed; the first that
 * breaks something ends the run with its smallest example.
 *
 * `node bench/fuzz.ts [CASES] [SEED]` repeats a run, or makes a shorter one.
 */
const CASES = 100_000
/** A case of bytes is up to six connections, so there are fewer. */
const CASES_PER_VISIT = 10

const cases = Number(process.argv[2] ?? CASES)
const seed = Number(process.argv[3] ?? new DataView(systemRandom.bytes(4).buffer).getInt32(0))

await measure(async scene => {
  printMachine()
  const rows: string[][] = []
  const timed = async (what: string, count: number, run: () => void | Promise<void>) => {
    const from = performance.now()
    await run()
    rows.push([what, count.toString(), ((performance.now() - from) / 1000).toFixed(0)])
  }
  await timed('lines', cases, () => fuzzLines(cases, seed))
  await timed('orders of events', cases, () => fuzzEvents(cases, seed))
  const database = await startDatabase(scene)
  const server = await startShareServer(scene, database)
  const visits = Math.ceil(cases / CASES_PER_VISIT)
  await timed('bytes of six connections', visits, () => fuzzBytes(server.port, visits, seed))
  printTable(`Nothing broke, seed ${seed}`, [['what', 'cases', 'seconds'], ...rows])
})
