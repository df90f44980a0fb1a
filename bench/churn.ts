import { residentBytes } from './parts/cpu.ts'
import { startDatabase } from './parts/database.ts'
import { printMachine, printTable } from './parts/report.ts'
import { startRig } from './parts/rigs.ts'
import { measure } from './parts/scene.ts'
import { startShareServer } from './parts/servers.ts'

/**
 * Connections that come, submit one share and are cut off, again and again: the server's memory
 * must not grow with how many there have been.
 *
 * `node bench/churn.ts [CYCLES]` makes a shorter run.
 */
const CYCLES = 200_000
const ROUNDS = 10
const AT_ONCE = 50
const USER = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080.c'

const cycles = Number(process.argv[2] ?? CYCLES)

await measure(async scene => {
  printMachine()
  const database = await startDatabase(scene)
  const server = await startShareServer(scene, database, ['--expose-gc'])
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
  const rows: string[][] = []
  let [accepted, done] = [0, 0]

  async function cycle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const watch = {
      answered: (_: unknown, isAccepted: boolean) => resolve(isAccepted),
      notified: () => {},
    }
    const rig = await startRig(server.port, USER, watch)
    rig.submit()
    if (await promise) accepted += 1
    rig.end()
  }

  async function round(count: number): Promise<void> {
    let left = count
    const some = async () => {
      while (left-- > 0) await cycle()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, some))
    done += count
  }

  // Code is compiled and pools are filled by the first ones, whatever comes after.
  await round(Math.ceil(cycles / ROUNDS / 5))
  for (let at = 0; at <= ROUNDS; at++) {
    if (at > 0) await round(Math.ceil(cycles / ROUNDS))
    const heap = await server.collectGarbage()
    rows.push([done.toString(), accepted.toString(), mib(heap), mib(residentBytes(server.pid))])
  }
  printTable('Memory of the server as connections come and go, MiB', [
    ['connections so far', 'shares accepted', 'heap after a collection', 'resident'],
    ...rows,
  ])
})
