import { listBatches } from '../../payouts/index.ts'
import { listEpochs, listIntervals } from '../../pool/index.ts'
import type { ApiParts, SchemeInfo } from '../rooms.ts'
import { blocks, intervalJson, stats } from '../routes/pool.ts'
import { epochJson } from '../routes/statements.ts'
import { batchJson } from '../routes/treasury.ts'
import {
  badge,
  btcOfSats,
  document,
  type Html,
  html,
  rate,
  shortHash,
  table,
  time,
} from './html.ts'

const ROWS = 8
const BARS = 48
const BAR = { width: 10, gap: 2, height: 90 }

/** What a newcomer sees: what the pool is, how to connect, and that it works. */
export async function firstPage(parts: ApiParts): Promise<string> {
  const { db, pool, schemes } = parts
  const [now, found, epochs, intervals, batches] = await Promise.all([
    stats(parts),
    blocks(parts, { limit: String(ROWS) }),
    listEpochs(db, { before: null, limit: ROWS }),
    listIntervals(db, { accounts: null, before: null, limit: BARS }),
    listBatches(db, { before: null, limit: ROWS }),
  ])
  const body = html`
${tiles(now)}
<section><h2>Connect</h2>${connect(pool.stratumHost, schemes)}</section>
<section><h2>Look up a miner</h2>
<form action="/miner" method="get"><input name="payee" required maxlength="320"
 aria-label="payout address" placeholder="payout address"><button>Show</button></form></section>
<section><h2>Hash rate by block interval</h2>${chart(intervals.map(intervalJson))}</section>
<section><h2>Blocks</h2>${blockTable(found.items)}</section>
<section><h2>Epochs</h2>${epochTable(epochs.map(epochJson))}</section>
<section><h2>Payout batches</h2>${batchTable(batches.map(batchJson))}</section>`
  return document({ title: pool.name, pool, body })
}

function tiles(now: Awaited<ReturnType<typeof stats>>): Html {
  const hashrate = now.hashrate ? rate(now.hashrate.hashesPerSecond) : '–'
  const values: readonly (readonly [string, string | number])[] = [
    ['hash rate, last hour', hashrate],
    ['miners', now.miners],
    ['workers', now.workers],
    ['chain height', now.height ?? '–'],
    ['open epoch', now.openEpoch ?? '–'],
  ]
  const tile = ([label, value]: readonly [string, string | number]) =>
    html`<div><dt>${label}</dt><dd>${value}</dd></div>`
  return html`<dl class="tiles">${values.map(tile)}</dl>`
}

function connect(host: string, schemes: readonly SchemeInfo[]): Html {
  const rows = schemes.map(scheme => [
    html`<strong>${scheme.name}</strong>`,
    [
      ...scheme.ports.map(port => `stratum+tcp://${host}:${port}`),
      ...scheme.tlsPorts.map(port => `stratum+ssl://${host}:${port}`),
    ].map(url => html`<code class="url">${url}</code> `),
    scheme.method,
    percent(scheme.feeBasisPoints),
    ...(scheme.coinbase === 'finder'
      ? ['block', '–', 'the coinbase of the block itself']
      : [
          intervalText(scheme.interval),
          btcOfSats(scheme.minimum.toString()),
          scheme.rails.join(', '),
        ]),
  ])
  const heads = ['scheme', 'address', 'method', 'fee', 'pays every', 'from', 'by']
  return html`<p>The port decides how you are paid. Your user name is your payout address, with a
worker’s name after a dot if you like: <code>ADDRESS.worker1</code>. The password may be anything;
<code>d=1024</code> asks for a difficulty.</p>${table(heads, rows, 'No scheme is offered.')}`
}

function percent(basisPoints: number): string {
  const hundredths = String(basisPoints % 100).padStart(2, '0')
  return `${Math.trunc(basisPoints / 100)}.${hundredths} %`
}

function intervalText(interval: SchemeInfo['interval']): string {
  const [count, unit] =
    interval.kind === 'blocks' ? [interval.blocks, 'block'] : [interval.minutes, 'minute']
  return count === 1 ? unit : `${count} ${unit}s`
}

/** Bars, oldest left, each with its numbers as a title; no script and no style attribute. */
function chart(intervals: readonly ReturnType<typeof intervalJson>[]): Html {
  const known = intervals.filter(each => each.hashesPerSecond !== null).reverse()
  if (known.length === 0) return html`<p class="empty">No block interval has been worked yet.</p>`
  const rates = known.map(each => BigInt(each.hashesPerSecond ?? '0'))
  const most = rates.reduce((a, b) => (a > b ? a : b), 1n)
  const width = known.length * (BAR.width + BAR.gap)
  const bars = known.map((each, i) => {
    const height = Math.max(1, Number(((rates[i] ?? 0n) * BigInt(BAR.height)) / most))
    const title = `height ${each.height}: ${rate(each.hashesPerSecond ?? '0')}`
    return html`<rect x="${i * (BAR.width + BAR.gap)}" y="${BAR.height - height}"
 width="${BAR.width}" height="${height}"><title>${title}</title></rect>`
  })
  const [first, last] = [known[0]?.height ?? 0, known.at(-1)?.height ?? 0]
  return html`<svg class="chart" viewBox="0 0 ${width} ${BAR.height}" width="${width}"
 height="${BAR.height}" role="img"
 aria-label="hash rate by block interval, at most ${rate(most.toString())}">${bars}</svg>
<p class="hint">heights ${first} to ${last}, at most ${rate(most.toString())}</p>`
}

const FATES = { submitted: 'wait', found: 'wait', orphaned: 'bad', mature: 'good' } as const

function blockTable(items: Awaited<ReturnType<typeof blocks>>['items']): Html {
  const rows = items.map(block => [
    block.height,
    shortHash(block.hash),
    badge(block.fate === 'found' ? 'found, maturing' : block.fate, FATES[block.fate]),
    block.scheme,
    btcOfSats(block.valueSats),
    paidText(block),
    time(block.foundMs),
    bidsText(block.bids),
    block.reward === null
      ? '–'
      : html`<a href="/api/v1/rewards/${block.reward}">no. ${block.reward}</a>`,
  ])
  const heads = [
    'height',
    'hash',
    'fate',
    'scheme',
    'to the pool',
    'to its finder',
    'found',
    'side blocks',
    'reward statement',
  ]
  return table(heads, rows, 'No block has been found yet.')
}

/** Who was paid in the block itself is owed nothing of it. */
function paidText({ finder, paidInCoinbaseSats }: Block): Html | string {
  if (paidInCoinbaseSats === null) return '–'
  const amount = btcOfSats(paidInCoinbaseSats)
  return html`${amount}, paid in the coinbase to ${finder ?? 'nobody we know'}`
}

type Block = Awaited<ReturnType<typeof blocks>>['items'][number]
type Bids = Block['bids']

/** What a block accepted of sidechains, and what that paid. */
function bidsText(bids: Bids): string {
  if (bids.length === 0) return '–'
  return bids
    .map(({ slot, feeSats, own }) =>
      own === null ? `slot ${slot}: ${feeSats} sats` : `slot ${slot}: our own, ${own}`,
    )
    .join('; ')
}

function epochTable(items: readonly ReturnType<typeof epochJson>[]): Html {
  const rows = items.map(epoch => [
    epoch.epoch,
    time(epoch.openedMs),
    epoch.closedMs === null ? badge('open', 'wait') : time(epoch.closedMs),
    epoch.closeReason ?? '–',
    epoch.statementHash === null
      ? '–'
      : html`<a href="/api/v1/epochs/${epoch.epoch}">read</a> <a
href="/api/v1/epochs/${epoch.epoch}?format=bytes">bytes</a> ${shortHash(epoch.statementHash)}`,
  ])
  return table(['epoch', 'opened', 'closed', 'because', 'work statement'], rows, 'No epoch yet.')
}

/** How a payout or a batch is, in one colour of three. */
export function stateBadge(state: string): Html {
  const tone = state === 'settled' ? 'good' : state === 'uncertain' ? 'bad' : 'wait'
  return badge(state, tone)
}

function batchTable(items: readonly ReturnType<typeof batchJson>[]): Html {
  const rows = items.map(batch => [
    batch.batch,
    batch.rail,
    stateBadge(batch.state),
    btcOfSats(batch.totalSats),
    time(batch.createdMs),
    batch.endedMs === null ? '–' : time(batch.endedMs),
  ])
  return table(['batch', 'rail', 'state', 'total', 'planned', 'ended'], rows, 'No payout yet.')
}
