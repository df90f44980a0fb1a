import { type PayeeReport, shownAddress } from '../../payouts/index.ts'
import type { ApiParts } from '../rooms.ts'
import { payouts } from '../routes/miner-payouts.ts'
import { settings } from '../routes/miner-settings.ts'
import { earnings, miner, workers } from '../routes/miners.ts'
import { stateBadge } from './first-page.ts'
import {
  btcOfMsat,
  btcOfSats,
  document,
  type Html,
  html,
  rate,
  shortHash,
  table,
  time,
  words,
} from './html.ts'
import { schemesPaying } from './invoice-page.ts'
import { pageOf, settingsTable } from './settings-page.ts'

const ROWS = '25'

/** Everything of one payee: what is owed, for what, and what was paid. */
export async function minerPage(parts: ApiParts, payee: PayeeReport): Promise<string> {
  const query = { limit: ROWS }
  const [whole, itsSettings, itsWorkers, itsEarnings, itsPayouts] = await Promise.all([
    miner(parts, payee),
    settings(parts, payee),
    workers(parts, payee, query),
    earnings(parts, payee, query),
    payouts(parts, payee, query),
  ])
  const at = `/api/v1/miners/${encodeURIComponent(payee.destination)}`
  const name = shownAddress(payee.kind, payee.destination)
  const hashrate = whole.hashrate ? rate(whole.hashrate.hashesPerSecond) : 'none'
  const body = html`
<h1><code>${name}</code></h1>
${payee.kind === 'thunder' ? html`<p>Bare, as Thunder itself writes it: <code>${payee.destination}</code></p>` : html``}
<p>Hash rate of the last hour: <strong>${hashrate}</strong></p>
<section><h2>Balances</h2>${accountTable(whole.accounts)}</section>
<section><h2>How it is paid</h2>${settingsTable(name, itsSettings)}
<p><a href="${pageOf(payee.destination)}/settings">change it, or see what was changed</a></p>
${invoiceLink(parts, payee)}</section>
<section><h2>Payouts</h2>${payoutTable(itsPayouts.items)}${more(`${at}/payouts`, itsPayouts)}
<p><a href="${at}/payouts.csv">all of them as a file (CSV)</a></p></section>
<section><h2>Workers</h2>${workerTable(itsWorkers.items)}${more(`${at}/workers`, itsWorkers)}
</section>
<section><h2>Earnings</h2>${earningTable(itsEarnings.items)}${more(`${at}/earnings`, itsEarnings)}
</section>`
  return document({ title: `${name} · ${parts.pool.name}`, pool: parts.pool, body })
}

function invoiceLink(parts: ApiParts, payee: PayeeReport): Html {
  if (schemesPaying(parts, payee).length === 0) return html``
  return html`<p><a href="${pageOf(payee.destination)}/invoice">pay it by an invoice, once</a></p>`
}

/** For a payee that nobody has mined to. */
export function unknownMinerPage({ pool }: ApiParts, text: string): string {
  const body = html`<h1>Nobody has mined to this payee yet</h1>
<p><code>${text}</code></p>
<p>A payee appears with its first accepted user name. Check the spelling: an address is shown in its
one canonical form, a bech32 one in lower case. A Thunder address may be bare or in its deposit
form.</p>
<p><a href="/">Back to the pool</a></p>`
  return document({ title: `unknown payee · ${pool.name}`, pool, body })
}

function more(url: string, list: { readonly nextCursor: string | null }): Html {
  if (list.nextCursor === null) return html``
  return html`<p><a href="${url}?cursor=${list.nextCursor}">older ones, from the API</a></p>`
}

function accountTable(accounts: Awaited<ReturnType<typeof miner>>['accounts']): Html {
  const rows = accounts.map(account => [
    html`<strong>${account.scheme}</strong>`,
    btcOfMsat(account.pendingMsat),
    btcOfMsat(account.payableMsat),
    btcOfMsat(account.inflightMsat),
    account.minimumSats === null ? 'not offered now' : btcOfSats(account.minimumSats),
    nextText(account.nextPayment),
    words(waitingText(account.waiting)),
  ])
  const heads = ['scheme', 'maturing', 'payable', 'being paid', 'paid from', 'next payment']
  return table([...heads, 'waits because'], rows, 'No account.')
}

type Account = Awaited<ReturnType<typeof miner>>['accounts'][number]

function nextText(next: Account['nextPayment']) {
  if (next === null) return 'after the first credit'
  return next.kind === 'height' ? `from height ${next.height}` : html`from ${time(next.atMs)}`
}

function waitingText(waiting: Account['waiting']) {
  if (waiting === null) return '–'
  const { detail, expected } = waiting
  return expected === null ? detail : html`${detail}, ${nextText(expected)}`
}

function workerTable(items: Awaited<ReturnType<typeof workers>>['items']): Html {
  const rows = items.map(worker => {
    const rejects = Object.entries(worker.rejects).map(([reason, count]) => `${count} ${reason}`)
    return [
      worker.name || '(no name)',
      worker.scheme,
      rate(worker.hashesPerSecond),
      worker.shares,
      rejects.join(', ') || 'none',
    ]
  })
  const heads = ['worker', 'scheme', 'hash rate', 'shares, last hour', 'rejects']
  return table(heads, rows, 'No worker.')
}

function earningTable(items: Awaited<ReturnType<typeof earnings>>['items']): Html {
  const rows = items.map(line => [
    html`<a href="/api/v1/rewards/${line.reward}">no. ${line.reward}</a>`,
    line.scheme,
    btcOfMsat(line.amountMsat),
    line.block === null ? 'work of the epoch' : html`block ${line.height} ${shortHash(line.block)}`,
    html`<a href="/api/v1/epochs/${line.epoch}">${line.epoch}</a>`,
    time(line.creditedMs),
  ])
  const heads = ['statement', 'scheme', 'amount', 'for', 'epoch', 'credited']
  return table(heads, rows, 'Nothing has been earned yet.')
}

type PayoutJson = Awaited<ReturnType<typeof payouts>>['items'][number]

/** What shows that it was paid, or why it was not. */
function proofOf({ txid, preimage, failure, heldMs }: PayoutJson): Html | string {
  if (failure !== null) return failure
  const proof = txid ?? preimage
  const shown = proof === null ? '–' : shortHash(proof)
  return heldMs === null ? shown : html`${shown}, held by its payee`
}

function payoutTable(items: Awaited<ReturnType<typeof payouts>>['items']): Html {
  const rows = items.map(payout => [
    payout.payout,
    payout.scheme,
    btcOfSats(payout.amountSats),
    payout.feeSats === '0' ? '–' : `${payout.feeSats} sat`,
    stateBadge(payout.state),
    shortHash(payout.depositForm ?? payout.destination),
    proofOf(payout),
    payout.approvedBy.join(', ') || 'nobody yet',
    time(payout.plannedMs),
  ])
  const heads = ['payout', 'scheme', 'amount', 'fee', 'state', 'to', 'proof', 'approved by']
  return table([...heads, 'planned'], rows, 'Nothing has been paid yet.')
}
