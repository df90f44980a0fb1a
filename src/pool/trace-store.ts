import { type Kysely, sql } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import {
  type AccountId,
  accountId,
  type BlockHash,
  blockHash,
  type EpochId,
  epochId,
  type UnixMs,
  unixMs,
} from '../lib/ids.ts'

/** A share as it was accepted, with who sent it and on what. */
export type TracedShare = {
  readonly height: number
  readonly receivedAt: UnixMs
  readonly difficultyLog2: number
  /** 80 bytes. */
  readonly header: Uint8Array
  readonly epoch: EpochId
  readonly account: AccountId
  readonly payee: string
  readonly scheme: string
  readonly worker: string
  readonly session: {
    readonly id: bigint
    readonly extranonce1: Uint8Array
    readonly port: number
    readonly agent: string
    readonly openedAt: UnixMs
  }
  /** Null where a crash lost the job of a block's share. */
  readonly job: {
    readonly id: bigint
    readonly template: bigint
    readonly previousBlock: BlockHash
  } | null
}

type ShareRow = {
  readonly height: number
  readonly received_ms: bigint
  readonly difficulty_log2: number
  readonly header: Buffer
  readonly epoch_id: bigint
  readonly account_id: bigint
  readonly destination: string
  readonly scheme: string
  readonly worker: string
  readonly session_id: bigint
  readonly extranonce1: Buffer
  readonly port: number
  readonly agent: string
  readonly opened_ms: bigint
  readonly job_id: bigint
  readonly template_id: bigint | null
  readonly previous_block: string | null
}

/**
 * Finds a share by its hash alone, by one look at each height that is kept.
 *
 * @returns null where no such share is kept
 */
export async function findShare(
  db: Kysely<Database>,
  hash: BlockHash,
): Promise<TracedShare | null> {
  const { rows } = await sql<ShareRow>`
    select share.height, share.received_ms, difficulty_log2, header, epoch_id, share.account_id,
           destination, accounts.scheme, workers.name as worker, session_id, extranonce1, port,
           agent, opened_ms, job_id, template_id, previous_block
      from (select min(height) as low, max(height) as high from shares) as kept
     cross join lateral generate_series(kept.low, kept.high) as level (at)
     cross join lateral (
       select * from shares where height = level.at and hash = decode(${hash}, 'hex')) as share
      join accounts on accounts.id = share.account_id
      join payees on payees.id = accounts.payee_id
      join workers on workers.id = share.worker_id
      join sessions on sessions.id = share.session_id
      left join jobs on jobs.id = share.job_id
      left join templates on templates.id = jobs.template_id
     limit 1`.execute(db)
  const row = rows[0]
  return row ? fromRow(row) : null
}

function fromRow(row: ShareRow): TracedShare {
  return {
    height: row.height,
    receivedAt: unixMs(Number(row.received_ms)),
    difficultyLog2: row.difficulty_log2,
    header: new Uint8Array(row.header),
    epoch: epochId(row.epoch_id),
    account: accountId(row.account_id),
    payee: row.destination,
    scheme: row.scheme,
    worker: row.worker,
    session: {
      id: row.session_id,
      extranonce1: new Uint8Array(row.extranonce1),
      port: row.port,
      agent: row.agent,
      openedAt: unixMs(Number(row.opened_ms)),
    },
    job:
      row.template_id === null || row.previous_block === null
        ? null
        : {
            id: row.job_id,
            template: row.template_id,
            previousBlock: blockHash(row.previous_block),
          },
  }
}

/** Where a block of ours belongs, for a share that is no longer kept; null where it is not ours. */
export async function findBlock(
  db: Kysely<Database>,
  hash: BlockHash,
): Promise<{ readonly epoch: EpochId; readonly finder: AccountId | null } | null> {
  const row = await db
    .selectFrom('blocks')
    .select(['epoch_id', 'account_id'])
    .where('hash', '=', hash)
    .executeTakeFirst()
  if (!row) return null
  return {
    epoch: epochId(row.epoch_id),
    finder: row.account_id === null ? null : accountId(row.account_id),
  }
}

/** What has become of each block so far; a block without a fate has not been seen on the chain. */
export async function fatesOf(
  db: Kysely<Database>,
  blocks: readonly BlockHash[],
): Promise<ReadonlyMap<BlockHash, string>> {
  const { rows } = await sql<{ hash: string; fate: string }>`
    select distinct on (block_hash) block_hash as hash, fate from block_fates
     where block_hash = any(${blocks}::text[]) order by block_hash, seq desc`.execute(db)
  return new Map(rows.map(({ hash, fate }) => [blockHash(hash), fate]))
}
