import type { z } from 'zod'
import { type PayeeReport, payeeKindOf, shownAddress } from '../../payouts/index.ts'
import type { ProblemDetails } from '../errors.ts'
import type { settingsReply } from '../payout-contract.ts'
import type { ApiParts } from '../rooms.ts'
import { changes, settings } from '../routes/miner-settings.ts'
import { badge, document, type Html, html, NOTHING, table, time, words } from './html.ts'

/** Settings as a page knows them: those in force, or those somebody would like. */
export type ShownSettings = Pick<
  z.infer<typeof settingsReply>,
  'rails' | 'paused' | 'feeRateMaxSatPerKvb'
>

type Rail = ShownSettings['rails'][number]

/** The pages whose forms lead to a text that is signed, by how their address ends. */
export type FormPage = 'settings' | 'invoice'

const CHANGES = '10'

/** Where a payee's pages are. */
export const pageOf = (payee: string) => `/miner/${encodeURIComponent(payee)}`

/** @param payee as it is shown */
function destinationOn({ rail, destination }: Rail, payee: string): string {
  return destination === null ? payee : shownAddress(payeeKindOf(rail) ?? 'bitcoin', destination)
}

/** How a payee is paid, in its own page. @param payee as it is shown */
export function settingsTable(payee: string, shown: z.infer<typeof settingsReply>): Html {
  const { paysFromMs, number } = shown
  const rows = [
    ...railRows(payee, shown),
    ['paused', shown.paused ? badge('paused', 'wait') : 'no'],
    ['network fee', feeText(shown)],
    ['set', number === 0 ? 'never; this is how everybody is paid' : `change no. ${number}`],
    ...(paysFromMs === null ? [] : [['no payout before', time(paysFromMs)]]),
    ...(shown.byOperator ? [['destination', badge('by an operator’s word', 'wait')]] : []),
  ]
  return table(['what', 'how'], rows, '')
}

function railRows(payee: string, { rails }: ShownSettings) {
  return rails.map(wish => [
    html`by <strong>${wish.rail}</strong>`,
    words(html`to <code>${destinationOn(wish, payee)}</code>, from ${wish.minimumSats} sat`),
  ])
}

function feeText({ feeRateMaxSatPerKvb: rate }: ShownSettings): string {
  return rate === null ? 'any' : `at most ${rate} sat per 1000 vbytes`
}

/** A form that asks for wishes and leads to the text to sign, and what was changed so far. */
export async function settingsPage(parts: ApiParts, payee: PayeeReport): Promise<string> {
  const name = shownAddress(payee.kind, payee.destination)
  const now = await settings(parts, payee)
  const history = await changes(parts, payee, { limit: CHANGES })
  const body = html`
<h1>How <code>${name}</code> is paid</h1>
<section><h2>Now</h2>${settingsTable(name, now)}</section>
<section><h2>Change it</h2>
<p>Nothing changes before you sign a text with the key of this address. A new destination is paid
after ${Math.trunc(parts.coolOffMs / MS_PER_HOUR)} hours, and nothing is paid until then.</p>
<form class="fields" action="${pageOf(payee.destination)}/settings/sign" method="get">
${now.rails.map(rail => railFields(name, rail))}
<label>highest fee rate, in satoshis per 1000 vbytes; empty is any
<input name="feeRateMax" inputmode="numeric" pattern="[0-9]*" maxlength="16"
 value="${now.feeRateMaxSatPerKvb ?? ''}"></label>
<label class="check"><input type="checkbox" name="paused" value="yes"
${now.paused ? html` checked` : NOTHING}> pause payouts</label>
<button>Show the text to sign</button></form></section>
<section><h2>Changes so far</h2>${historyTable(name, history.items)}</section>
<p><a href="${pageOf(payee.destination)}">Back to the miner</a></p>`
  return pageWith(parts, 'payout settings', body)
}

const MS_PER_HOUR = 3_600_000

function railFields(payee: string, rail: Rail): Html {
  return html`<label>destination by ${rail.rail}; empty is the payee itself
<input name="to.${rail.rail}" maxlength="320" autocomplete="off" spellcheck="false"
 placeholder="${payee}" value="${rail.destination === null ? '' : destinationOn(rail, payee)}"></label>
<label>paid from, in satoshis; the scheme’s minimum holds below it
<input name="from.${rail.rail}" inputmode="numeric" pattern="[0-9]*" maxlength="16"
 value="${rail.minimumSats}"></label>`
}

function historyTable(payee: string, items: Awaited<ReturnType<typeof changes>>['items']): Html {
  const rows = items.map(change => [
    change.number,
    time(change.givenMs),
    change.operator === null
      ? `the payee, ${change.proof}`
      : `${change.operator}: ${change.reason}`,
    change.rails.map(each => html`${each.rail} <code>${destinationOn(each, payee)}</code> `),
    change.paused ? 'yes' : 'no',
    time(change.paysFromMs),
  ])
  const heads = ['no.', 'when', 'by', 'paid to', 'paused', 'no payout before']
  return table(heads, rows, 'Nothing was ever changed.')
}

const BITCOIN_SIGNING = html`<ul>
<li>Sparrow: <em>Tools, Sign/Verify Message</em>. Electrum: <em>Tools, Sign/verify message</em>.</li>
<li>Bitcoin Core or Knots: <em>File, Sign message</em>, or with the text in a file
<code>bitcoin-cli signmessage ADDRESS "$(cat settings.txt)"</code></li>
</ul>`
const BITCOIN_FIELDS = html`<label>signature<textarea name="signature" required maxlength="4000"
 rows="4" autocomplete="off" spellcheck="false"></textarea></label>`

/** Thunder's wallet signs transactions only, so whoever holds the key signs with another program. */
const THUNDER_SIGNING = html`<p>A Thunder address signs with ed25519 (RFC 8032) over the text’s
bytes, without a line break at the end. Thunder’s own wallet has no command for that: its keys are
<code>m/1'/0'/0'/index'</code> of its seed by SLIP-0010, and any ed25519 program can sign with
one.</p>`
const THUNDER_FIELDS = html`<label>public key, 64 hex digits
<input name="publicKey" required pattern="[0-9a-f]{64}" autocomplete="off" spellcheck="false"></label>
<label>signature, 128 hex digits<textarea name="signature" required maxlength="128" rows="3"
 autocomplete="off" spellcheck="false"></textarea></label>`

/** The text, how to sign it, and where the signature goes. */
export function signPage(
  parts: ApiParts,
  payee: PayeeReport,
  {
    text,
    change,
    to,
    button,
  }: {
    readonly text: string
    readonly change: string
    /** The page that asked for it, and that takes the signature. */
    readonly to: FormPage
    readonly button: string
  },
): string {
  const at = `${pageOf(payee.destination)}/${to}`
  const body = html`
<h1>Sign this text</h1>
<pre class="text">${text}</pre>
<p>Sign it exactly as it stands, with the key of
<code>${shownAddress(payee.kind, payee.destination)}</code>:</p>
${payee.kind === 'thunder' ? THUNDER_SIGNING : BITCOIN_SIGNING}
<form class="fields" action="${at}" method="post">
<input type="hidden" name="change" value="${change}">
${payee.kind === 'thunder' ? THUNDER_FIELDS : BITCOIN_FIELDS}
<button>${button}</button></form>
<p><a href="${at}">Back, without a change</a></p>`
  return pageWith(parts, 'sign a change', body)
}

/** What went wrong, in words; nothing was changed. */
export function refusedPage(
  parts: ApiParts,
  { payee, from }: { readonly payee: string; readonly from: FormPage },
  problem: ProblemDetails,
): string {
  const body = html`
<h1>Nothing was changed</h1>
<p><strong>${problem.title}</strong></p>
<p>${problem.detail ?? ''}</p>
<p><a href="${pageOf(payee)}/${from}">Back</a></p>`
  return pageWith(parts, 'nothing was changed', body)
}

export function pageWith({ pool }: ApiParts, what: string, body: Html): string {
  return document({ title: `${what} · ${pool.name}`, pool, body })
}
