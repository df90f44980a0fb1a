import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ipText, isWithin, parseIp, parseNetwork, subscriberOf } from '../../src/lib/ip-address.ts'

describe('an address', () => {
  const valid: [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::', '0000:0000:0000:0000:0000:0000:0000:0000'],
    ['2001:db8::1', '2001:0db8:0000:0000:0000:0000:0000:0001'],
    ['2001:DB8:0:0:1:2:3:4', '2001:0db8:0000:0000:0001:0002:0003:0004'],
    ['fe80::1%eth0', 'fe80:0000:0000:0000:0000:0000:0000:0001'],
    ['1::', '0001:0000:0000:0000:0000:0000:0000:0000'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['64:ff9b::192.0.2.1', '0064:ff9b:0000:0000:0000:0000:c000:0201'],
  ]
  for (const [text, canonical] of valid)
    test(`${text} is ${canonical}`, () => {
      const address = parseIp(text)
      expect(address && ipText(address)).toBe(canonical)
    })
  const invalid = [
    ...['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '1.2.3.4 ', 'a.b.c.d', '0x1.2.3.4'],
    ...[':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8', '12345::'],
    ...['1.2.3.4::', '::1.2.3', 'localhost', `${'1:'.repeat(5000)}1`],
  ]
  for (const text of invalid)
    test(`${text.slice(0, 30) || 'nothing'} is none`, () => {
      expect(parseIp(text)).toBeNull()
    })
  test('is read as Node reads it', () => {
    const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 40 }))
    fc.assert(fc.property(text, it => void expect(parseIp(it) !== null).toBe(isIP(it) !== 0)))
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), it => {
        const address = parseIp(it)
        if (!address) throw new Error('not read')
        expect(parseIp(ipText(address))).toEqual(address)
      }),
    )
  })
})

describe('a network', () => {
  const rows: [network: string, address: string, isIn: boolean][] = [
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['192.0.2.128/25', '192.0.2.129', true],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['127.0.0.0/8', '::ffff:127.0.0.1', true],
  ]
  for (const [network, address, isIn] of rows)
    test(`${network} ${isIn ? 'has' : 'has not'} ${address}`, () => {
      const [within, it] = [parseNetwork(network), parseIp(address)]
      if (!within || !it) throw new Error('not read')
      expect(isWithin(it, within)).toBe(isIn)
    })
  for (const text of ['10.0.0.0/33', '::/129', '10.0.0.0/', '/8', '10.0.0.0/8/8', '10.0.0.0/-1'])
    test(`${text} is none`, () => {
      expect(parseNetwork(text)).toBeNull()
    })
})

test('a subscriber of IPv6 is a network, one of IPv4 an address', () => {
  const of = (text: string) => subscriberOf(parseIp(text) ?? new Uint8Array())
  expect(of('2001:db8:1:2:3:4:5:6')).toBe('2001:0db8:0001:0002:0000:0000:0000:0000')
  expect(of('192.0.2.7')).toBe('192.0.2.7')
})
