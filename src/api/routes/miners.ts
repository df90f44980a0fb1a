import type { z } from 'zod'
import { type AccountId, accountId, unixMs, workerId } from '../../lib/ids.ts'
import {
  type EarningReport,
  listEarnings,
  type PayeeReport,
  payeeOf,
  shownAddress,
  type Waiting,
} from '../../payouts/index.ts'
import { listWorkers, recentWork, type WorkerReport } from '../../pool/index.ts'
import type { Api } from '../app.ts'
import * as contract from '../contract.ts'
import * as own from '../contract-miner.ts'
import { decodeCursor, encodeCursor, numberKey, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import { HASHRATE_WINDOW_MS, hashesPerSecond, hashrateOf } from '../hashrate.ts'
import type { ApiParts, Owed } from '../rooms.ts'
import { waitingJson } from './waiting.ts'

type ListQuery = z.infer<typeof contract.listQuery>

/** What a payee has earned. Public, as the chain is; nothing here can be changed. */
export function addMinerRoutes(api: Api, parts: ApiParts): void {
  const schemaOf = <Reply extends z.ZodType>(summary: string, reply: Reply) => ({
    tags: ['miner'],
    summary,
    params: own.payeeParams,
    response: { 200: reply, default: contract.problem },
  })
  const listOf = <Reply extends z.ZodType>(summary: string, reply: Reply) => ({
    schema: { ...schemaOf(summary, reply), querystring: contract.listQuery },
  })
  api.get(
    '/miners/:payee',
    { schema: schemaOf('Accounts by scheme', own.minerReply) },
    async ({ params }) => miner(parts, await requirePayee(parts, params.payee)),
  )
  api.get(
    '/miners/:payee/balances',
    { schema: schemaOf('What is owed', own.balancesReply) },
    async ({ params }) => balances(parts, await requirePayee(parts, params.payee)),
  )
  api.get(
    '/miners/:payee/workers',
    listOf('Workers and what the last hour’s epochs hold of them', own.workersReply),
    async ({ params, query }) => workers(parts, await requirePayee(parts, params.payee), query),
  )
  api.get(
    '/miners/:payee/earnings',
    listOf('Lines of reward statements, newest first', own.earningsReply),
    async ({ params, query }) => earnings(parts, await requirePayee(parts, params.payee), query),
  )
}

/** @throws Problem `unknown-resource` where nobody has mined to it */
export async function requirePayee({ db }: ApiParts, text: string): Promise<PayeeReport> {
  const payee = await payeeOf(db, text)
  if (payee === null) throw new Problem('unknown-resource', 'nobody has mined to this payee yet')
  return payee
}

/** What stands beside an address of Thunder. */
export function depositFormOf(kind: PayeeReport['kind'] | null, destination: string) {
  return kind === 'thunder' ? shownAddress(kind, destination) : null
}

/** Its accounts, one for each scheme it ever mined under. */
export const accountsOf = (payee: PayeeReport) => payee.accounts.map(({ account }) => account)

function recent({ db, clock }: ApiParts, accounts: readonly AccountId[] | null) {
  return recentWork(db, unixMs(Math.max(0, clock.now() - HASHRATE_WINDOW_MS)), accounts)
}

function sidesJson(owed: readonly Owed[]) {
  const sum = (side: 'pending' | 'payable' | 'inflight') =>
    owed.reduce((total, each) => total + each[side], 0n).toString()
  return {
    pendingMsat: sum('pending'),
    payableMsat: sum('payable'),
    inflightMsat: sum('inflight'),
  }
}

/** The payee's accounts, with what is owed and when it is paid at the earliest. */
export async function miner(parts: ApiParts, payee: PayeeReport) {
  const accounts = accountsOf(payee)
  const [owed, next, waiting, work] = await Promise.all([
    parts.owedTo(accounts),
    parts.nextPayments(accounts),
    parts.whyWaiting(accounts),
    recent(parts, accounts),
  ])
  return {
    payee: payee.destination,
    kind: payee.kind,
    depositForm: depositFormOf(payee.kind, payee.destination),
    accounts: payee.accounts.map(({ account, scheme }) => ({
      scheme,
      ...sidesJson(owed.filter(each => each.account === account)),
      minimumSats: parts.schemes.find(({ name }) => name === scheme)?.minimum.toString() ?? null,
      nextPayment: next.get(account) ?? null,
      waiting: jsonOf(waiting.get(account)),
    })),
    hashrate: hashrateOf(work),
  }
}

function jsonOf(waiting: Waiting | undefined) {
  return waiting === undefined ? null : waitingJson(waiting)
}

async function balances({ owedTo }: ApiParts, payee: PayeeReport) {
  const owed = await owedTo(accountsOf(payee))
  return {
    ...sidesJson(owed),
    accounts: payee.accounts.map(({ account, scheme }) => ({
      scheme,
      ...sidesJson(owed.filter(each => each.account === account)),
    })),
  }
}

/** Workers with their work and rejects of the last hour's epochs. */
export async function workers(parts: ApiParts, payee: PayeeReport, query: ListQuery) {
  const limit = Number(query.limit)
  const keys = query.cursor === undefined ? null : decodeCursor('workers', query.cursor, 1)
  const after = keys && workerId(numberKey(keys[0]))
  const work = await recent(parts, null)
  const epochs = work && { first: work.firstEpoch, last: work.lastEpoch }
  const rows = await listWorkers(parts.db, { accounts: accountsOf(payee), after, limit, epochs })
  const item = (row: WorkerReport) => ({
    name: row.name,
    scheme: schemeOf(payee, row.account),
    shares: row.shares.toString(),
    work: row.work.toString(),
    hashesPerSecond: hashesPerSecond(row.work, work?.durationMs ?? 0).toString(),
    rejects: Object.fromEntries(
      Object.entries(row.rejects).map(([reason, count]) => [reason, count.toString()]),
    ),
  })
  return page(rows, limit, item, last => encodeCursor('workers', [last.worker]))
}

function schemeOf(payee: PayeeReport, account: AccountId): string {
  return payee.accounts.find(each => each.account === account)?.scheme ?? ''
}

/** Lines of reward statements. */
export async function earnings({ db }: ApiParts, payee: PayeeReport, query: ListQuery) {
  const limit = Number(query.limit)
  const keys = query.cursor === undefined ? null : decodeCursor('earnings', query.cursor, 2)
  const before = keys && {
    statement: numberKey(keys[0]),
    account: accountId(numberKey(keys[1])),
  }
  const rows = await listEarnings(db, { accounts: accountsOf(payee), before, limit })
  const item = (row: EarningReport) => ({
    reward: row.statement.toString(),
    scheme: row.scheme,
    amountMsat: row.amount.toString(),
    rewardPool: row.rewardPool,
    epoch: row.epoch.toString(),
    block: row.block,
    height: row.height,
    creditedMs: row.creditedAt,
  })
  return page(rows, limit, item, last => encodeCursor('earnings', [last.statement, last.account]))
}
