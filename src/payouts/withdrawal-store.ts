import { type Kysely, sql } from 'kysely'
import { assert } from '../lib/assert.ts'
import { toHex } from '../lib/bytes.ts'
import type { Database } from '../lib/db/schema.ts'
import { type BatchId, batchId, type Txid, txid } from '../lib/ids.ts'
import { type Sats, sats } from '../lib/money.ts'
import type { ThunderAddress } from '../lib/thunder/address.ts'
import { scriptOfMainAddress } from '../lib/thunder/main-address.ts'
import { coinManifestOf } from './payout-store.ts'
import { plannedAddress } from './rails/thunder/payments.ts'

/** The output that leaves is the first of a withdrawal. */
const OUTPUT = 0
/** Read at once; the others come with a later run. */
const WITHDRAWALS_MAX = 200

/** A withdrawal whose transaction Thunder has for good. */
export type SettledWithdrawal = {
  readonly batch: BatchId
  readonly output: { readonly txid: Txid; readonly vout: number }
  readonly owner: ThunderAddress
  readonly amount: Sats
  readonly mainFee: Sats
  readonly mainAddress: string
}

/** Settled withdrawals that are not on the main chain for good, the oldest first. */
export async function settledWithdrawals(db: Kysely<Database>): Promise<SettledWithdrawal[]> {
  const { rows } = await sql<{ id: bigint; txid: string; main_fee: bigint }>`
    select batches.id, version.txid, batches.main_fee_sats as main_fee
      from batches
      join batch_versions version on version.batch_id = batches.id and version = paid_version
      left join bridge_withdrawals followed on followed.batch_id = batches.id
     where purpose = 'withdrawal' and batches.state = 'settled'
       and followed.state is distinct from 'final'
     order by batches.id
     limit ${WITHDRAWALS_MAX}`.execute(db)
  return Promise.all(
    rows.map(async ({ id, txid: made, main_fee: mainFee }) => {
      const { payees, change } = await coinManifestOf(db, batchId(id))
      const [payee] = payees
      assert(payee !== undefined, 'a withdrawal has a payee')
      return {
        batch: batchId(id),
        output: { txid: txid(made), vout: OUTPUT },
        owner: plannedAddress(change),
        amount: payee.amount,
        mainFee: sats(mainFee),
        mainAddress: payee.destination,
      }
    }),
  )
}

/**
 * What withdrawals take from Thunder together, in satoshis, from when they are planned until the
 * main chain has each so deep that nothing can undo it.
 */
export async function totalWithdrawing(db: Kysely<Database>): Promise<Sats> {
  const { rows } = await sql<{ total: bigint }>`
    select coalesce(sum(total_sats + batches.main_fee_sats), 0)::bigint as total
      from batches
      left join bridge_withdrawals followed on followed.batch_id = batches.id
     where purpose = 'withdrawal' and batches.state <> 'released'
       and followed.state is distinct from 'final'`.execute(db)
  return sats(rows[0]?.total ?? 0n)
}

/**
 * Scripts of the main chain, in hex, that withdrawals of ours are to be paid to: what comes there is
 * on its way, and is neither foreign nor anybody's capital before it is booked.
 */
export async function awaitedScripts(db: Kysely<Database>): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: bigint }>`
    select batches.id from batches
      left join bridge_withdrawals followed on followed.batch_id = batches.id
     where purpose = 'withdrawal' and batches.state <> 'released'
       and (followed.state is null or followed.state not in ('arrived', 'final'))
     order by batches.id desc limit ${WITHDRAWALS_MAX}`.execute(db)
  const scripts = rows.map(async ({ id }) => {
    const { payees } = await coinManifestOf(db, batchId(id))
    const script = scriptOfMainAddress(payees[0]?.destination ?? '')
    assert(script !== null, 'a withdrawal is planned to an address of the main chain')
    return toHex(script)
  })
  return new Set(await Promise.all(scripts))
}
