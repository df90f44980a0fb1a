import type { Kysely } from 'kysely'
import { balancesOf } from '../../../ledger/index.ts'
import type { Database } from '../../../lib/db/schema.ts'
import type { Log } from '../../../lib/log.ts'
import type { LndClient } from '../../../lib/nodes/lnd-client.ts'
import type { Clock } from '../../../lib/time.ts'
import { freezeByPool } from '../../../treasury/index.ts'
import { orWaits } from '../../node-trouble-client.ts'
import { type Reconciled, type Reconciler, reconcilerOf } from '../../reconciler.ts'
import { LIGHTNING_BOOKS } from './lightning-books.ts'
import { nodeStanding } from './node-client.ts'

/**
 * A channel's opener bears the fee of the commitment, which rises and falls with fee rates and is
 * no loss; below so much in all nothing is said of a difference.
 */
const DRIFT_MSAT_MAX = 50_000_000n
/** And so much more for each channel that a bridge opened, which is booked with all that it holds. */
const COMMITMENT_MSAT_MAX = 5_000_000n

type Parts = {
  readonly db: Kysely<Database>
  readonly clock: Clock
  readonly log: Log
  readonly network: string
  readonly client: LndClient
}

/**
 * Compares what the channels hold with the books, and freezes the rail where they hold less. What
 * people have looked at, and lifted the freeze over, freezes it again only after a restart.
 */
export function lightningReconciler(parts: Parts): Reconciler {
  const known = new Set<string>()
  return reconcilerOf('reconcile-lightning', parts.log, () => orWaits(() => compare(parts, known)))
}

async function compare(parts: Parts, known: Set<string>): Promise<Reconciled> {
  const { db, clock, network } = parts
  const findings = await findingsOf(parts)
  for (const reason of findings.filter(each => !known.has(each))) {
    const words = { network, scope: 'lightning', reason, at: clock.now() }
    await db.transaction().execute(tx => freezeByPool(tx, words))
    known.add(reason)
  }
  return { kind: 'compared', findings }
}

async function findingsOf({ db, clock, client }: Parts): Promise<readonly string[]> {
  const { hasForgotten } = await nodeStanding(db, client, clock.now())
  const { float } = LIGHTNING_BOOKS
  // What live batches may still pay is not in the float any more, and in the channels until it is.
  const booked = (await balancesOf(db, [float])).get(float) ?? 0n
  const { outbound, leaving, opening } = await client.liquidity()
  const drift = DRIFT_MSAT_MAX + COMMITMENT_MSAT_MAX * (await channelsOpened(db))
  const isShort = booked - (outbound + leaving + opening) > drift
  return [
    ...(hasForgotten ? ['lnd has lost payments that it had: it was restored from a backup'] : []),
    ...(isShort ? ['the channels hold less than the ledger'] : []),
  ]
}

async function channelsOpened(db: Kysely<Database>): Promise<bigint> {
  const { count } = await db
    .selectFrom('channel_openings')
    .select(eb => eb.fn.countAll<bigint>().as('count'))
    .executeTakeFirstOrThrow()
  return BigInt(count)
}
