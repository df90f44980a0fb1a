import { expect, test } from 'vitest'
import { unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { invoiceText, readUpload } from '../../src/payouts/invoice.ts'
import { type WrittenInvoice, writeInvoice } from '../support/invoice.ts'

const NOW = unixMs(1_800_000_000_000)
const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const SCHEME = { name: 'hourly', rails: ['l1', 'lightning'], minimum: sats(1000n) }

const read = (text: string, coolOffMs = 0, scheme = SCHEME, now = NOW) =>
  readUpload(text, { network: 'regtest', coolOffMs }, scheme, now)
const why = (...given: Parameters<typeof read>) => {
  const outcome = read(...given)
  return outcome.kind === 'refused' ? outcome.reason : outcome.kind
}
const made = (over: WrittenInvoice = {}) => writeInvoice(over)
const lasting = (seconds: number) => made({ expirySeconds: seconds })

test('an invoice is read in its one spelling, with its amount and its times', () => {
  const text = lasting(3600)
  const invoice = {
    ...{ text, amount: 1000n, paysFrom: NOW, lapsesAt: NOW + HOUR - 15 * MINUTE },
  }
  expect(read(text)).toMatchObject({ kind: 'invoice', invoice })
  expect(read(text.toUpperCase())).toEqual(read(text))
})

test('it waits for the cool-off, and no longer than a week behind it', () => {
  expect(read(lasting(30 * 86_400), 48 * HOUR)).toMatchObject({
    invoice: { paysFrom: NOW + 2 * DAY, lapsesAt: NOW + 9 * DAY },
  })
})

test.each<[string, string, string]>([
  ['no amount', made({ prefix: 'lnbcrt' }), 'no amount'],
  ['a part of a satoshi', made({ prefix: 'lnbcrt10000010p' }), 'whole satoshis'],
  ['less than the minimum', made({ prefix: 'lnbcrt9990n' }), 'less than 1000 is not paid'],
  ['more than is paid at once', made({ prefix: 'lnbcrt50001u' }), 'more than 5000000'],
  ['another network', made({ prefix: 'lntbs10u' }), 'for signet'],
  ['a payee who may hold it for long', made({ cltvBlocks: 145 }), '145 blocks'],
  ['a way that may', made({ hints: [[100, 45]] }), '145 blocks'],
  [
    'many characters',
    made({ description: 'x'.repeat(639), hints: Array(16).fill([1, 1]) }),
    '2000',
  ],
  ['no time left', made({ createdAtSeconds: 1_799_990_000 }), 'has expired'],
  ['little time left', lasting(1799), 'good for 30 min more'],
  ['a letter changed', `${made().slice(0, -1)}x`, 'cannot be read'],
  ['an @', 'name@example.com', 'in the settings'],
  ['an offer', 'lno1qgsqvgnwgcg35z6ee2h3yczraddm72xrfua', 'offers'],
  ['nothing', '', 'nothing that Lightning pays to'],
])('one with %s is refused by its reason', (_name, text, reason) =>
  expect(why(text)).toContain(reason),
)

test('with a cool-off it must live so much longer, and is told how long', () => {
  expect(why(lasting(48 * 3600 + 1799), 48 * HOUR)).toContain('good for 48 h 30 min more')
  expect(why(lasting(48 * 3600 + 1800), 48 * HOUR)).toBe('invoice')
})

test('the edges of the amounts are paid', () => {
  expect(why(made({ prefix: 'lnbcrt10u' }))).toBe('invoice')
  expect(why(made({ prefix: 'lnbcrt50m' }))).toBe('invoice')
})

test('a scheme that does not pay over Lightning takes none', () =>
  expect(why(made(), 0, { ...SCHEME, rails: ['l1'] })).toBe('hourly does not pay over Lightning'))

test('what is signed has the whole invoice in it', () => {
  const outcome = read(made())
  if (outcome.kind !== 'invoice') throw new Error(outcome.reason)
  const context = { pool: 'a pool', network: 'regtest', payee: 'bcrt1q', number: 2 }
  expect(invoiceText(context, { scheme: 'hourly', invoice: outcome.invoice }).split('\n')).toEqual([
    ...['sidepool payout by invoice', 'pool: a pool', 'network: regtest', 'payee: bcrt1q'],
    ...['number: 2', 'scheme: hourly', 'amount: 1000 sat', `invoice: ${made()}`],
  ])
})
