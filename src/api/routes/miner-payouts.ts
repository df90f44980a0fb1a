import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { unreachable } from '../../lib/assert.ts'
import { type PayoutId, payoutId } from '../../lib/ids.ts'
import {
  askForPayout,
  listPayouts,
  type PayeeReport,
  type PayoutReport,
  payeeKindOf,
  type RequestOutcome,
  type RequestRefusal,
} from '../../payouts/index.ts'
import { approversOf } from '../../treasury/index.ts'
import type { Api } from '../app.ts'
import * as contract from '../contract.ts'
import { payeeParams } from '../contract-miner.ts'
import { csvLine } from '../csv.ts'
import { decodeCursor, encodeCursor, numberKey, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import * as own from '../payout-contract.ts'
import type { ApiParts } from '../rooms.ts'
import { rulesOf } from './miner-settings.ts'
import { accountsOf, depositFormOf, requirePayee } from './miners.ts'
import { badProof, PROOF_RATE, proofOf, requireUnlocked } from './proofs.ts'
import { waitingText } from './waiting.ts'

/** A file ends here: the newest so many, more than a payout a day in two centuries. */
const CSV_ROWS_MAX = 100_000

/** What a payee was paid, and asking for more. */
export function addPayoutRoutes(api: Api, parts: ApiParts): void {
  const shared = { tags: ['miner'], params: payeeParams }
  const responses = <Reply extends z.ZodType>(reply: Reply) => ({
    response: { 200: reply, default: contract.problem },
  })
  const list = {
    ...{ ...shared, summary: 'Payouts, newest first', querystring: contract.listQuery },
    ...responses(own.payoutsReply),
  }
  api.get('/miners/:payee/payouts', { schema: list }, async ({ params, query }) =>
    payouts(parts, await requirePayee(parts, params.payee), query),
  )
  const csv = {
    ...{ ...shared, summary: 'The same as CSV (RFC 4180), all of them, newest first' },
    ...responses(z.string()),
  }
  api.get('/miners/:payee/payouts.csv', { schema: csv }, async ({ params }, reply) => {
    const payee = await requirePayee(parts, params.payee)
    return sendCsv(reply, csvOf(parts, payee))
  })
  const ask = {
    ...{ ...shared, summary: 'Ask to be paid with the next plan', body: own.requestBody },
    ...responses(own.requestReply),
  }
  api.post('/miners/:payee/payouts', { schema: ask, config: PROOF_RATE }, async request =>
    askWith(parts, request, request.params.payee, request.body),
  )
}

function sendCsv(reply: FastifyReply, lines: AsyncGenerator<string>) {
  reply.header('content-disposition', 'attachment; filename="payouts.csv"')
  return reply.type('text/csv; charset=utf-8; header=present').send(Readable.from(lines))
}

/** Payouts of all the payee's accounts. */
export async function payouts(
  parts: ApiParts,
  payee: PayeeReport,
  query: z.infer<typeof contract.listQuery>,
) {
  const limit = Number(query.limit)
  const keys = query.cursor === undefined ? null : decodeCursor('payouts', query.cursor, 1)
  const before = keys && payoutId(numberKey(keys[0]))
  const rows = await readPayouts(parts, payee, before, limit)
  return page(
    rows,
    limit,
    row => row.json,
    last => encodeCursor('payouts', [last.id]),
  )
}

async function readPayouts(
  { db }: ApiParts,
  payee: PayeeReport,
  before: PayoutId | null,
  limit: number,
) {
  const rows = await listPayouts(db, { accounts: accountsOf(payee), before, limit })
  const approvers = await approversOf(db, [...new Set(rows.map(({ batch }) => batch))])
  return rows.map(row => ({
    id: row.payout,
    json: payoutJson(row, approvers.get(row.batch) ?? []),
  }))
}

function payoutJson(row: PayoutReport, approvedBy: readonly string[]): z.infer<typeof own.payout> {
  return {
    payout: row.payout.toString(),
    scheme: row.scheme,
    amountSats: row.amount.toString(),
    feeSats: row.fee.toString(),
    destination: row.destination,
    state: row.state,
    batch: row.batch.toString(),
    rail: row.rail,
    txid: row.txid,
    paymentHash: row.payment?.hash ?? null,
    preimage: row.payment?.preimage ?? null,
    failure: row.failure,
    heldMs: row.heldAt,
    approvedBy: [...approvedBy],
    plannedMs: row.plannedAt,
    plannedHeight: row.plannedHeight,
    endedMs: row.endedAt,
    depositForm: depositFormOf(payeeKindOf(row.rail), row.destination),
  }
}

/** Read page by page while the reader takes it, so that a long file takes no memory. */
async function* csvOf(parts: ApiParts, payee: PayeeReport): AsyncGenerator<string> {
  const columns = own.payout.keyof().options
  yield csvLine(columns)
  let before: PayoutId | null = null
  for (let rows = 0; rows < CSV_ROWS_MAX; rows += contract.LIST_MAX) {
    const found = await readPayouts(parts, payee, before, contract.LIST_MAX)
    for (const { json } of found)
      yield csvLine(
        columns.map(column => {
          const field = json[column]
          return Array.isArray(field) ? field.join(' ') : field
        }),
      )
    before = found.at(-1)?.id ?? null
    if (found.length < contract.LIST_MAX) return
  }
}

/** Asks that an account be paid now. @throws Problem where that changes nothing */
export async function askWith(
  parts: ApiParts,
  request: FastifyRequest,
  payee: string,
  { scheme, proof }: z.infer<typeof own.requestBody>,
) {
  await requireUnlocked(parts, request)
  const given = { payee, scheme, proof: proof === null ? null : proofOf(proof) }
  const now = parts.clock.now()
  const rules = { ...rulesOf(parts), schemes: parts.schemes }
  const outcome = await askForPayout(parts.db, rules, given, now)
  if (outcome.kind !== 'asked') throw await problemOf(parts, request, outcome)
  return { scheme, askedMs: now }
}

async function problemOf(
  parts: ApiParts,
  request: FastifyRequest,
  outcome: Exclude<RequestOutcome, { kind: 'asked' }>,
): Promise<Problem> {
  switch (outcome.kind) {
    case 'unknown account':
      return new Problem('unknown-resource', 'this payee has earned nothing under this scheme')
    case 'refused':
      return new Problem('payout-refused', refusalText(outcome.why))
    case 'unsigned':
      return new Problem('bad-proof', `the payee bears the fee; sign this text:\n${outcome.text}`)
    case 'unproven':
      return badProof(parts, request, `${outcome.reason}; the text to sign:\n${outcome.text}`)
    default:
      return unreachable(outcome)
  }
}

function refusalText(why: RequestRefusal): string {
  switch (why.kind) {
    case 'waiting':
      return waitingText(why.why)
    case 'asked already':
      return 'it was asked for already, and is due with the next plan'
    case 'too soon':
      return `once a day at most: again from ${new Date(why.from).toISOString()}`
    default:
      return unreachable(why)
  }
}
