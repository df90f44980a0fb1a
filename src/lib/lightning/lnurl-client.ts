import type { PaymentHash, Preimage } from '../ids.ts'
import type { Clock } from '../time.ts'
import { type Bolt11, parseBolt11 } from './bolt11.ts'
import type { LightningAddress } from './destination.ts'
import { type Egress, guardedGet } from './guarded-get-client.ts'
import { type Asked, invoiceComplaint } from './invoice.ts'
import {
  addressUrl,
  amountComplaint,
  callbackUrl,
  type Described,
  describedBy,
  readPayAnswer,
  readPayRequest,
  readVerifyAnswer,
} from './lnurl.ts'

/** An invoice of an address, fit to be paid, or why there is none. Nothing is paid either way. */
export type InvoiceOffer =
  | {
      readonly kind: 'invoice'
      readonly invoice: Bolt11
      /** Where its payee says whether it was paid (LUD-21), or null. */
      readonly verifyUrl: string | null
      /** Both are for people, and decide nothing. */
      readonly described: Described
      readonly namesAddress: boolean
    }
  /** For people: another time it may be there. */
  | { readonly kind: 'none'; readonly reason: string }

/** A picture of 100 KB is allowed in the metadata, and its text around it. Source: LUD-06. */
const REQUEST_BYTES_MAX = 192 * 1024
/** An invoice has 7,089 characters at most. */
const ANSWER_BYTES_MAX = 16 * 1024

/**
 * Asks an address for an invoice and looks at what comes: everything that can be known without a
 * node and a database. Both requests go to servers of the address's choice, under one set of rules.
 *
 * @param comment for the payee, where its server takes one that long
 */
export async function askForInvoice(
  address: LightningAddress,
  asked: Asked,
  { comment, egress, clock }: { comment: string; egress: Egress; clock: Clock },
): Promise<InvoiceOffer> {
  const offered = await guardedGet(addressUrl(address), REQUEST_BYTES_MAX, egress)
  if (offered.kind === 'failed') return none(offered.reason)
  const request = readPayRequest(offered.text, address)
  if (request.kind === 'refused') return none(request.reason)
  const outOfRange = amountComplaint(request, asked.amount)
  if (outOfRange !== null) return none(outOfRange)

  const url = callbackUrl(request, asked.amount, comment)
  const answered = await guardedGet(url, ANSWER_BYTES_MAX, egress)
  if (answered.kind === 'failed') return none(answered.reason)
  const answer = readPayAnswer(answered.text)
  if (answer.kind === 'refused') return none(answer.reason)
  const parsed = parseBolt11(answer.invoice)
  if (parsed.kind === 'refused') return none(`the invoice cannot be read: ${parsed.reason}`)
  const { invoice } = parsed
  const complaint = invoiceComplaint(invoice, asked, clock.now())
  if (complaint !== null) return none(complaint)
  return {
    kind: 'invoice',
    invoice,
    verifyUrl: answer.verifyUrl,
    described: describedBy(invoice.descriptionHash, request),
    namesAddress: request.namesAddress,
  }
}

/** The preimage that the payee's server shows, which proves that it was paid; null for anything else. */
export async function askForPreimage(
  verifyUrl: string,
  hash: PaymentHash,
  egress: Egress,
): Promise<Preimage | null> {
  const said = await guardedGet(verifyUrl, ANSWER_BYTES_MAX, egress)
  return said.kind === 'failed' ? null : readVerifyAnswer(said.text, hash)
}

function none(reason: string): InvoiceOffer {
  return { kind: 'none', reason }
}
