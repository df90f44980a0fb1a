import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Devnet, NODE_PASSWORD_VARIABLE, regtestConfig } from '../../src/devnet/index.ts'
import { freePort } from '../../src/lib/free-port.ts'
import type { BenchDatabase } from './database.ts'
import type { Scene } from './scene.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const READY = 'miners may connect'

export type StratumRole = {
  readonly database: BenchDatabase
  readonly devnet: Devnet
  readonly processes: number
}

/**
 * The stratum role as `./sidepool start` runs it, on a real node and without the devnet's proxy.
 *
 * @param processes that share the port
 * @returns the port for miners, and what ends the processes
 */
export async function startStratumRole(
  { dir, keep }: Scene,
  { database, devnet, processes }: StratumRole,
): Promise<{ readonly port: number; readonly stop: () => Promise<unknown> }> {
  const ports = { pplns: await freePort(), pps: await freePort(), solo: await freePort() }
  const config = join(dir, 'config.json')
  const choices = regtestConfig({
    devnet: { ...devnet, poolNodeUrl: devnet.node.rpc.url },
    approvals: 1,
    stratumProcesses: processes,
    ports,
    apiPort: await freePort(),
    database: { url: { env: 'BENCH_DATABASE_URL' }, ownerUrl: { env: 'BENCH_DATABASE_URL' } },
  })
  await writeFile(config, JSON.stringify(choices))
  const environment = {
    ...process.env,
    SIDEPOOL_DATABASE_URL: database.appUrl,
    BENCH_DATABASE_URL: database.appUrl,
    [NODE_PASSWORD_VARIABLE]: devnet.node.rpc.password,
  }
  const start = () => startOne(keep, config, environment)
  const stops = await Promise.all(Array.from({ length: processes }, start))
  return { port: ports.pplns, stop: () => Promise.all(stops.map(stop => stop())) }
}

async function startOne(
  keep: Scene['keep'],
  config: string,
  environment: NodeJS.ProcessEnv,
): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [MAIN, 'start', '--roles', 'stratum', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: environment,
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    // Its supervisor is gone, so it ends in order.
    if (child.connected) child.disconnect()
    await exited
  }
  keep(stop)
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>()
  void exited.then(() => reject(new Error('the stratum role did not start')))
  if (child.stderr)
    createInterface(child.stderr).on('line', line => line.includes(READY) && resolve())
  await ready
  return stop
}
