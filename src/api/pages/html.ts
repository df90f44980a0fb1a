import { formatBtc, millisats, sats, satsFloor } from '../../lib/money.ts'

/** Text that may stand in a page as it is. Only `html` makes it. */
export type Html = { readonly kind: 'html'; readonly text: string }
type Part = Html | readonly Html[] | string | number | bigint

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character] ?? '')
}

/** A piece of a page: whatever is put in is escaped, unless it is such a piece itself. */
export function html(pieces: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const text = pieces.reduce((whole, piece, i) => whole + textOf(parts[i - 1] ?? '') + piece)
  return { kind: 'html', text }
}

function textOf(part: Part): string {
  if (Array.isArray(part)) return part.map(textOf).join('')
  if (typeof part === 'object' && 'text' in part) return part.text
  return escaped(String(part))
}

export const NOTHING = html``

/** `2026-11-21 05:41:58 UTC` for people, the exact instant for programs. */
export function time(ms: number): Html {
  const iso = new Date(ms).toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`
}

/** Whole satoshis as bitcoin; what is below a satoshi shows in the API. */
export function btcOfSats(amountSats: string): string {
  return `${formatBtc(sats(BigInt(amountSats)))} BTC`
}

/** As `btcOfSats`, floored to whole satoshis. */
export function btcOfMsat(amountMsat: string): string {
  return btcOfSats(satsFloor(millisats(BigInt(amountMsat))).toString())
}

const RATE_UNITS = ['H/s', 'kH/s', 'MH/s', 'GH/s', 'TH/s', 'PH/s', 'EH/s', 'ZH/s']

/** Three digits or so, floored: `1.23 TH/s`. */
export function rate(hashesPerSecond: string): string {
  let hundredths = BigInt(hashesPerSecond) * 100n
  let unit = 0
  while (hundredths >= 100_000n && unit < RATE_UNITS.length - 1) {
    hundredths /= 1000n
    unit++
  }
  const fraction = (hundredths % 100n).toString().padStart(2, '0')
  const number = unit === 0 ? `${hundredths / 100n}` : `${hundredths / 100n}.${fraction}`
  return `${number} ${RATE_UNITS[unit] ?? ''}`
}

/** The beginning and end of a hash, whole in the title. */
export function shortHash(hash: string): Html {
  return html`<code title="${hash}">${hash.slice(0, 8)}…${hash.slice(-8)}</code>`
}

/** A word that says how something is; its colour is never the only sign. */
export function badge(word: string, tone: 'good' | 'wait' | 'bad'): Html {
  return html`<span class="badge ${tone}">${word}</span>`
}

/** Words that may take several lines in a table, whose cells else take one. */
export function words(part: Part): Html {
  return html`<span class="words">${part}</span>`
}

/** A table, or a sentence where there is nothing to show. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly Part[])[],
  empty: string,
): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`
  const headCells = heads.map(head => html`<th scope="col">${head}</th>`)
  const bodyRows = rows.map(
    row => html`<tr>${row.map(cell => html`<td>${cell}</td>`)}</tr>
`,
  )
  return html`<div class="scroll"><table>
<thead><tr>${headCells}</tr></thead>
<tbody>
${bodyRows}</tbody>
</table></div>`
}

/** A whole page. */
export function document(options: {
  readonly title: string
  readonly pool: { readonly name: string; readonly network: string }
  readonly body: Html
}): string {
  const { title, pool, body } = options
  const label = pool.network === 'mainnet' ? NOTHING : testLabel(pool.network)
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><a class="name" href="/">${pool.name}</a>${label}<nav><a href="/health">health</a> <a
href="/api/v1/openapi.json">API</a></nav></header>
<main>
${body}
</main>
</body>
</html>
`.text
}

function testLabel(network: string): Html {
  return html`<span class="badge wait">${network}</span><span class="hint">a test network: its
coins are worth nothing</span>`
}
