import { type Kysely, sql } from 'kysely'
import { balancesOf, chartAccount, mergeLegs, postEntries } from '../../../ledger/index.ts'
import { assert } from '../../../lib/assert.ts'
import type { Database } from '../../../lib/db/schema.ts'
import { journalKey } from '../../../lib/ids.ts'
import { millisats, msatsFromSats, type Sats } from '../../../lib/money.ts'
import type { LndClient } from '../../../lib/nodes/lnd-client.ts'
import type { Clock } from '../../../lib/time.ts'
import { recordEvent } from '../../../treasury/index.ts'
import type { CapitalOutcome } from '../../capital-store.ts'
import { LIGHTNING_BOOKS } from './lightning-books.ts'

const PLACE = 'in the channels'

/**
 * Books what the owner put into channels of ours: an amount, since a channel is no coin. It moves
 * nothing. No more is booked than the channels hold beside the float, and beside what the pool is
 * making a channel of, which may be open already; node trouble is thrown.
 *
 * @param id the name of this capital, on whatever rail, so that a repeat books once
 */
export async function bookLightningCapital(
  {
    db,
    clock,
    client,
  }: { readonly db: Kysely<Database>; readonly clock: Clock; readonly client: LndClient },
  { id, amount }: { readonly id: string; readonly amount: Sats },
): Promise<CapitalOutcome> {
  const key = journalKey(`capital:${id}`)
  const { float, out } = LIGHTNING_BOOKS
  const { outbound, leaving } = await client.liquidity()
  const legs = mergeLegs([
    { account: float, amount: msatsFromSats(amount) },
    { account: chartAccount('treasuryCapital'), amount: millisats(-msatsFromSats(amount)) },
  ])
  const at = clock.now()
  return db.transaction().execute(async (tx): Promise<CapitalOutcome> => {
    // One at a time, or two commands could each book what the channels hold once.
    await sql`select pg_advisory_xact_lock(hashtext('capital'))`.execute(tx)
    const known = await tx
      .selectFrom('journal')
      .select('id')
      .where('key', '=', key)
      .executeTakeFirst()
    const books = await balancesOf(tx, [float, out, chartAccount('lightningTransit')])
    const booked = [...books.values()].reduce((sum, amount) => sum + amount, 0n)
    const spare = (outbound + leaving - booked) / 1000n
    if (!known && amount > spare)
      return { kind: 'refused', reason: `the channels hold ${spare} sat that are not booked` }
    const [outcome] = await postEntries(tx, [{ key, event: 'capital put in', legs, at }])
    assert(outcome !== undefined, 'every entry has its outcome')
    assert(outcome.kind !== 'overdrawn', 'capital only adds to the float')
    if (outcome.kind === 'conflict') return outcome
    if (outcome.kind === 'repeated') return { kind: 'repeated', amount, place: PLACE }
    const detail = { place: PLACE, amountSats: String(amount) }
    await recordEvent(tx, { at, actor: 'host', action: 'book capital', subject: key, detail })
    return { kind: 'booked', amount, place: PLACE }
  })
}
