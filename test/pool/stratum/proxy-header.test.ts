import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, fromHex, utf8 } from '../../../src/lib/bytes.ts'
import { readProxyHeader } from '../../../src/pool/stratum/proxy-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const PORTS = 'd4310d05'
const V4 = `c0000201c6336401${PORTS}`
const V6 = `20010db8${'0'.repeat(23)}720010db8${'0'.repeat(23)}8${PORTS}`
const headers: [string, Uint8Array, { host: string; port: number } | null][] = [
  ['TCP4', utf8('PROXY TCP4 192.0.2.1 198.51.100.1 54321 3333\r\n'), at('192.0.2.1')],
  ['TCP6', utf8('PROXY TCP6 2001:db8::7 2001:db8::8 54321 3333\r\n'), at(long(7))],
  ['UNKNOWN', utf8('PROXY UNKNOWN\r\n'), null],
  [
    'UNKNOWN with words',
    utf8('PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n'),
    null,
  ],
  ['version 2 of IPv4', fromHex(`${SIGNATURE}2111000c${V4}`), at('192.0.2.1')],
  ['version 2 of IPv6', fromHex(`${SIGNATURE}21210024${V6}`), at(long(7))],
  ['version 2 with extras', fromHex(`${SIGNATURE}21110010${V4}04000100`), at('192.0.2.1')],
  ['version 2 for itself', fromHex(`${SIGNATURE}20000000`), null],
  ['version 2 of a local socket', fromHex(`${SIGNATURE}21310000`), null],
]

describe('a PROXY header', () => {
  for (const [name, bytes, source] of headers) {
    test(`of ${name} is read, and what follows is left`, () => {
      const header = { kind: 'header', bytes: bytes.length, source }
      expect(readProxyHeader(bytes)).toEqual(header)
      expect(readProxyHeader(concat(bytes, utf8('{"id":1}\n')))).toEqual(header)
    })
    test(`of ${name} that is not all there yet is waited for`, () => {
      for (let length = 0; length < bytes.length; length++)
        expect(readProxyHeader(bytes.subarray(0, length))).toEqual({ kind: 'incomplete' })
    })
  }
  const none: [string, Uint8Array][] = [
    ['a line of a miner', utf8('{"id":1,"method":"mining.subscribe"}\n')],
    ['a greeting of TLS', fromHex('1603010200010001fc0303')],
    ['an address that is none', utf8('PROXY TCP4 localhost 198.51.100.1 54321 3333\r\n')],
    ['a port that is none', utf8('PROXY TCP4 192.0.2.1 198.51.100.1 0 3333\r\n')],
    ['a port too high', utf8('PROXY TCP4 192.0.2.1 198.51.100.1 65536 3333\r\n')],
    ['another family', utf8('PROXY UDP4 192.0.2.1 198.51.100.1 54321 3333\r\n')],
    ['a line without an end', utf8(`PROXY TCP4 ${'1'.repeat(100)}`)],
    ['an end without a return', utf8('PROXY UNKNOWN\n')],
    ['another version', fromHex(`${SIGNATURE}3111000c${V4}`)],
    ['another command', fromHex(`${SIGNATURE}2211000c${V4}`)],
    ['addresses cut short', fromHex(`${SIGNATURE}2111000b${V4.slice(2)}`)],
    ['a length beyond all use', fromHex(`${SIGNATURE}2111ffff`)],
  ]
  for (const [name, bytes] of none)
    test(`is none: ${name}`, () => {
      expect(readProxyHeader(bytes).kind).toBe('none')
    })
  test('is found or not in any bytes at all, and never reaches beyond them', () => {
    const start = fc.constantFrom(new Uint8Array(), utf8('PROXY TCP4 '), fromHex(`${SIGNATURE}21`))
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 200 }), (head, tail) => {
        const bytes = concat(head, tail)
        const header = readProxyHeader(bytes)
        if (header.kind === 'header') expect(header.bytes).toBeLessThanOrEqual(bytes.length)
      }),
    )
  })
})

function at(host: string) {
  return { host, port: 54321 }
}

function long(last: number): string {
  return `2001:0db8:0000:0000:0000:0000:0000:000${last}`
}
