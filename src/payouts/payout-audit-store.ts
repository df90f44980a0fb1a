import { type Kysely, sql } from 'kysely'
import {
  type Act,
  decodeManifest,
  type Manifest,
  manifestHash,
  manifestTotal,
  parseOperatorKey,
  verifyAct,
} from '../approval/index.ts'
import type { Database } from '../lib/db/schema.ts'
import { digest } from '../lib/ids.ts'
import { railFacts } from './rails/index.ts'

/** A check names this many complaints and looks no further: the first ones tell enough. */
const COMPLAINTS_MAX = 100

/**
 * Whether what the ledger holds in flight is, for each account, what its live payout asks for.
 * The ledger's tables are only read, beside ours and as of one moment.
 */
export async function auditInflight(db: Kysely<Database>): Promise<readonly string[]> {
  const { rows } = await sql<{ account: string; held: bigint; asked: bigint }>`
    select account, coalesce(held, 0) as held, coalesce(asked, 0) as asked
      from (select split_part(name, ':', 2) as account, -amount_msat as held
              from ledger_balances join ledger_accounts on id = ledger_balances.account_id
             where name like 'miner:%:inflight') as ledger
      full join (select account_id::text as account, sum(amount_sats + fee_sats) * 1000 as asked
                   from payouts where state not in ('settled', 'released')
                  group by account_id) as live using (account)
     where coalesce(held, 0) <> coalesce(asked, 0)
     order by account limit ${COMPLAINTS_MAX}`.execute(db)
  return rows.map(
    ({ account, held, asked }) =>
      `account ${account}: ${held} msat in flight, its live payouts ask for ${asked}`,
  )
}

/**
 * Whether each batch is what its manifest says: hash, columns, payees and payouts; whether its
 * payouts share its state; and whether every act on it is signed and about this manifest.
 *
 * @param newest how many of the newest batches are looked at
 */
export async function auditBatches(
  db: Kysely<Database>,
  newest: number | 'all',
): Promise<readonly string[]> {
  const complaints: string[] = []
  let last = await batchBefore(db, newest)
  while (complaints.length < COMPLAINTS_MAX) {
    const row = await db
      .selectFrom('batches')
      .selectAll()
      .where('id', '>', last)
      .orderBy('id')
      .limit(1)
      .executeTakeFirst()
    if (!row) break
    last = row.id
    const bytes = new Uint8Array(row.manifest)
    const manifest = decodeManifest(bytes)
    const found: string[] = []
    if (manifestHash(bytes) !== row.manifest_hash) found.push('its manifest has another hash')
    if (manifest === null) found.push('its manifest is not canonical')
    else {
      if (!isOfRow(manifest, row)) found.push('its manifest says something else than its row')
      found.push(...(await checkPayouts(db, manifest, row.state)))
    }
    found.push(...(await checkActs(db, row)))
    complaints.push(...found.map(complaint => `batch ${row.id}: ${complaint}`))
  }
  return complaints.slice(0, COMPLAINTS_MAX)
}

/** The batch behind which the newest ones begin; 0 before the first. */
export async function batchBefore(db: Kysely<Database>, newest: number | 'all'): Promise<bigint> {
  if (newest === 'all') return 0n
  const row = await db
    .selectFrom('batches')
    .select('id')
    .orderBy('id', 'desc')
    .offset(newest)
    .limit(1)
    .executeTakeFirst()
  return row?.id ?? 0n
}

type BatchRow = {
  readonly id: bigint
  readonly rail: string
  readonly purpose: string
  readonly wallet: string
  readonly anchor_txid: string | null
  readonly anchor_vout: number | null
  readonly total_sats: bigint
  readonly fee_max_sats: bigint
  readonly expires_ms: bigint
}

function isOfRow(manifest: Manifest, row: BatchRow): boolean {
  const anchor = manifest.version === 2 ? manifest.anchor : null
  return (
    manifest.batch === row.id &&
    manifest.rail === row.rail &&
    manifest.purpose === row.purpose &&
    manifest.wallet === row.wallet &&
    anchor?.txid === (row.anchor_txid ?? undefined) &&
    anchor?.vout === (row.anchor_vout ?? undefined) &&
    manifestTotal(manifest) === row.total_sats &&
    manifest.feeMax === row.fee_max_sats &&
    BigInt(manifest.expiresAt) === row.expires_ms
  )
}

async function checkPayouts(
  db: Kysely<Database>,
  manifest: Manifest,
  state: string,
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('payouts')
    .innerJoin('accounts', 'accounts.id', 'payouts.account_id')
    .innerJoin('payees', 'payees.id', 'accounts.payee_id')
    .select(({ fn }) => [
      'payouts.id',
      'amount_sats',
      'state',
      // Older payouts went to the payee's own destination.
      fn.coalesce('payouts.destination', 'payees.destination').as('destination'),
    ])
    .where('batch_id', '=', manifest.batch)
    .execute()
  const byId = new Map(rows.map(row => [row.id, row]))
  // Who is paid for no payout, as by a transfer to a wallet of ours, is the manifest's word alone.
  const paid = manifest.purpose === 'payout' ? manifest.payees : []
  const wrong = paid.filter(({ destination, amount, payouts }) => {
    const own = payouts.map(id => byId.get(id))
    const sum = own.reduce((total, row) => total + (row?.amount_sats ?? 0n), 0n)
    return sum !== amount || own.some(row => row?.destination !== destination)
  })
  const named = manifest.payees.reduce((count, { payouts }) => count + payouts.length, 0)
  const complaints = wrong.map(({ destination }) => `${destination} gets what no payout asks for`)
  if (named !== rows.length) complaints.push('its manifest does not name all of its payouts')
  // Lines end before their batch, each for itself.
  const isOwn = (of: string) => manifest.version === 3 && (of === 'settled' || of === 'released')
  if (rows.some(row => row.state !== state && !isOwn(row.state)))
    complaints.push('a payout has another state')
  return complaints
}

async function checkActs(
  db: Kysely<Database>,
  { id, manifest_hash: hash }: { readonly id: bigint; readonly manifest_hash: string },
): Promise<readonly string[]> {
  const rows = await db.selectFrom('approvals').selectAll().where('batch_id', '=', id).execute()
  return rows
    .filter(row => {
      const operator = parseOperatorKey(row.operator_key)
      if (operator === null || row.manifest_hash !== hash) return true
      const act: Act =
        row.act === 'approve' ? { kind: 'approve' } : { kind: 'reject', reason: row.reason }
      const signature = new Uint8Array(row.signature)
      return !verifyAct({ operator, act, manifestHash: digest(hash), signature })
    })
    .map(row => `the act (${row.act}) of operator ${row.operator_key} proves nothing`)
}

/**
 * Whether every settled payout of a transaction was paid by bytes that are stored, and whether
 * stored bytes are the transaction whose id stands beside them.
 *
 * @param newest how many of the newest batches are looked at
 */
export async function auditVersions(
  db: Kysely<Database>,
  newest: number | 'all',
): Promise<readonly string[]> {
  const from = await batchBefore(db, newest)
  const { rows } = await sql<{ id: bigint; batch: bigint }>`
    select id, batch_id as batch from payouts
     where state = 'settled' and batch_id > ${from}
       and exists (select from batches where id = batch_id and rail <> 'lightning') and not exists (
       select from batch_versions as version
        where version.batch_id = payouts.batch_id and raw is not null)
     order by id limit ${COMPLAINTS_MAX}`.execute(db)
  const unpaid = rows.map(
    ({ id, batch }) => `payout ${id} is settled, but batch ${batch} has no signed bytes`,
  )
  return [...unpaid, ...(await findForeignBytes(db, from))].slice(0, COMPLAINTS_MAX)
}

async function findForeignBytes(db: Kysely<Database>, from: bigint): Promise<readonly string[]> {
  const complaints: string[] = []
  let last = { batch: from, version: Number.MAX_SAFE_INTEGER }
  while (complaints.length < COMPLAINTS_MAX) {
    const row = await db
      .selectFrom('batch_versions')
      .innerJoin('batches', 'batches.id', 'batch_versions.batch_id')
      .select(['batch_id', 'rail', 'version', 'txid', 'raw'])
      .where('raw', 'is not', null)
      .where(sql<boolean>`(batch_id, version) > (${last.batch}::bigint, ${last.version}::bigint)`)
      .orderBy('batch_id')
      .orderBy('version')
      .limit(1)
      .executeTakeFirst()
    if (!row?.raw) break
    last = { batch: row.batch_id, version: row.version }
    if (!isTransaction(row.rail, new Uint8Array(row.raw), row.txid))
      complaints.push(
        `batch ${row.batch_id}: version ${row.version} is not transaction ${row.txid}`,
      )
  }
  return complaints
}

function isTransaction(rail: string, raw: Uint8Array, txid: string): boolean {
  try {
    return railFacts(rail).txidOf?.(raw) === txid
  } catch {
    return false
  }
}
