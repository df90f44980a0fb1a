import type { Kysely } from 'kysely'
import {
  chartAccount,
  type LedgerAccount,
  minerAccount,
  postEntries,
} from '../../src/ledger/index.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { type AccountId, accountId, journalKey, unixMs } from '../../src/lib/ids.ts'
import { type Millisats, millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import type { Scheme } from '../../src/payouts/scheme.ts'
import type { NodeCalls } from '../support/bitcoind.ts'

export const SCHEME: Scheme = {
  name: 'daily',
  rewardPool: 'pplns',
  interval: { kind: 'minutes', minutes: 60 },
  rails: ['l1'],
  minimum: sats(10_000n),
  feeBasisPoints: 0,
  feePaidBy: 'pool',
}

/** Where the pool's money is, and how much of it. */
export type SeedOn = { readonly float: LedgerAccount; readonly capital: Millisats }
const ON_L1: SeedOn = {
  float: chartAccount('l1Float'),
  capital: msatsFromSats(sats(10_000_000_000n)),
}

/** What each account is owed at first. */
export const OWED = [millisats(1_234_567_891n), millisats(50_000_000_999n)]

/** A tip, a statement, and accounts that are owed. */
export async function seed(
  db: Kysely<Database>,
  node: Pick<NodeCalls, 'cli' | 'cliText'>,
  payees: readonly string[],
  now: number,
  on: SeedOn = ON_L1,
): Promise<AccountId[]> {
  const height = await noteTip(db, node, now)
  await db
    .insertInto('epochs')
    .values({
      id: 1n,
      opened_ms: 0n,
      block_target: new Uint8Array(32).fill(0x7f),
      subsidy_sats: 5_000_000_000n,
      closed_ms: 1n,
      close_reason: 'time',
    })
    .execute()
  await db
    .insertInto('reward_statements')
    .values({
      number: 1n,
      reward_pool: 'pplns',
      epoch_id: 1n,
      block_hash: null,
      height,
      hash: 'a'.repeat(64),
      previous_hash: null,
      bytes: new Uint8Array(),
      created_ms: BigInt(now),
    })
    .execute()
  const accounts: AccountId[] = []
  for (const [index, destination] of payees.entries()) {
    accounts.push(await seedAccount(db, destination, OWED[index % OWED.length] ?? 0n, now))
  }
  await credit(db, accounts, now, on)
  return accounts
}

async function seedAccount(
  db: Kysely<Database>,
  destination: string,
  owed: bigint,
  now: number,
): Promise<AccountId> {
  const created_ms = BigInt(now)
  const payee = await db
    .insertInto('payees')
    .values({ kind: 'bitcoin', destination, created_ms })
    .returning('id')
    .executeTakeFirstOrThrow()
  const account = await db
    .insertInto('accounts')
    .values({ payee_id: payee.id, scheme: SCHEME.name, created_ms })
    .returning('id')
    .executeTakeFirstOrThrow()
  await db
    .insertInto('reward_lines')
    .values({ statement_number: 1n, account_id: account.id, amount_msat: owed })
    .execute()
  return accountId(account.id)
}

/** Owes each account once more, and puts as much capital in again. */
export async function credit(
  db: Kysely<Database>,
  accounts: readonly AccountId[],
  now: number,
  { float, capital }: SeedOn = ON_L1,
) {
  const owed = accounts.map((account, index) => ({
    account: minerAccount(account, 'payable'),
    amount: millisats(-(OWED[index % OWED.length] ?? 0n)),
  }))
  const total = millisats(-owed.reduce((sum, leg) => sum + leg.amount, 0n))
  const sorted = <T extends { account: string }>(legs: T[]) =>
    legs.toSorted((a, b) => (a.account < b.account ? -1 : 1))
  await db.transaction().execute(tx =>
    postEntries(tx, [
      {
        key: journalKey(`test:capital:${now}`),
        event: 'capital',
        legs: [
          { account: float, amount: capital },
          { account: chartAccount('treasuryCapital'), amount: millisats(-capital) },
        ],
        at: unixMs(now),
      },
      {
        key: journalKey(`test:credit:${now}`),
        event: 'credit',
        legs: sorted([{ account: chartAccount('ppsCost'), amount: total }, ...owed]),
        at: unixMs(now),
      },
    ]),
  )
}

/** The node's newest block, as accounting would write it down. @returns its height */
export async function noteTip(
  db: Kysely<Database>,
  node: Pick<NodeCalls, 'cli' | 'cliText'>,
  now: number,
): Promise<number> {
  const height = Number(await node.cli('getblockcount'))
  await db
    .insertInto('tips')
    .values({
      height,
      hash: await node.cliText('getblockhash', height),
      previous_block: await node.cliText('getblockhash', height - 1),
      time_ms: BigInt(now),
      seen_ms: BigInt(now),
    })
    .execute()
  return height
}
