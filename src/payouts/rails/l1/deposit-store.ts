import { type Kysely, sql } from 'kysely'
import type { Database } from '../../../lib/db/schema.ts'
import { type BatchId, batchId, type Txid, txid } from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import { frozen } from '../../../treasury/index.ts'
import type { Outpoint } from '../../outpoint.ts'
import { coinManifestOf } from '../../payout-store.ts'
import { depositOf, type TreasuryView } from './deposit.ts'

/** The treasury is the first output of every deposit of ours. */
const TREASURY_VOUT = 0
/** Read at once; the others come with a later run. */
const DEPOSITS_MAX = 200
/** Deposits offered for one block; there is one at a time, or a few after a reorganisation. */
const OFFERED_MAX = 10

/** A deposit that the main chain has for good, and what it is called on Thunder. */
export type SettledDeposit = {
  readonly batch: BatchId
  /** The coin that it made, by which Thunder names what it credits. */
  readonly coin: Outpoint
  readonly amount: Sats
  readonly address: ThunderAddress
}

/**
 * Settled deposits, the oldest first: those behind a batch, those that a reorganisation could still
 * undo, and those that are asked for.
 */
export async function settledDeposits(
  db: Kysely<Database>,
  { after, also }: { readonly after: BatchId | null; readonly also: readonly BatchId[] },
): Promise<SettledDeposit[]> {
  const { rows } = await sql<{ id: bigint; txid: string; total: bigint }>`
    select batches.id, version.txid, total_sats as total
      from batches
      join batch_versions version on version.batch_id = batches.id and version = paid_version
     where purpose = 'deposit' and state = 'settled'
       and (batches.id > ${after ?? 0n} or watched_until_height is not null
            or batches.id = any(${also}::bigint[]))
     order by batches.id
     limit ${DEPOSITS_MAX}`.execute(db)
  return Promise.all(
    rows.map(async row => ({
      batch: batchId(row.id),
      coin: { txid: txid(row.txid), vout: TREASURY_VOUT },
      amount: sats(row.total),
      address: depositOf(await coinManifestOf(db, batchId(row.id))).address,
    })),
  )
}

/** A signed transaction of ours that a block of ours may carry. */
export type OwnTransaction = {
  readonly raw: Uint8Array
  readonly txid: Txid
  readonly fee: Sats
  /** The script of each input's coin, in order; nothing for the treasury's, which nobody signs for. */
  readonly spent: readonly Uint8Array[]
}

export type OfferParts = {
  readonly db: Kysely<Database>
  /** The coin that a deposit spends now. */
  readonly treasury: () => Promise<TreasuryView>
  /** Whether the chain, without the mempool, has the coin unspent. */
  readonly isUnspent: (coin: Outpoint) => Promise<boolean>
}

/**
 * Deposits for our own next block: most nodes relay none, but a block may have them. Only those
 * that spend the treasury's coin of now, and of which the chain has every coin, since one that is
 * not valid would cost the block. A frozen rail offers nothing.
 */
export async function ownTransactions(parts: OfferParts): Promise<readonly OwnTransaction[]> {
  const { db, treasury, isUnspent } = parts
  const candidates = await signedDeposits(db)
  if (candidates.length === 0 || (await frozen(db, 'l1')) !== null) return []
  const view = await treasury()
  if (view.kind === 'waits') return []
  const offered: OwnTransaction[] = []
  for (const { spends, foreign, ...transaction } of candidates) {
    const wanted = view.coin === null ? null : `${view.coin.txid}:${view.coin.vout}`
    // Two deposits of one slot never stand in one block: which of them comes first is not ours to say.
    if (foreign !== wanted || offered.length > 0) continue
    const unspent = await Promise.all(spends.map(isUnspent))
    if (unspent.every(Boolean)) offered.push(transaction)
  }
  return offered
}

type Candidate = OwnTransaction & {
  readonly spends: readonly Outpoint[]
  /** The coin among them that its batch does not hold, which is the treasury's; null without one. */
  readonly foreign: string | null
}

/**
 * Signed versions of deposits that are on their way, the newest first: of settled ones too, as long
 * as a reorganisation could undo them. Of one that the chain has, no coin is unspent.
 */
async function signedDeposits(db: Kysely<Database>): Promise<Candidate[]> {
  const { rows } = await sql<{
    raw: Uint8Array
    txid: string
    fee: bigint
    coins: string[]
    foreign: string | null
    scripts: (Uint8Array | null)[]
  }>`
    select raw, version.txid, fee_sats as fee,
           array_agg(coin.txid || ':' || coin.vout order by input) as coins,
           array_agg(held.script order by input) as scripts,
           max(coin.txid || ':' || coin.vout) filter (where held.txid is null) as foreign
      from batches
      join batch_versions version on version.batch_id = batches.id
      join version_coins coin
        on coin.batch_id = version.batch_id and coin.version = version.version
      left join reserved_outputs held
        on held.batch_id = batches.id and held.txid = coin.txid and held.vout = coin.vout
     where purpose = 'deposit' and raw is not null
       and (state in ('prepared', 'sent', 'uncertain')
            or (state = 'settled' and watched_until_height is not null))
     group by version.batch_id, version.version
     order by version.batch_id desc, version.version desc
     limit ${OFFERED_MAX}`.execute(db)
  return rows.map(row => ({
    raw: new Uint8Array(row.raw),
    txid: txid(row.txid),
    fee: sats(row.fee),
    spends: row.coins.map(parseOutpoint),
    foreign: row.foreign,
    spent: row.scripts.map(script => new Uint8Array(script ?? [])),
  }))
}

function parseOutpoint(name: string): Outpoint {
  const [id = '', vout = ''] = name.split(':')
  return { txid: txid(id), vout: Number(vout) }
}
