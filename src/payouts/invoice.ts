import { assert } from '../lib/assert.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import { type PaymentHash, type UnixMs, unixMs } from '../lib/ids.ts'
import type { Bolt11 } from '../lib/lightning/bolt11.ts'
import { parseLightning } from '../lib/lightning/destination.ts'
import { DESTINATION_SATS_MAX } from '../lib/lightning/exposure.ts'
import { HELD_BLOCKS_MAX, invoiceComplaint } from '../lib/lightning/invoice.ts'
import { type Millisats, type Sats, satsFloor } from '../lib/money.ts'
import type { Scheme } from './scheme.ts'
import { lines, type TextContext } from './settings.ts'

/** An invoice that its payee uploaded, and that an account is to be paid by, once. */
export type OpenInvoice = {
  /** In its canonical spelling, as the manifest will name it. */
  readonly text: string
  readonly amount: Sats
  /** Before it nothing is paid to it: nobody has been paid there before. */
  readonly paysFrom: UnixMs
  /** From this instant on it is not planned any more. */
  readonly lapsesAt: UnixMs
}

/** Why an invoice is not taken, whoever signs; for the payee. */
export type InvoiceRefusal = { readonly kind: 'refused'; readonly reason: string }

/** What an uploaded text is worth. */
export type UploadOutcome =
  | { readonly kind: 'invoice'; readonly invoice: OpenInvoice; readonly paymentHash: PaymentHash }
  | InvoiceRefusal

/** The one rail that pays invoices. */
export const INVOICE_RAIL = 'lightning'
/** A thousand of these fit one manifest; wallets write about 400 characters. */
export const INVOICE_CHARS_MAX = 2000
/** An account uploads no more: one or two may hold a mistake. */
export const INVOICES_A_DAY_MAX = 3
/** From the cool-off on, for the plan, the approvals and the payment. */
const UPLOAD_LEFT_MS_MIN = 30 * 60_000
/** When it is planned: for the approvals and the payment. */
const PLAN_LEFT_MS_MIN = 15 * 60_000
/** So long an account waits for its balance to cover one, and for nothing else. */
const OPEN_MS_MAX = 7 * 86_400_000

/**
 * Reads an invoice as it will be paid, or says why it cannot be. Whether its hash was used before is
 * for whoever keeps the hashes.
 *
 * @param coolOffMs how long a destination waits that nobody was paid at before
 */
export function readUpload(
  text: string,
  { network, coolOffMs }: { readonly network: Network; readonly coolOffMs: number },
  scheme: Pick<Scheme, 'name' | 'rails' | 'minimum'>,
  now: UnixMs,
): UploadOutcome {
  if (!scheme.rails.includes(INVOICE_RAIL))
    return refused(`${scheme.name} does not pay over Lightning`)
  if (text.length > INVOICE_CHARS_MAX)
    return refused(`an invoice has at most ${INVOICE_CHARS_MAX} characters here`)
  const read = parseLightning(text, network)
  if (read.kind === 'refused') return read
  if (read.kind === 'address') return refused('a Lightning address is named in the settings')
  const { invoice } = read
  const { amount, expiresAt, paymentHash } = invoice
  assert(amount !== null, 'an invoice without an amount is refused as it is read')
  const complaint =
    amountComplaint(amount, scheme.minimum) ??
    timeComplaint(invoice, coolOffMs, now) ??
    invoiceComplaint(invoice, { network, amount, cltvBlocksMax: HELD_BLOCKS_MAX }, now)
  if (complaint !== null) return refused(complaint)
  const paysFrom = unixMs(now + coolOffMs)
  const lapsesAt = unixMs(Math.min(expiresAt - PLAN_LEFT_MS_MIN, paysFrom + OPEN_MS_MAX))
  return {
    ...{ kind: 'invoice', paymentHash },
    invoice: { text: invoice.text, amount: satsFloor(amount), paysFrom, lapsesAt },
  }
}

function amountComplaint(amount: Millisats, minimum: Sats): string | null {
  if (amount % 1000n !== 0n) return 'an invoice is paid in whole satoshis: make one over those'
  const whole = satsFloor(amount)
  if (whole < minimum)
    return `the invoice is over ${whole} sat, and less than ${minimum} is not paid`
  if (whole > DESTINATION_SATS_MAX)
    return `the invoice is over ${whole} sat, and more than ${DESTINATION_SATS_MAX} is not paid at once`
  return null
}

function timeComplaint({ expiresAt }: Bolt11, coolOffMs: number, now: UnixMs): string | null {
  if (expiresAt <= now) return 'the invoice has expired'
  const needed = coolOffMs + UPLOAD_LEFT_MS_MIN
  if (expiresAt - now >= needed) return null
  const why = coolOffMs === 0 ? '' : ', since a new destination is paid only after a while'
  return `the invoice must be good for ${spanOf(needed)} more${why}: make one that expires later`
}

function spanOf(ms: number): string {
  const minutes = Math.ceil(ms / 60_000)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/**
 * What a payee signs to have an account paid by an invoice: the whole of it, since another one can
 * have the same hash. `number` counts the account's invoices.
 */
export function invoiceText(
  context: TextContext,
  { scheme, invoice }: { readonly scheme: string; readonly invoice: OpenInvoice },
): string {
  const said = [`scheme: ${scheme}`, `amount: ${invoice.amount} sat`, `invoice: ${invoice.text}`]
  return lines('sidepool payout by invoice', context, said)
}

function refused(reason: string): InvoiceRefusal {
  return { kind: 'refused', reason }
}
