import { describe, expect, test } from 'vitest'
import { parseLightning } from '../../../src/lib/lightning/destination.ts'
import { writeInvoice } from '../../support/invoice.ts'

const refusal = (text: string) => {
  const read = parseLightning(text, 'regtest')
  return read.kind === 'refused' ? read.reason : read.kind
}

describe('what a miner names', () => {
  test('is an address, in one spelling', () => {
    for (const text of ['satoshi@pay.example.org', 'satoshi@PAY.Example.org'])
      expect(parseLightning(text, 'regtest')).toEqual({
        kind: 'address',
        address: { name: 'satoshi', domain: 'pay.example.org', text: 'satoshi@pay.example.org' },
      })
    for (const name of ['a', 'a.b', 'a_b-c', '_', 'rig+payouts', 'x'.repeat(64)])
      expect(refusal(`${name}@example.org`)).toBe('address')
  })

  for (const text of [
    '@example.org',
    'a@',
    'a@@example.org',
    'a@b@example.org',
    '.@example.org',
    '../a@example.org',
    'a/b@example.org',
    'a%2f@example.org',
    'a b@example.org',
    'A@example.org',
    'ä@example.org',
    `${'x'.repeat(65)}@example.org`,
    'a@localhost',
    'a@example.org:8443',
    'a@example.org/x',
    'a@example..org',
    'a@-example.org',
    'a@127.0.0.1',
    'a@0x7f.1',
    'a@2130706433',
    'a@[::1]',
    'a@exämple.org',
    `a@${'x'.repeat(64)}.org`,
    `a@${'x.'.repeat(200)}org`,
  ])
    test(`is refused as an address: ${text.slice(0, 40)}`, () =>
      expect(refusal(text)).toContain('a Lightning address is name@domain'))

  test('is an invoice of the network, for an amount', () => {
    expect(refusal(writeInvoice())).toBe('invoice')
    expect(refusal(writeInvoice().toUpperCase())).toBe('invoice')
    expect(refusal(writeInvoice({ prefix: 'lnbc10u' }))).toContain('for mainnet')
    expect(refusal(writeInvoice({ prefix: 'lnbcrt' }))).toContain('names no amount')
    expect(refusal(writeInvoice().slice(0, -1))).toContain('cannot be read')
  })

  for (const [text, reason] of [
    ['lno1qgsqvgnwgcg35z6ee2h3yczraddm72xrfua9uve2rlrm9deu7xyfzrc', 'BOLT 12'],
    ['LNO1QGSQVGNWGCG35Z6EE2H3YCZRADDM72XRFUA9UVE2RLRM9DEU7XYFZRC', 'BOLT 12'],
    ['lnr1qgsqvgnwgcg35z6ee2h3yczraddm72xrfua9uve2rlrm9deu7xyfzrc', 'BOLT 12'],
    ['₿matt@mattcorallo.com', 'BIP 353'],
    ['lnurl1dp68gurn8ghj7um9wfmxjcm99e3k7mf0', 'LNURL'],
    ['satoshi@abcdefgh.onion', '.onion'],
    ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', 'nothing that Lightning pays'],
    ['', 'nothing that Lightning pays'],
  ] as const)
    test(`is refused by its kind: ${text.slice(0, 30)}`, () => {
      expect(refusal(text)).toContain(reason)
      expect(refusal(text).length).toBeLessThan(200)
    })
})
