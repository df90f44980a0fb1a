import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { auditChecks, runCheck } from '../../src/commands/audit-checks.ts'
import {
  type DevnetSidechain,
  NODE_PASSWORD_VARIABLE,
  type PoolApi,
  poolApi,
  startDevnetSidechain,
} from '../../src/devnet/index.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import { freePort } from '../../src/lib/free-port.ts'
import { createLog } from '../../src/lib/log.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemClock } from '../../src/lib/time.ts'
import {
  API_IS_SERVED,
  MINERS_MAY_CONNECT,
  type PoolScene,
  poolScene,
  TREASURY_TOKEN,
} from '../support/pool-scene.ts'

/** One share in 512 hashes, so that hundreds of miners have one within seconds. */
const DIFFICULTY = { start: 2 ** -23, minimum: 2 ** -24, maximum: 1, secondsPerShare: 0.5 }
const HASHES_PER_BLOCK = 300_000n
/** Deeper than every reorganisation of these tests, so that none undoes what was settled. */
const THUNDER_FINALITY = 5
const SOON = { everyMs: 250, timeoutMs: 900_000 }
const MAIN = join(import.meta.dirname, '../../src/main.ts')
const LOG_SHOWN_CHARS = 2500

/** A whole pool that pays on Thunder, with simulated Thunder and enforcer on its real node. */
export type ThunderPool = {
  readonly scene: PoolScene
  readonly side: DevnetSidechain
  /** Of the scheme that pays on Thunder. */
  readonly port: number
  readonly api: PoolApi
  /** Asks until there is an answer; where there never is one, it shows the roles' logs. */
  readonly until: <T>(what: string, look: () => Promise<T | null>) => Promise<T>
  readonly db: ReturnType<typeof openDatabase>
  /** Runs a command of `./sidepool` on this pool; resolves with its exit code and words. */
  readonly command: (...args: readonly string[]) => Promise<{ code: number | null; text: string }>
  /** What `sidepool audit` complains of. */
  readonly complaints: () => Promise<readonly string[]>
  readonly remove: () => Promise<void>
}

export async function startThunderPool(): Promise<ThunderPool> {
  const log = createLog('test', 'silent')
  const { promise: sideStarted, resolve: gaveSide } = Promise.withResolvers<DevnetSidechain>()
  const port = await freePort()
  const scene = await poolScene({
    ...{ hashesPerBlock: HASHES_PER_BLOCK, difficulty: DIFFICULTY, epochMinutes: 0.05 },
    thunder: async devnet => {
      const started = await startDevnetSidechain({ devnet, log })
      gaveSide(started)
      return { ...started, port, finalityDepth: THUNDER_FINALITY }
    },
  })
  const side = await sideStarted
  const roles = ['accounting', 'payouts', 'api', 'stratum'] as const
  const processes = roles.map(role => scene.role(role))
  const ready = [undefined, undefined, API_IS_SERVED, MINERS_MAY_CONNECT]
  await Promise.all(processes.map((each, index) => each.start(ready[index])))
  const db = openDatabase(scene.appUrl, { max: 2 })
  const configFile = join(scene.dir, 'config.json')
  await writeFile(configFile, JSON.stringify(scene.config))
  return {
    ...{ scene, side, db, port },
    api: poolApi(`http://127.0.0.1:${scene.apiPort}`, TREASURY_TOKEN),
    until: async (what, look) => {
      const found = await pollUntil(look, SOON)
      if (found !== null) return found
      const logs = processes.map(each => each.log().slice(-LOG_SHOWN_CHARS)).join('\n')
      throw new Error(`waited in vain: ${what}\n${logs}`)
    },
    command: (...args) => run(scene, [...args, '--config', configFile]),
    complaints: async () => {
      const about = { retentionBlocks: 4032, network: 'regtest', now: systemClock.now() }
      const results = []
      for (const check of auditChecks(db, about))
        results.push(...(await runCheck(check)).complaints.map(each => `${check.name}: ${each}`))
      return results
    },
    remove: async () => {
      await db.destroy()
      await scene.remove()
      await side.stop()
    },
  }
}

async function run({ devnet }: PoolScene, args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [NODE_PASSWORD_VARIABLE]: devnet.node.rpc.password },
  })
  let text = ''
  const hear = (chunk: Buffer) => {
    text += chunk.toString('utf8')
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { code, text }
}
