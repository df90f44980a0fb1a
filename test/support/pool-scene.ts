import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { type OperatorKey, operatorKeyOf } from '../../src/approval/index.ts'
import {
  type Devnet,
  type RegtestChoices,
  type RegtestSidechain,
  regtestConfig,
  type SchemePorts,
  startDevnet,
} from '../../src/devnet/index.ts'
import { openDatabase } from '../../src/lib/db/database.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/lib/db/embedded-postgres.ts'
import { ensureAppLogin, migrate } from '../../src/lib/db/migrate.ts'
import { freePort } from '../../src/lib/free-port.ts'
import { txid } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { migrateQueue } from '../../src/lib/queue.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'
import { bookCapital, walletClient } from '../../src/payouts/index.ts'
import { addPerson, addToken } from '../treasury/people.ts'
import { type PoolProcess, poolProcess } from './pool-process.ts'

/** Opens what there is to read of every scene's treasury. */
export const TREASURY_TOKEN = 'test-only'
/** A log line of the stratum role when its ports are open. */
export const MINERS_MAY_CONNECT = 'miners may connect'
/** A log line of the API role when it answers. */
export const API_IS_SERVED = 'API and pages are served'

/** Real PostgreSQL, a real node behind the hardening proxy, and roles of the real program. */
export type PoolScene = {
  readonly devnet: Devnet
  readonly ports: SchemePorts
  readonly apiPort: number
  readonly operatorSecret: Uint8Array
  /** What a configuration file of the scene would hold. */
  readonly config: object
  /** Of this scene alone, and removed with it. */
  readonly dir: string
  readonly postgres: () => EmbeddedPostgres
  /** The database as the processes see it, past any proxy. */
  readonly appUrl: string
  /** Kills PostgreSQL and starts it again, on the same port. */
  readonly crashPostgres: () => Promise<void>
  /** Restarts the node with an empty mempool, which its wallet does not fill again. */
  readonly forgetMempool: () => Promise<void>
  readonly role: (
    name: string,
    options?: { readonly databaseUrl?: string; readonly environment?: Record<string, string> },
  ) => PoolProcess
  readonly newAddress: () => Promise<string>
  /** Stops every role and server, and removes their folder. */
  readonly remove: () => Promise<void>
}

/** Parts of a configuration beside those of every scene. */
export type MoreConfig = {
  readonly bmm?: object
  readonly bridges?: object
  readonly signer?: object
  readonly rails?: { readonly thunder?: object; readonly lightning?: object }
  /** Where every scheme pays; as the regtest configuration says unless told. */
  readonly schemeRails?: readonly string[]
}

export async function poolScene(
  choices: Pick<
    RegtestChoices,
    'difficulty' | 'epochMinutes' | 'stratumProcesses' | 'soloCoinbase'
  > & {
    readonly hashesPerBlock: bigint
    /** The pool's way to its node, past the hardening proxy, for a test that stands in it. */
    readonly nodeUrl?: (devnet: Devnet) => Promise<string>
    /** What the configuration says of other rails than L1; nothing unless told. */
    readonly more?: (devnet: Devnet) => Promise<MoreConfig>
    /** The key of whoever approves; a new one unless told. */
    readonly operatorSecret?: Uint8Array
    /** A sidechain on which a scheme of the scene pays; whoever starts it stops it. */
    readonly thunder?: (devnet: Devnet) => Promise<RegtestSidechain>
  },
): Promise<PoolScene> {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-scene-'))
  const options = { log: createLog('test', 'silent'), random: systemRandom }
  const findPostgres = () => startEmbeddedPostgres({ dir: join(dir, 'postgres'), ...options })
  let postgres = await findPostgres()
  const ownerUrl = postgres.ownerUrl('postgres')
  await migrate(ownerUrl)
  await migrateQueue(ownerUrl, ['accounting', 'payouts'])
  const appUrl = await ensureAppLogin(ownerUrl, 'postgres', 'test-only')
  const { hashesPerBlock, nodeUrl, more, thunder, ...others } = choices
  const { operatorSecret = systemRandom.bytes(32), ...rest } = others
  const devnet = await startDevnet({ dir: join(dir, 'node'), hashesPerBlock, ...options })
  const ports = { pplns: await freePort(), pps: await freePort(), solo: await freePort() }
  const apiPort = await freePort()
  await bookScene(appUrl, devnet)
  await addApprover(appUrl, operatorKeyOf(operatorSecret))
  const poolNodeUrl = (await nodeUrl?.(devnet)) ?? devnet.poolNodeUrl
  const { rails = {}, schemeRails, ...parts } = (await more?.(devnet)) ?? {}
  const plain = regtestConfig({
    ...rest,
    devnet: { ...devnet, poolNodeUrl },
    approvals: 1,
    ports,
    apiPort,
    database: { embedded: join(dir, 'never-started') },
    sidechain: await thunder?.(devnet),
  })
  const schemes = plain.schemes.map(scheme => ({
    ...scheme,
    rails: schemeRails ?? scheme.rails,
  }))
  const config = { ...plain, ...parts, schemes, rails: { ...plain.rails, ...rails } }
  const processes: PoolProcess[] = []
  return {
    ...{ devnet, ports, apiPort, operatorSecret, appUrl, config, dir },
    postgres: () => postgres,
    crashPostgres: async () => {
      await postgres.kill()
      postgres = await findPostgres()
    },
    forgetMempool: async () => {
      await devnet.node.stop()
      const settings = '\nwalletbroadcast=0\npersistmempool=0\n'
      await appendFile(join(dir, 'node', 'bitcoin.conf'), settings)
      await devnet.node.restart()
    },
    role: (role, { databaseUrl = appUrl, environment = {} } = {}) => {
      const made = poolProcess({ role, config, devnet, databaseUrl, environment })
      processes.push(made)
      return made
    },
    newAddress: async () =>
      z.string().parse(await devnet.walletCall(devnet.wallet, 'getnewaddress', '', 'bech32')),
    remove: async () => {
      for (const each of processes) await each.stop()
      await devnet.stop()
      await postgres.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Makes the scene's operator an approver with a token, as if an admin had said so. */
async function addApprover(appUrl: string, key: OperatorKey): Promise<void> {
  const db = openDatabase(appUrl, { max: 1 })
  try {
    const operator = await addPerson(db, 'scene-operator', ['approver'], [key])
    await addToken(db, { operator, key, token: TREASURY_TOKEN })
  } finally {
    await db.destroy()
  }
}

/** The wallet's coins of the start, as the operator's `treasury capital` would book them. */
async function bookScene(appUrl: string, devnet: Devnet): Promise<void> {
  const db = openDatabase(appUrl, { max: 2 })
  const client = walletClient(connectNode(devnet.node.rpc), devnet.wallet)
  const parts = { db, clock: systemClock, wallets: [{ wallet: 'hot' as const, client }] }
  const outpoints = devnet.capitalCoins.map(text => ({
    txid: txid(text.slice(0, 64)),
    vout: Number(text.slice(65)),
  }))
  const outcome = await bookCapital({ ...parts, finality: 1 }, { id: 'scene', outpoints }).finally(
    () => db.destroy(),
  )
  if (outcome.kind !== 'booked') throw new Error(`capital was not booked: ${outcome.kind}`)
}
