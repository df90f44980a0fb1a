import { type Kysely, sql, type Transaction } from 'kysely'
import { assert } from '../../../lib/assert.ts'
import type { Database } from '../../../lib/db/schema.ts'
import {
  type BatchId,
  batchId,
  type JournalKey,
  journalKey,
  type Txid,
  type UnixMs,
} from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import { outputTotal } from '../../../lib/thunder/transaction.ts'
import { type Outpoint, outpointText } from '../../outpoint.ts'
import { plannedAddress } from './payments.ts'
import { parseSigned, txidOf } from './signed.ts'
import type { ThunderCoin } from './transaction.ts'

/** Settled batches folded in one run; the next run goes on from there. */
const FOLDS_A_RUN_MAX = 100

/** A coin on Thunder that is ours to spend, with the entry of the ledger that booked it. */
export type NotedThunderCoin = ThunderCoin & {
  readonly origin: Database['thunder_coins']['origin']
  readonly journalKey: JournalKey
}

/** Notes what Thunder has credited for a deposit of ours; it has the name of the main chain's output. */
export async function noteCredited(
  tx: Transaction<Database>,
  {
    coin,
    address,
    amount,
    journalKey,
  }: {
    readonly coin: { readonly txid: Txid; readonly vout: number }
    readonly address: ThunderAddress
    readonly amount: Sats
    readonly journalKey: JournalKey
  },
  at: UnixMs,
): Promise<void> {
  const outPoint = { kind: 'deposit', hash: coin.txid, vout: coin.vout } as const
  await noteThunderCoins(
    tx,
    [{ outPoint, address, value: amount, origin: 'deposit', journalKey }],
    at,
  )
}

/** Notes coins, each once for ever: a repeat changes nothing. */
export async function noteThunderCoins(
  tx: Transaction<Database>,
  coins: readonly NotedThunderCoin[],
  at: UnixMs,
): Promise<void> {
  if (coins.length === 0) return
  await tx
    .insertInto('thunder_coins')
    .values(
      coins.map(({ outPoint, address, value, origin, journalKey }) => ({
        txid: outPoint.hash,
        ...{ vout: outPoint.vout, kind: outPoint.kind, address, origin },
        value_sats: value,
        journal_key: journalKey,
        noted_ms: BigInt(at),
      })),
    )
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

type CoinRow = Pick<
  Database['thunder_coins'],
  'txid' | 'vout' | 'kind' | 'address' | 'value_sats' | 'origin' | 'journal_key'
>

/**
 * Coins that no settled batch has spent, in the order of their names. What a batch spent is closed
 * together with the noting of its change; where a reorganisation chose another version, the coins
 * that the first one left are not there, and what it alone spent is open. Nor is a deposit there
 * that a reorganisation has undone, or that came by another version after all, nor what was
 * written off.
 *
 * Only batches of this rail are asked: the deposit after one spends the same output on the main
 * chain, since that is the treasury's coin there, and takes nothing from what Thunder credited.
 */
export async function openThunderCoins(db: Kysely<Database>): Promise<NotedThunderCoin[]> {
  const { rows } = await sql<CoinRow>`
    select coin.* from thunder_coins coin
     where not exists (
             select from version_coins spent
               join batches on batches.id = spent.batch_id
                           and batches.rail = 'thunder'
                           and batches.paid_version = spent.version
               join batch_versions paid on paid.batch_id = spent.batch_id
                                       and paid.version = spent.version
               join thunder_coins change on change.txid = paid.txid
              where spent.txid = coin.txid and spent.vout = coin.vout)
       and not exists (
             select from batch_versions made
               join batches on batches.id = made.batch_id and batches.rail = 'thunder'
              where made.txid = coin.txid and made.version <> batches.paid_version)
       and not exists (
             select from bridge_moves move
              where starts_with(coin.journal_key, 'deposit:' || move.batch_id || ':')
                and (move.state = 'transit' or move.txid <> coin.txid or move.vout <> coin.vout))
       and not exists (
             select from thunder_losses lost
              where lost.txid = coin.txid and lost.vout = coin.vout)
     order by coin.txid, coin.vout`.execute(db)
  return rows.map(notedCoin)
}

/** The names of coins that were written off. */
export async function lostThunderCoins(db: Kysely<Database>): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom('thunder_losses').select(['txid', 'vout']).execute()
  return new Set(rows.map(({ txid, vout }) => `${txid}:${vout}`))
}

/** Those of the coins that are noted, spent or not, by their names. */
export async function notedThunderCoins(
  db: Kysely<Database>,
  coins: readonly Outpoint[],
): Promise<ReadonlyMap<string, NotedThunderCoin>> {
  const { rows } = await sql<CoinRow>`
    select noted.*
      from unnest(${coins.map(({ txid }) => txid)}::text[],
                  ${coins.map(({ vout }) => vout)}::integer[]) as coin (txid, vout)
      join thunder_coins noted on noted.txid = coin.txid and noted.vout = coin.vout`.execute(db)
  return new Map(rows.map(row => [`${row.txid}:${row.vout}`, notedCoin(row)]))
}

/** The names of those of the coins that a batch holds. */
export async function heldAmong(
  db: Kysely<Database>,
  coins: readonly Outpoint[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ txid: string; vout: number }>`
    select held.txid, held.vout
      from unnest(${coins.map(({ txid }) => txid)}::text[],
                  ${coins.map(({ vout }) => vout)}::integer[]) as coin (txid, vout)
      join reserved_outputs held on held.txid = coin.txid and held.vout = coin.vout
     where held.released_ms is null`.execute(db)
  return new Set(rows.map(({ txid, vout }) => `${txid}:${vout}`))
}

/**
 * Where change goes: the address that got the fewest coins so far. A node tells all that an address
 * ever spent in one reply, so that it is spread over all of ours.
 */
export async function changeAddress(
  db: Kysely<Database>,
  addresses: readonly ThunderAddress[],
): Promise<ThunderAddress> {
  const rows = await db
    .selectFrom('thunder_coins')
    .select(({ fn }) => ['address', fn.countAll<bigint>().as('count')])
    .where('address', 'in', addresses)
    .groupBy('address')
    .execute()
  const counts = new Map(rows.map(({ address, count }) => [address, count]))
  const [first] = addresses.toSorted((a, b) =>
    Number((counts.get(a) ?? 0n) - (counts.get(b) ?? 0n)),
  )
  assert(first !== undefined, 'a rail on Thunder has an address')
  return first
}

/** A batch whose money has left the float's account while its coins are open in the books. */
export type OpenThunderBatch = {
  readonly batch: BatchId
  /** What its payees get; of a withdrawal with the main chain's fee. */
  readonly total: Sats
  /** Of the version that paid once it is settled, of the newest signed one before. */
  readonly fee: Sats
  /** The version that paid; null before it is settled. */
  readonly paidVersion: number | null
}

/** Batches on their way, and settled ones whose change is not noted yet. */
export async function openThunderBatches(db: Kysely<Database>): Promise<OpenThunderBatch[]> {
  const { rows } = await sql<{
    id: bigint
    total: bigint
    fee: bigint | null
    paid_version: number | null
  }>`
    select id, total_sats + main_fee_sats as total, paid_version,
           (select max(fee_sats) from batch_versions version
             where version.batch_id = batches.id and raw is not null
               and (paid_version is null or version.version = paid_version)) as fee
      from batches
     where rail = 'thunder' and state in ('prepared', 'sent', 'uncertain', 'settled')
       and not exists (
             select from batch_versions paid join thunder_coins change on change.txid = paid.txid
              where paid.batch_id = batches.id and paid.version = batches.paid_version)
     order by id`.execute(db)
  return rows.map(({ id, total, fee, paid_version: paidVersion }) => {
    assert(fee !== null, 'what is on its way was signed')
    return { batch: batchId(id), total: sats(total), fee: sats(fee), paidVersion }
  })
}

/** Notes the change of settled batches. Only our own tables are asked; harmless when repeated. */
export async function foldThunder(db: Kysely<Database>, at: UnixMs): Promise<void> {
  const settled = (await openThunderBatches(db)).filter(each => each.paidVersion !== null)
  for (const { batch, paidVersion } of settled.slice(0, FOLDS_A_RUN_MAX)) {
    const { raw } = await db
      .selectFrom('batch_versions')
      .select('raw')
      .where('batch_id', '=', batch)
      .where('version', '=', paidVersion)
      .executeTakeFirstOrThrow()
    assert(raw !== null, 'the version that paid was signed')
    const change = changeOf(new Uint8Array(raw))
    const booked = { origin: 'change' as const, journalKey: journalKey(`batch:${batch}:settled`) }
    await db.transaction().execute(tx => noteThunderCoins(tx, [{ ...change, ...booked }], at))
  }
}

/** The last output of a version, which is always ours. */
function changeOf(raw: Uint8Array): ThunderCoin {
  const { outputs } = parseSigned(raw)?.transaction ?? { outputs: [] }
  const change = outputs.at(-1)
  assert(change !== undefined, 'every version has change')
  return {
    outPoint: { kind: 'regular', hash: txidOf(raw), vout: outputs.length - 1 },
    address: change.address,
    value: outputTotal(change),
  }
}

/** The coins of a batch with all that a transaction needs of them, in the order given. */
export async function thunderCoinsOf(
  db: Kysely<Database>,
  coins: readonly Outpoint[],
): Promise<readonly ThunderCoin[]> {
  const noted = await notedThunderCoins(db, coins)
  return coins.map(coin => {
    const found = noted.get(outpointText(coin))
    assert(found !== undefined, 'only noted coins are reserved on Thunder')
    return found
  })
}

function notedCoin(row: CoinRow): NotedThunderCoin {
  return {
    outPoint: { kind: row.kind, hash: row.txid, vout: row.vout },
    address: plannedAddress(row.address),
    value: sats(row.value_sats),
    origin: row.origin,
    journalKey: journalKey(row.journal_key),
  }
}
