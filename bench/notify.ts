import { join } from 'node:path'
import { startDevnet } from '../src/devnet/index.ts'
import { createLog } from '../src/lib/log.ts'
import { systemRandom } from '../src/lib/random.ts'
import { sharedNowMs } from './parts/child.ts'
import { startDatabase } from './parts/database.ts'
import { type Load, startLoad } from './parts/load.ts'
import { startStratumProcess } from './parts/pool.ts'
import { median, printMachine, printTable, quantile } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { startShareServer } from './parts/servers.ts'

/**
 * How long miners go on with worthless work: from the node's answer to whoever made a block, to
 * the job on it in the hands of the first, of half and of the last miner. Then the pool's own part
 * of that with a notify of mainnet's size, from the template in hand.
 */
const CONNECTIONS = 1000
const BLOCKS = 20

/** Milliseconds from a block to each connection's notify, for each block. */
async function watchBlocks(load: Load, newBlock: () => Promise<number>): Promise<number[][]> {
  const all: number[][] = []
  for (let i = 0; i <= BLOCKS; i++) {
    await load.expectNotifies()
    const from = await newBlock()
    const times = (await load.notifies()).map(at => at - from)
    // The first block finds code that has not run before.
    if (i > 0) all.push(times)
  }
  return all
}

function rowOf(name: string, blocks: readonly (readonly number[])[]): string[] {
  const of = (part: number) => blocks.map(times => quantile(times, part))
  const last = of(1)
  return [
    name,
    ...[of(0), of(0.5), of(0.99), last].map(times => median(times).toFixed(1)),
    Math.max(...last).toFixed(1),
  ]
}

async function onRealNode(scene: Scene): Promise<number[][]> {
  const database = await startDatabase(scene)
  const devnet = await startDevnet({
    dir: join(scene.dir, 'node'),
    hashesPerBlock: 2n,
    log: createLog('bench', 'warn'),
    random: systemRandom,
  })
  scene.keep(devnet.stop)
  const port = await startStratumProcess(scene, database, devnet)
  const load = await startLoad(scene)
  await load.connect(port, CONNECTIONS)
  const blocks = await watchBlocks(load, async () => {
    await devnet.mine(1)
    return sharedNowMs()
  })
  await load.stop()
  return blocks
}

async function fromTemplate(scene: Scene, connections: number): Promise<number[][]> {
  const database = await startDatabase({ ...scene, dir: join(scene.dir, `of-${connections}`) })
  const server = await startShareServer(scene, database)
  const load = await startLoad(scene)
  await load.connect(server.port, connections)
  const blocks = await watchBlocks(load, server.newBlock)
  await load.stop()
  await server.stop()
  return blocks
}

await measure(async scene => {
  printMachine()
  const rows = [
    rowOf(`real node's answer, ${CONNECTIONS} connections`, await onRealNode(scene)),
    rowOf(`template in hand, ${CONNECTIONS} connections`, await fromTemplate(scene, CONNECTIONS)),
    rowOf(`template in hand, 5000 connections`, await fromTemplate(scene, 5 * CONNECTIONS)),
  ]
  printTable(`From a block to notify, ms, medians over ${BLOCKS} blocks`, [
    ['from', 'first', 'p50', 'p99', 'last', 'worst last'],
    ...rows,
  ])
})
