import { z } from 'zod'
import { systemClock } from '../../src/lib/time.ts'
import { openFirstEpoch } from '../../src/pool/epoch-store.ts'
import { ensurePartition } from '../../src/pool/retention-store.ts'
import { startChild } from './child.ts'
import type { BenchDatabase } from './database.ts'
import type { Scene } from './scene.ts'
import { BLOCK_TARGET, FIRST_HEIGHT, SUBSIDY } from './template.ts'

/** A server that miners connect to, in a process of its own. */
export type Server = {
  readonly pid: number
  readonly port: number
  readonly stop: () => Promise<void>
}

/** The stratum role, with a made-up template in place of a node. */
export type ShareServer = Server & {
  /** @returns when it began, by the shared clock */
  readonly newBlock: () => Promise<number>
  /** @returns milliseconds for which its event loop stood still at most, since it was asked last */
  readonly longestPause: () => Promise<number>
  /** @returns bytes that are left on the heap */
  readonly collectGarbage: () => Promise<number>
}

const portAnswer = z.object({ port: z.number() })

/** @param nodeOptions of the server's Node */
export async function startShareServer(
  scene: Scene,
  database: BenchDatabase,
  nodeOptions: readonly string[] = [],
): Promise<ShareServer> {
  await openFirstEpoch(
    database.db,
    { blockTarget: BLOCK_TARGET, subsidy: SUBSIDY },
    systemClock.now(),
  )
  await ensurePartition(database.db, FIRST_HEIGHT)
  const settings = { databaseUrl: database.appUrl }
  const child = await startChild(scene, 'share-process.ts', settings, nodeOptions)
  const { port } = await child.ask({ kind: 'port' }, portAnswer)
  return {
    ...{ pid: child.pid, port, stop: child.stop },
    newBlock: async () => (await child.ask({ kind: 'new block' }, z.object({ at: z.number() }))).at,
    longestPause: async () =>
      (await child.ask({ kind: 'longest pause' }, z.object({ ms: z.number() }))).ms,
    collectGarbage: async () =>
      (await child.ask({ kind: 'collect garbage' }, z.object({ heapBytes: z.number() }))).heapBytes,
  }
}

/** A bare loop that answers every line with `true`. */
export async function startBareServer(scene: Scene): Promise<Server> {
  const child = await startChild(scene, 'bare-process.ts', {})
  const { port } = await child.ask({ kind: 'port' }, portAnswer)
  return { pid: child.pid, port, stop: child.stop }
}
