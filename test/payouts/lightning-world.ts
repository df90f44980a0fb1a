import type { Kysely } from 'kysely'
import { signAct } from '../../src/approval/index.ts'
import { chartAccount, extendChain } from '../../src/ledger/index.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { batchId, digest, unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import type { LndClient } from '../../src/lib/nodes/lnd-client.ts'
import { type Clock, systemClock } from '../../src/lib/time.ts'
import { decideBatch } from '../../src/payouts/decide-store.ts'
import {
  auditAttempts,
  auditBatches,
  auditInflight,
  auditVersions,
} from '../../src/payouts/index.ts'
import { payoutJobs } from '../../src/payouts/jobs.ts'
import { lightningRail } from '../../src/payouts/rails/lightning/lightning-rail.ts'
import type { LightningSigner } from '../../src/payouts/rails/lightning/signer.ts'
import type { Scheme } from '../../src/payouts/scheme.ts'
import { KEYS, POLICY } from '../signer/world.ts'
import type { TestDatabase } from '../support/database.ts'
import { MINUTES, NO_RULES } from './due.ts'
import { openBooks, owe, postLegs, START_MS } from './plan-world.ts'
import { type SimulatedLightning, simulatedLightning } from './simulated-lightning.ts'

export const HOUR_MS = 3_600_000
export const CAPITAL = sats(100_000_000n)
/** Its minimum is low, as it can be over Lightning. */
export const SCHEME: Scheme = { ...MINUTES, name: 'hourly', rails: ['lightning'] }

export type LightningWorld = {
  readonly db: Kysely<Database>
  readonly lightning: SimulatedLightning
  readonly pass: (ms: number) => void
  readonly now: Clock['now']
  readonly owe: (destination: string, amountSats: bigint, scheme?: Scheme) => ReturnType<typeof owe>
  readonly plan: () => Promise<void>
  readonly approve: () => Promise<void>
  /** One run over all live batches, as of a process that knows nothing of the one before. */
  readonly advance: () => Promise<void>
  readonly batches: () => Promise<readonly { state: string; note: string }[]>
  /** State and reason of each payout, in the order of their destinations. */
  readonly payouts: () => Promise<readonly (readonly [string, string, string | null])[]>
  /** What the books say that is wrong; empty where all is well. */
  readonly complaints: () => Promise<readonly string[]>
  readonly drop: () => Promise<void>
}

/** Who looks and who pays, where it is no simulation. */
export type RealLightning = {
  readonly client: LndClient
  readonly signerOf: (parts: { db: Kysely<Database>; clock: Clock }) => LightningSigner
}

/**
 * A pool with a ledger and channels of a simulated lnd, which has what the ledger says.
 *
 * @param real in place of the simulation; the clock is the machine's then, and an interval is over
 */
export async function lightningWorld(
  database: Pick<TestDatabase, 'db' | 'drop'>,
  schemes: readonly Scheme[] = [SCHEME],
  real: RealLightning | null = null,
): Promise<LightningWorld> {
  const { db } = database
  const start = real ? systemClock.now() - HOUR_MS : START_MS
  let passed = 0
  const clock = { now: () => unixMs((real ? systemClock.now() : START_MS) + passed) }
  await openBooks(db, undefined, start)
  await postLegs(db, 'lightning', [
    { account: chartAccount('lightningFloat'), amount: msatsFromSats(CAPITAL) },
    { account: chartAccount('treasuryCapital'), amount: millisats(-msatsFromSats(CAPITAL)) },
  ])
  const lightning = simulatedLightning(msatsFromSats(CAPITAL), clock.now)
  const client = real?.client ?? lightning.client
  const signer = real?.signerOf({ db, clock }) ?? lightning.signer
  const run = (name: string) => {
    const rail = lightningRail({
      ...{ db, clock, client, signer },
      options: { network: 'regtest', feeMax: { base: sats(3n), ppm: 1000n } },
      policy: async () => POLICY,
    })
    const jobs = payoutJobs({
      ...{ db, clock, log: createLog('test', 'silent'), network: 'regtest' },
      ...{ schemes, rails: [rail], rules: () => NO_RULES, approvePlanned: async () => [] },
      ...{ frozen: async () => null, silenced: async () => null, freeze: async () => {} },
      ...{ expiresAfterMs: HOUR_MS, owner: 'test' },
    })
    const job = jobs.find(each => each.name === name)
    if (!job) throw new Error(`no job ${name}`)
    return job.run()
  }
  return {
    ...{ db, lightning },
    pass: ms => {
      passed += ms
    },
    now: clock.now,
    owe: async (destination, amountSats, scheme = SCHEME) =>
      owe(db, destination, { amountSats, scheme }),
    plan: () => run('plan-payouts'),
    approve: async () => {
      const rows = await db
        .selectFrom('batches')
        .selectAll()
        .where('state', '=', 'planned')
        .execute()
      for (const row of rows) {
        for (const key of [KEYS.alice, KEYS.bob]) {
          const act = signAct(key, { kind: 'approve' }, digest(row.manifest_hash))
          await decideBatch(db, POLICY, { batch: batchId(row.id), act }, { clock })
        }
      }
    },
    advance: () => run('advance-batches'),
    batches: () => db.selectFrom('batches').select(['state', 'note']).orderBy('id').execute(),
    payouts: async () => {
      const rows = await db
        .selectFrom('payouts')
        .select(['destination', 'state', 'failure'])
        .orderBy('destination')
        .orderBy('id')
        .execute()
      return rows.map(row => [row.destination ?? '', row.state, row.failure] as const)
    },
    complaints: async () => {
      await extendChain(db)
      return [
        ...(await auditInflight(db)),
        ...(await auditBatches(db, 'all')),
        ...(await auditVersions(db, 'all')),
        ...(await auditAttempts(db, 'all')),
      ]
    },
    drop: () => database.drop(),
  }
}
