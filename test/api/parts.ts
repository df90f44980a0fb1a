import type { Kysely } from 'kysely'
import type { ApiParts, Decision, GivenAct, Owed } from '../../src/api/index.ts'
import type { Database } from '../../src/lib/db/schema.ts'
import { type AccountId, unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { millisats, sats } from '../../src/lib/money.ts'
import { parseL1Destination } from '../../src/payouts/index.ts'
import { POLICY } from '../treasury/approvers.ts'
import { NOW_MS } from './seed.ts'

/** What the API is handed in tests: the real reports, a fixed time, and settable answers. */
export function partsOn(db: Kysely<Database>, changed: Partial<ApiParts> = {}): ApiParts {
  return {
    db,
    clock: { now: () => unixMs(NOW_MS) },
    log: createLog('test', 'silent'),
    pool: { name: 'a pool & more', network: 'regtest', stratumHost: 'pool.example' },
    schemes: [
      {
        name: 'pplns',
        ports: [3333, 3334],
        tlsPorts: [4333],
        rewardPool: 'pplns',
        method: 'pplns',
        coinbase: 'pool',
        interval: { kind: 'blocks', blocks: 144 },
        rails: ['l1'],
        minimum: sats(500_000n),
        feeBasisPoints: 100,
        feePaidBy: 'pool',
        difficultyLog2: { start: 13, minimum: -10, maximum: 40 },
      },
    ],
    owedTo: accounts => owedFromBalances(db, accounts),
    nextPayments: async accounts =>
      new Map(accounts.slice(0, 1).map(account => [account, { kind: 'height', height: 260 }])),
    whyWaiting: async accounts =>
      new Map(
        accounts
          .slice(0, 1)
          .map(account => [account, { kind: 'below minimum', minimum: sats(500_000n) }]),
      ),
    destinations: new Map([['l1', text => parseL1Destination(text, 'regtest')]]),
    coolOffMs: 48 * 3_600_000,
    rules: { ...POLICY, coolOffHours: 48 },
    decide: async () => ({ kind: 'accepted', batch: 'waits' }),
    planOwn: async () => ({ kind: 'nothing', reason: 'there is no other wallet' }),
    audit: async () => ({ ok: true, entries: 12n, checkedAfter: 0n, head: null, complaints: [] }),
    health: { database: async () => ({ ok: true, detail: 'answers' }) },
    coinbase: { alarmBytes: 250, newestBytes: async () => 241 },
    trustedProxies: [],
    requestsPerMinuteMax: 100_000,
    ...changed,
  }
}

/** Answers acts as told and keeps what it was given. */
export function deciding(decision: Decision) {
  const given: GivenAct[] = []
  const decide = async (act: GivenAct) => {
    given.push(act)
    return decision
  }
  return { given, decide }
}

async function owedFromBalances(
  db: Kysely<Database>,
  accounts: readonly AccountId[],
): Promise<readonly Owed[]> {
  const rows = await db
    .selectFrom('ledger_balances')
    .innerJoin('ledger_accounts', 'ledger_accounts.id', 'ledger_balances.account_id')
    .select(['name', 'amount_msat'])
    .execute()
  const amounts = new Map(rows.map(row => [row.name, -row.amount_msat]))
  return accounts.map(account => {
    const side = (name: string) => millisats(amounts.get(`miner:${account}:${name}`) ?? 0n)
    return {
      account,
      pending: side('pending'),
      payable: side('payable'),
      inflight: side('inflight'),
    }
  })
}
