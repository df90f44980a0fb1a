import { sql } from 'kysely'
import { expect } from 'vitest'
import { chartAccount } from '../../src/ledger/index.ts'
import { accountId, type BlockHash, blockHash, unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { sats } from '../../src/lib/money.ts'
import { type CreditParts, creditJobs, rewardMethods } from '../../src/payouts/index.ts'
import { fatesAfter, lastTip, workBack } from '../../src/pool/index.ts'
import {
  checkWork,
  decodeReward,
  encodeWork,
  hashStatement,
  type RewardStatement,
} from '../../src/statement/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { hex64, type LineOf, workOf } from './work.ts'

/** What every block of these tests is worth, and what it takes to find one. */
export const NETWORK_WORK = 2n ** 40n
export const VALUE = 5_000_000_000n

type BlockIn = { readonly nth: number; readonly rewardPool: string; readonly finder: bigint | null }

/** Work of an account, in parts of 2^20 hashes. */
export const work = (account: bigint, done: bigint, rewardPool = 'main'): LineOf => {
  return { account, work: done * 2n ** 20n, rewardPool }
}

/** The rows that credits are made from, and what credits make of them, on one database. */
export function creditWorld(db: TestDatabase['db']) {
  function partsOf(changed: Partial<CreditParts> = {}): CreditParts {
    return {
      db,
      clock: { now: () => unixMs(5000) },
      log: createLog('test', 'silent'),
      network: 'regtest',
      source: {
        workBack: (from, limit) => workBack(db, from, limit),
        fatesAfter: (id, limit) => fatesAfter(db, id, limit),
        bidsPaid: async () => sats(0n),
        tipHeight: async () => (await lastTip(db))?.height ?? null,
      },
      coinbaseFloat: chartAccount('l1Float'),
      methodOf: rewardMethods({
        main: { method: 'pplns', window: 2 },
        pps: { method: 'pps' },
        solo: { method: 'solo' },
      }),
      feeBasisPoints: () => 200,
      ...changed,
    }
  }

  async function creditAll(parts = partsOf()) {
    for (const job of creditJobs(parts)) await job.run()
  }

  async function addTip(height: number) {
    const hash = hex64(height)
    const tip = { height, hash, previous_block: hex64(height - 1), time_ms: 0n, seen_ms: 0n }
    await db.insertInto('tips').values(tip).execute()
  }

  async function addAccounts(count: number) {
    await sql`
      insert into payees (kind, destination, created_ms)
      select 'bitcoin', 'payee-' || n, 0 from generate_series(1, ${count}::integer) n order by n`.execute(
      db,
    )
    await sql`
      insert into accounts (payee_id, scheme, created_ms)
      select id, 'port', 0 from payees order by id`.execute(db)
  }

  /** The rows of an epoch that closed with the work and the blocks given, and its statement. */
  async function addEpoch(
    epoch: bigint,
    lines: readonly LineOf[],
    blocks: readonly BlockIn[] = [],
  ) {
    const found = blocks.map(({ nth, rewardPool, finder }) => ({
      hash: blockHash(hex64(0xb10c_0000 + nth)),
      height: 100 + nth,
      rewardPool,
      finder: finder === null ? null : accountId(finder),
    }))
    await db
      .insertInto('epochs')
      .values({
        id: epoch,
        opened_ms: epoch * 1000n,
        block_target: new Uint8Array(32),
        subsidy_sats: VALUE,
        closed_ms: epoch * 1000n + 1000n,
        close_reason: 'time',
      })
      .execute()
    for (const block of found)
      await db
        .insertInto('blocks')
        .values({
          hash: block.hash,
          height: block.height,
          epoch_id: epoch,
          account_id: block.finder,
          scheme: 'port',
          value_sats: VALUE,
          work: NETWORK_WORK,
          found_ms: 0n,
          recovered: false,
        })
        .execute()
    const last = await db
      .selectFrom('work_statements')
      .select('hash')
      .where('epoch_id', '=', epoch - 1n)
      .executeTakeFirst()
    const bare = workOf({ epoch, networkWork: NETWORK_WORK, lines, subsidy: VALUE }).statement
    const blocksFound = found.map(block => ({ ...block, value: bare.subsidy, paid: null }))
    const previous = (last?.hash ?? null) as typeof bare.previous
    const statement = { ...bare, blocks: blocksFound, previous }
    expect(checkWork(statement)).toEqual([])
    const bytes = encodeWork(statement)
    await db
      .insertInto('work_statements')
      .values({
        epoch_id: epoch,
        hash: hashStatement(bytes),
        previous_hash: last?.hash ?? null,
        bytes,
        created_ms: 0n,
      })
      .execute()
    return found.map(block => block.hash)
  }

  async function addFate(
    block: BlockHash | undefined,
    seq: number,
    fate: 'found' | 'orphaned' | 'mature',
  ) {
    const row = { block_hash: block ?? '', seq, fate, tip_height: 200, decided_ms: 0n }
    await db.insertInto('block_fates').values(row).execute()
  }

  async function statements(): Promise<RewardStatement[]> {
    const rows = await db.selectFrom('reward_statements').selectAll().orderBy('number').execute()
    return rows.map(row => {
      const reading = decodeReward(new Uint8Array(row.bytes))
      if (reading.kind === 'malformed') throw new Error(reading.reason)
      return reading.statement
    })
  }

  async function held() {
    const rows = await db
      .selectFrom('ledger_balances')
      .innerJoin('ledger_accounts', 'ledger_accounts.id', 'account_id')
      .select(['name', 'amount_msat'])
      .where('amount_msat', '<>', 0n)
      .execute()
    return Object.fromEntries(rows.map(row => [row.name, row.amount_msat]))
  }

  return { partsOf, creditAll, addTip, addAccounts, addEpoch, addFate, statements, held }
}
