import { execFile, spawn } from 'node:child_process'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, isPortFree } from '../lib/free-port.ts'
import type { Devnet, DevnetNode } from './devnet.ts'
import type { DevnetSidechain } from './devnet-sidechain.ts'
import { type PoolApi, poolApi } from './pool-api.ts'
import {
  NODE_PASSWORD_VARIABLE,
  type RegtestLightning,
  regtestConfig,
  type SchemePorts,
} from './regtest-config.ts'

const run = promisify(execFile)

const STRATUM_PORTS = { pplns: 3333, pps: 3334, solo: 3335, thunder: 3336, lightning: 3337 }
const API_PORT = 8080
const MAIN = join(import.meta.dirname, '../main.ts')
/** A pool that owes nothing to its shutdown may be ended after this. */
const STOP_MS = 15_000

/** The pool as its users meet it: sockets and HTTP, in processes of its own. */
export type DemoPool = {
  /** That of Lightning is closed where nobody is paid so. */
  readonly ports: SchemePorts & { readonly thunder: number; readonly lightning: number }
  readonly url: string
  readonly api: PoolApi
  /** Runs a command of `./sidepool` on this pool: what it prints. Rejects when it fails. */
  readonly command: (...args: readonly string[]) => Promise<string>
  readonly logFile: string
  /** Resolves when the pool ends by itself. */
  readonly ended: Promise<void>
  readonly stop: () => Promise<void>
}

/** How many must approve any batch of the demo. */
export const DEMO_APPROVALS = 2

/** Writes a configuration for the devnet and runs `sidepool start` on it. */
export async function startDemoPool(options: {
  readonly dir: string
  readonly devnet: Devnet<DevnetNode>
  readonly sidechain: DevnetSidechain
  readonly lightning: Omit<RegtestLightning, 'port'> | null
}): Promise<DemoPool> {
  const { dir, devnet, sidechain, lightning } = options
  const ports = {
    pplns: await preferred(STRATUM_PORTS.pplns),
    pps: await preferred(STRATUM_PORTS.pps),
    solo: await preferred(STRATUM_PORTS.solo),
    thunder: await preferred(STRATUM_PORTS.thunder),
    lightning: await preferred(STRATUM_PORTS.lightning),
  }
  const apiPort = await preferred(API_PORT)
  const config = join(dir, 'config.json')
  await writeFile(
    config,
    JSON.stringify(
      regtestConfig({
        devnet,
        approvals: DEMO_APPROVALS,
        ports,
        apiPort,
        sidechain: { ...sidechain, port: ports.thunder, finalityDepth: 1 },
        lightning: lightning ? { ...lightning, port: ports.lightning } : undefined,
        database: { embedded: join(dir, 'postgres') },
      }),
      null,
      2,
    ),
  )
  const logFile = join(dir, 'pool.log')
  const log = await open(logFile, 'w', 0o600)
  const env = {
    ...process.env,
    [NODE_PASSWORD_VARIABLE]: devnet.node.rpc.password,
  }
  const child = spawn(process.execPath, [MAIN, 'start', '--config', config], {
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    env,
  })
  await log.close()
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const url = `http://127.0.0.1:${apiPort}`
  return {
    ports,
    url,
    api: poolApi(url, null),
    command: async (...args) => {
      const { stdout } = await run(process.execPath, [MAIN, ...args, '--config', config], { env })
      return stdout
    },
    logFile,
    ended,
    stop: async () => {
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(killer)
    },
  }
}

async function preferred(port: number): Promise<number> {
  return (await isPortFree(port)) ? port : freePort()
}
