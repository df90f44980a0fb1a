import { describe, expect, test } from 'vitest'
import { dustLimit, parseAddress } from '../../../src/lib/bitcoin/address.ts'
import type { Network } from '../../../src/lib/bitcoin/network.ts'
import { toHex } from '../../../src/lib/bytes.ts'
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

test('dust differs by the type of output', () => {
  const types = ['p2pkh', 'p2sh', 'p2wpkh', 'p2wsh', 'p2tr'] as const
  expect(types.map(dustLimit)).toEqual([546n, 540n, 294n, 330n, 330n])
})
