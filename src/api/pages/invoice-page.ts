import {
  INVOICE_CHARS_MAX,
  INVOICE_RAIL,
  type PayeeReport,
  shownAddress,
} from '../../payouts/index.ts'
import type { Api } from '../app.ts'
import { payeeParams } from '../contract-miner.ts'
import { Problem } from '../errors.ts'
import { invoiceBody, invoiceTextBody } from '../payout-contract.ts'
import type { ApiParts } from '../rooms.ts'
import { invoices, takeWith, textToSign } from '../routes/miner-invoices.ts'
import { PROOF_RATE } from '../routes/proofs.ts'
import { badge, type Html, html, shortHash, table, time } from './html.ts'
import { answer, form, signedFrom } from './settings-forms.ts'
import { pageOf, pageWith, signPage } from './settings-page.ts'

const ROWS = '10'

/** An invoice uploaded by hand, in the steps of the settings: a form, the text, its signature. */
export function addInvoiceForms(api: Api, parts: ApiParts): void {
  const hide = true
  const at = '/miner/:payee/invoice'
  const from = 'invoice'
  api.get(at, { schema: { hide, params: payeeParams } }, async ({ params }, reply) =>
    answer(parts, { text: params.payee, from }, reply, payee => invoicePage(parts, payee)),
  )
  const sign = { hide, params: payeeParams, querystring: form }
  api.get(`${at}/sign`, { schema: sign }, async ({ params, query }, reply) =>
    answer(parts, { text: params.payee, from }, reply, async payee => {
      const given = invoiceTextBody.safeParse(query)
      if (!given.success) throw new Problem('invalid-request', 'an invoice is letters and digits')
      const text = await textToSign(parts, { payee: payee.destination, ...given.data })
      const change = JSON.stringify(given.data)
      return signPage(parts, payee, { text, change, to: from, button: 'Upload the invoice' })
    }),
  )
  const post = { schema: { hide, params: payeeParams, body: form }, config: PROOF_RATE }
  api.post(at, post, async (request, reply) =>
    answer(parts, { text: request.params.payee, from }, reply, async ({ destination }) => {
      const given = invoiceBody.safeParse(signedFrom(request.body))
      if (!given.success) throw new Problem('invalid-request', 'the form was changed on its way')
      await takeWith(parts, request, { payee: destination, ...given.data })
      reply.redirect(pageOf(destination), 303)
      return null
    }),
  )
}

/** Which schemes of a payee pay invoices; nobody signs for a Lightning address. */
export function schemesPaying({ schemes }: ApiParts, { kind, accounts }: PayeeReport): string[] {
  if (kind === 'lightning') return []
  const paying = schemes.filter(({ rails }) => rails.includes(INVOICE_RAIL))
  return accounts
    .map(({ scheme }) => scheme)
    .filter(scheme => paying.some(({ name }) => name === scheme))
}

async function invoicePage(parts: ApiParts, payee: PayeeReport): Promise<string> {
  const name = shownAddress(payee.kind, payee.destination)
  const schemes = schemesPaying(parts, payee)
  const uploaded = await invoices(parts, payee, { limit: ROWS })
  const body = html`
<h1>Pay <code>${name}</code> by an invoice</h1>
<section><h2>Upload one</h2>
${schemes.length === 0 ? html`<p>None of its schemes pays invoices.</p>` : formOf(parts, payee, schemes)}
</section>
<section><h2>Uploaded so far</h2>${invoiceTable(uploaded.items)}</section>
<p><a href="${pageOf(payee.destination)}">Back to the miner</a></p>`
  return pageWith(parts, 'an invoice', body)
}

const MS_PER_HOUR = 3_600_000

function formOf({ coolOffMs }: ApiParts, payee: PayeeReport, schemes: readonly string[]): Html {
  return html`<p>An invoice (BOLT 11) is paid once and exactly, when what is payable covers it. A new
destination is paid after ${Math.trunc(coolOffMs / MS_PER_HOUR)} hours: make one that is good for half
an hour longer. Until it is paid or lapses, nothing else of its account is.</p>
<form class="fields" action="${pageOf(payee.destination)}/invoice/sign" method="get">
<label>scheme<select name="scheme">
${schemes.map(scheme => html`<option>${scheme}</option>`)}</select></label>
<label>invoice<textarea name="invoice" required maxlength="${INVOICE_CHARS_MAX}" rows="6"
 autocomplete="off" spellcheck="false"></textarea></label>
<button>Show the text to sign</button></form>`
}

function invoiceTable(items: Awaited<ReturnType<typeof invoices>>['items']): Html {
  const rows = items.map(each => [
    time(each.uploadedMs),
    each.scheme,
    `${each.amountSats} sat`,
    shortHash(each.paymentHash),
    each.state === 'planned' ? `payout ${each.payout}` : badge(each.state, 'wait'),
    time(each.paysFromMs),
    time(each.lapsesMs),
  ])
  const heads = ['uploaded', 'scheme', 'amount', 'payment hash', 'became', 'paid from']
  return table([...heads, 'lapses'], rows, 'None was ever uploaded.')
}
