import { describe, expect, test } from 'vitest'
import {
  DUST_RELAY_SAT_PER_KVB,
  dustLimit,
  parseAddress,
} from '../../../src/lib/bitcoin/address.ts'
import type { Network } from '../../../src/lib/bitcoin/network.ts'
import { fromHex, toHex } from '../../../src/lib/bytes.ts'
import { sats } from '../../../src/lib/money.ts'
import vectors from '../../vectors/address.json' with { type: 'json' }

const NETWORKS: readonly Network[] = ['mainnet', 'testnet4', 'signet', 'regtest']

describe('an address', () => {
  for (const { network, text, canonical, script, type } of vectors.valid)
    test(`${text} is one of ${network}, in one spelling`, () => {
      const found = NETWORKS.find(each => each === network)
      const address = found ? parseAddress(text, found) : null
      if (address?.kind !== 'address') throw new Error(`not read: ${address?.kind}`)
      expect(address).toMatchObject({ text: canonical, type })
      expect(toHex(address.script)).toBe(script)
    })

  for (const { text, reason } of vectors.invalid)
    test(`'${text}' is none on any network: ${reason}`, () => {
      for (const network of NETWORKS)
        expect(parseAddress(text, network)).toEqual({ kind: 'not an address' })
    })

  test('of another network is told from what is no address', () => {
    for (const { network, text } of vectors.valid) {
      const other = network === 'mainnet' ? 'regtest' : 'mainnet'
      expect(parseAddress(text, other)).toEqual({ kind: 'wrong network' })
    }
    const [p2wsh] = vectors.valid.filter(({ network }) => network === 'testnet4')
    expect(parseAddress(p2wsh?.text ?? '', 'regtest')).toEqual({ kind: 'wrong network' })
  })

  test('to a Taproot key that no one can have is none', () => {
    // 32 bytes of 0xff are above the field's size, so no point of the curve has them.
    const impossible = 'bc1plllllllllllllllllllllllllllllllllllllllllllllllllllsr7rg6v'
    expect(parseAddress(impossible, 'mainnet')).toEqual({ kind: 'not an address' })
  })

  test('as long as a whole line is not looked at', () =>
    expect(parseAddress('1'.repeat(100_000), 'mainnet')).toEqual({ kind: 'not an address' }))
})

test('dust differs by the type of output, whatever its witness version, and by the rate', () => {
  const sizes: [string, number, bigint][] = [
    ['76a914', 25, 546n],
    ['a914', 23, 540n],
    ['0014', 22, 294n],
    ['0020', 34, 330n],
    ['5120', 34, 330n],
    ['5220', 34, 330n],
    ['5210', 18, 282n],
    ['6002', 4, 240n],
    ['6028', 42, 354n],
    // No witness program: its length is not what it says.
    ['5221', 34, 573n],
  ]
  for (const [start, bytes, dust] of sizes) {
    const script = fromHex(start.padEnd(2 * bytes, '0'))
    expect([start, dustLimit(script, DUST_RELAY_SAT_PER_KVB)]).toEqual([start, dust])
    expect(dustLimit(script, sats(6000n))).toBe(2n * dust)
  }
})
