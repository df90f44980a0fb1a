import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { unreachable } from '../../lib/assert.ts'
import {
  type GivenInvoice,
  type InvoiceReport,
  listInvoices,
  type PayeeReport,
  type TakeOutcome,
  takeInvoice,
} from '../../payouts/index.ts'
import type { Api } from '../app.ts'
import * as contract from '../contract.ts'
import { payeeParams } from '../contract-miner.ts'
import { decodeCursor, encodeCursor, numberKey, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import * as own from '../payout-contract.ts'
import type { ApiParts } from '../rooms.ts'
import { rulesOf } from './miner-settings.ts'
import { accountsOf, requirePayee } from './miners.ts'
import { badProof, PROOF_RATE, proofOf, requireUnlocked } from './proofs.ts'

const AT = '/miners/:payee/invoices'

/** Invoices that payees upload, each for one payment, and proven by the payee's key. */
export function addInvoiceRoutes(api: Api, parts: ApiParts): void {
  const shared = { tags: ['miner'], params: payeeParams }
  const responses = <Reply extends z.ZodType>(reply: Reply) => ({
    response: { 200: reply, default: contract.problem },
  })
  const list = {
    ...{ ...shared, summary: 'Uploaded invoices, newest first', querystring: contract.listQuery },
    ...responses(own.invoicesReply),
  }
  api.get(AT, { schema: list }, async ({ params, query }) =>
    invoices(parts, await requirePayee(parts, params.payee), query),
  )
  const text = {
    ...{ ...shared, summary: 'The text to sign for an invoice', body: own.invoiceTextBody },
    ...responses(own.textReply),
  }
  api.post(`${AT}/text`, { schema: text }, async ({ params: { payee }, body }, reply) =>
    reply.type('text/plain; charset=utf-8').send(await textToSign(parts, { payee, ...body })),
  )
  const post = {
    ...{ ...shared, summary: 'Upload an invoice to be paid by, once', body: own.invoiceBody },
    ...responses(own.invoiceReply),
  }
  api.post(AT, { schema: post, config: PROOF_RATE }, async request =>
    takeWith(parts, request, { payee: request.params.payee, ...request.body }),
  )
}

/** Invoices of all the payee's accounts, each with its proof, so that anybody can check it. */
export async function invoices(
  { db, clock }: ApiParts,
  payee: PayeeReport,
  query: z.infer<typeof contract.listQuery>,
) {
  const limit = Number(query.limit)
  const keys = query.cursor === undefined ? null : decodeCursor('invoices', query.cursor, 1)
  const before = keys && numberKey(keys[0])
  const rows = await listInvoices(db, { accounts: accountsOf(payee), before, limit })
  const now = clock.now()
  const item = (row: InvoiceReport) =>
    ({
      ...{ scheme: row.scheme, invoice: row.invoice, amountSats: row.amount.toString() },
      ...{ paymentHash: row.paymentHash, payout: row.payout?.toString() ?? null },
      state: row.payout !== null ? 'planned' : now < row.lapsesAt ? 'open' : 'lapsed',
      ...{ uploadedMs: row.uploadedAt, paysFromMs: row.paysFrom, lapsesMs: row.lapsesAt },
      ...{ proof: row.proof, text: row.text, signature: row.signature },
    }) as const
  return page(rows, limit, item, last => encodeCursor('invoices', [last.id]))
}

/** @throws Problem where no signature would help */
export async function textToSign(
  parts: ApiParts,
  given: Omit<GivenInvoice, 'proof'>,
): Promise<string> {
  const outcome = await take(parts, { ...given, proof: null })
  switch (outcome.kind) {
    case 'unsigned':
      return outcome.text
    case 'unknown account':
      throw unknownAccount()
    case 'refused':
      throw new Problem('invoice-refused', outcome.reason)
    case 'taken':
    case 'unproven':
      throw new Error('without a proof none is taken or wrong')
    default:
      return unreachable(outcome)
  }
}

/** Uploads an invoice for whoever proves it. @throws Problem where it is not taken */
export async function takeWith(
  parts: ApiParts,
  request: FastifyRequest,
  { payee, scheme, invoice, proof }: z.infer<typeof own.invoiceBody> & { readonly payee: string },
) {
  await requireUnlocked(parts, request)
  const outcome = await take(parts, { payee, scheme, invoice, proof: proofOf(proof) })
  switch (outcome.kind) {
    case 'taken': {
      const { text, amount, paysFrom, lapsesAt } = outcome.invoice
      const times = { paysFromMs: paysFrom, lapsesMs: lapsesAt }
      return { scheme, invoice: text, amountSats: amount.toString(), ...times }
    }
    case 'unknown account':
      throw unknownAccount()
    case 'refused':
      throw new Problem('invoice-refused', outcome.reason)
    case 'unproven':
      throw await badProof(parts, request, `${outcome.reason}; the text to sign:\n${outcome.text}`)
    case 'unsigned':
      throw new Error('a proof was given')
    default:
      return unreachable(outcome)
  }
}

function take(parts: ApiParts, given: GivenInvoice): Promise<TakeOutcome> {
  const rules = { ...rulesOf(parts), schemes: parts.schemes }
  return takeInvoice(parts.db, rules, given, parts.clock.now())
}

function unknownAccount(): Problem {
  return new Problem('unknown-resource', 'this payee has no account under this scheme')
}
