import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startStratumRole } from '../../src/commands/stratum-role.ts'
import { parseConfig } from '../../src/config.ts'
import { regtestConfig, startDevnet } from '../../src/devnet/index.ts'
import { freePort } from '../../src/lib/free-port.ts'
import { sats } from '../../src/lib/money.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'
import { openFirstEpoch } from '../../src/pool/epoch-store.ts'
import { ensurePartition } from '../../src/pool/retention-store.ts'
import { SILENT } from '../pool/mining-fixtures.ts'
import { testDatabase } from '../support/database.ts'

/** A share in 2^16 hashes. */
const EASY = { start: 2 ** -16, minimum: 2 ** -20, maximum: 2 ** 20, secondsPerShare: 10 }
/** What rented hash rate wants. */
const RENTED = { ...EASY, start: 2 ** 19, minimum: 2 ** 19 }

/** The stratum role as `start` runs it, on a real node and a real PostgreSQL. */
export async function firmwareScene() {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-firmware-'))
  const options = { log: SILENT, random: systemRandom }
  // So few blocks that no miner of a test finds one, and no difficulty is cut down to a block's.
  const hashesPerBlock = 2n ** 60n
  const [devnet, database] = await Promise.all([
    startDevnet({ dir: join(dir, 'node'), hashesPerBlock, ...options }),
    testDatabase(),
  ])
  const ports = { pplns: await freePort(), pps: await freePort(), solo: await freePort() }
  const rentedPort = await freePort()
  const written = regtestConfig({
    ...{ devnet, approvals: 1, ports, apiPort: await freePort(), difficulty: EASY },
    soloCoinbase: 'finder',
    database: { embedded: join(dir, 'never-started') },
  })
  const text = JSON.stringify(written, (key, value) =>
    key === 'ports' && value[0] === ports.pps
      ? [...value, { port: rentedPort, difficulty: RENTED }]
      : value,
  )
  const environment = { SIDEPOOL_NODE_PASSWORD: devnet.node.rpc.password }
  const outcome = parseConfig(text, { environment, readFile: () => '' })
  if (outcome.kind !== 'config') throw new Error(JSON.stringify(outcome.errors))
  const start = { blockTarget: 2n ** 196n, subsidy: sats(5_000_000_000n) }
  await openFirstEpoch(database.db, start, systemClock.now())
  await ensurePartition(database.db, 100)
  const role = await startStratumRole({
    ...{ config: outcome.config, db: database.db, databaseUrl: database.appUrl },
    ...{ clock: systemClock, ...options },
  })
  return {
    devnet,
    database,
    easyPort: ports.pplns,
    /** Its coinbases pay whoever mines on it. */
    finderPort: ports.solo,
    rentedPort,
    remove: async () => {
      await role.stop()
      await devnet.stop()
      await database.drop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
