import { join } from 'node:path'
import { type Devnet, startDevnet } from '../src/devnet/index.ts'
import { createLog } from '../src/lib/log.ts'
import { watchBlockHashes } from '../src/lib/nodes/zmq-source.ts'
import { systemRandom } from '../src/lib/random.ts'
import { sharedNowMs } from './parts/child.ts'
import { startDatabase } from './parts/database.ts'
import { type Load, startLoad } from './parts/load.ts'
import { fillMempool } from './parts/mempool.ts'
import { startStratumRole } from './parts/pool.ts'
import { median, printMachine, printTable, quantile } from './parts/report.ts'
import { measure, type Scene } from './parts/scene.ts'
import { startShareServer } from './parts/servers.ts'

/**
 * How long miners go on with worthless work: from a block, as the node tells of it by ZMQ, to the
 * job on it in the hands of the first, of half and of the last miner, and to their first job with
 * transactions, of which the mempool is full. Then the pool's own part of that, from the template
 * in hand.
 */
const REAL = [
  { connections: 1000, processes: 1 },
  { connections: 5000, processes: 1 },
  { connections: 10_000, processes: 2 },
] as const
const MADE_UP = [1000, 5000] as const
const TRANSACTIONS = 3000
const BLOCKS = 20

/** Milliseconds from a block to each connection's job: the first one, and one with transactions. */
type Times = { readonly first: readonly number[]; readonly full: readonly number[] }

async function watchBlocks(load: Load, newBlock: () => Promise<number>): Promise<Times[]> {
  const all: Times[] = []
  for (let i = 0; i <= BLOCKS; i++) {
    await load.expectNotifies()
    const from = await newBlock()
    const { at, fullAt } = await load.notifies()
    const since = (times: readonly number[]) => times.map(time => time - from)
    // The first block finds code that has not run before.
    if (i > 0) all.push({ first: since(at), full: since(fullAt) })
  }
  return all
}

function rowOf(name: string, blocks: readonly Times[]): string[] {
  const of = (part: number) => blocks.map(({ first }) => quantile(first, part))
  const last = of(1)
  const full = blocks.map(times => quantile(times.full, 0.99))
  return [
    name,
    ...[of(0), of(0.5), of(0.99), last].map(times => median(times).toFixed(1)),
    Math.max(...last).toFixed(1),
    median(full).toFixed(1),
    Math.max(...full).toFixed(1),
  ]
}

async function onRealNode(
  scene: Scene,
  devnet: Devnet,
  { connections, processes }: (typeof REAL)[number],
): Promise<Times[]> {
  const dir = join(scene.dir, `real-${connections}`)
  const database = await startDatabase({ ...scene, dir })
  const role = await startStratumRole({ ...scene, dir }, { database, devnet, processes })
  let heard = Promise.withResolvers<number>()
  const bell = watchBlockHashes(devnet.node.zmqHashBlockUrl, () => heard.resolve(sharedNowMs()))
  const load = await startLoad(scene)
  await load.connect(role.port, connections)
  const blocks = await watchBlocks(load, async () => {
    heard = Promise.withResolvers()
    await devnet.call('generateblock', 'raw(51)', [])
    return heard.promise
  })
  await bell.stop()
  await load.stop()
  await role.stop()
  return blocks
}

async function fromTemplate(scene: Scene, connections: number): Promise<Times[]> {
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
  const devnet = await startDevnet({
    dir: join(scene.dir, 'node'),
    hashesPerBlock: 2n,
    log: createLog('bench', 'warn'),
    random: systemRandom,
  })
  scene.keep(devnet.stop)
  await fillMempool(devnet, TRANSACTIONS)
  const rows: string[][] = []
  for (const each of REAL) {
    const name = `real node, ${each.connections} connections, ${each.processes} processes`
    rows.push(rowOf(name, await onRealNode(scene, devnet, each)))
  }
  for (const connections of MADE_UP) {
    const name = `template in hand, ${connections} connections`
    rows.push(rowOf(name, await fromTemplate(scene, connections)))
  }
  printTable(`From a block to notify, ms, medians over ${BLOCKS} blocks`, [
    ['from', 'first', 'p50', 'p99', 'last', 'worst last', 'full p99', 'worst full p99'],
    ...rows,
  ])
})
