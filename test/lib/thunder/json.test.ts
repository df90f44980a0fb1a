import { describe, expect, test } from 'vitest'
import { toHex } from '../../../src/lib/bytes.ts'
import { sats } from '../../../src/lib/money.ts'
import {
  blockJson,
  coinJson,
  outputJson,
  signedJson,
  spentCoinJson,
  transactionJson,
} from '../../../src/lib/thunder/json.ts'
import { mainAddressOf, scriptOfMainAddress } from '../../../src/lib/thunder/main-address.ts'
import {
  blockToJson,
  coinToJson,
  outputToJson,
  signedToJson,
  spentCoinToJson,
  transactionToJson,
} from '../../../src/lib/thunder/write-json.ts'
import addresses from '../../vectors/address.json' with { type: 'json' }
import blocks from '../../vectors/thunder/side-blocks.json' with { type: 'json' }
import recorded from '../../vectors/thunder/transactions.json' with { type: 'json' }

const BARE = '8twUkpctzwgbjqi5o14qWjrD9uk'

describe('recorded JSON comes out as it went in', () => {
  for (const { label, unsigned, signed, spent } of recorded.transactions)
    test(label, () => {
      expect(transactionToJson(transactionJson.parse(unsigned), 'regtest')).toEqual(unsigned)
      expect(signedToJson(signedJson.parse(signed), 'regtest')).toEqual(signed)
      for (const { outpoint, output } of spent)
        expect(coinToJson(coinJson.parse({ outpoint, output }), 'regtest')).toEqual({
          outpoint,
          output,
        })
    })

  for (const { contains, block } of blocks.blocks)
    test(contains, () => expect(blockToJson(blockJson.parse(block), 'regtest')).toEqual(block))

  const [, other] = recorded.transactions
  const inPoints = [
    { Regular: { txid: other?.txid ?? '', vin: 1 } },
    { Withdrawal: { m6id: 'ab'.repeat(32) } },
  ]
  for (const inpoint of inPoints)
    test(`what spent a coin: ${Object.keys(inpoint)}`, () => {
      const [coin] = other?.spent ?? []
      if (!coin) throw new Error('it spends a coin')
      const entry = { outpoint: coin.outpoint, output: { output: coin.output, inpoint } }
      expect(spentCoinToJson(spentCoinJson.parse(entry), 'regtest')).toEqual(entry)
    })
})

describe('an output', () => {
  const value = { address: BARE, content: { Value: 1000 } }
  const withdrawal = { value: 1, main_fee: 2, main_address: 'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn' }

  test('is read', () => {
    expect(outputJson.parse(value)).toEqual({
      address: BARE,
      content: { kind: 'value', value: sats(1000n) },
    })
    expect(outputJson.parse({ ...value, content: { Withdrawal: withdrawal } })).toMatchObject({
      content: { kind: 'withdrawal', value: 1n, mainFee: 2n },
    })
  })

  const refused = {
    'the deposit form of an address': { ...value, address: `s9_${BARE}_ca9565` },
    'no address': { ...value, address: 'anna' },
    'a broken number': { ...value, content: { Value: 0.5 } },
    'a number as text': { ...value, content: { Value: '1000' } },
    'less than nothing': { ...value, content: { Value: -1 } },
    'more than all bitcoin': { ...value, content: { Value: 2_100_000_000_000_001 } },
    'a number that lost its last digits': { ...value, content: { Value: 2 ** 53 } },
    'two kinds at once': { ...value, content: { Value: 1, Withdrawal: withdrawal } },
    'a kind that is not known': { ...value, content: { Burn: 1 } },
    'the names that only the schema has': {
      ...value,
      content: { Withdrawal: { value_sats: 1, main_fee_sats: 2, main_address: BARE } },
    },
    'a withdrawal to no address': {
      ...value,
      content: { Withdrawal: { ...withdrawal, main_address: BARE } },
    },
    'a withdrawal that pays too much in all': {
      ...value,
      content: { Withdrawal: { ...withdrawal, value: 2_100_000_000_000_000 } },
    },
  }
  for (const [what, json] of Object.entries(refused))
    test(`is refused with ${what}`, () => expect(outputJson.safeParse(json).success).toBe(false))

  test('is refused with a deposit of an index of more than 32 bits', () => {
    const outpoint = { Deposit: `${'ab'.repeat(32)}:4294967295` }
    expect(coinJson.safeParse({ outpoint, output: value }).success).toBe(true)
    const beyond = { Deposit: `${'ab'.repeat(32)}:4294967296` }
    expect(coinJson.safeParse({ outpoint: beyond, output: value }).success).toBe(false)
  })
})

describe("a withdrawal's address on the main chain", () => {
  for (const { network, text, canonical, script } of addresses.valid)
    test(`${text} of ${network} is read on every network, and written for ours`, () => {
      const read = scriptOfMainAddress(text)
      if (read === null) throw new Error('not read')
      expect(toHex(read)).toBe(script)
      const found = (['mainnet', 'testnet4', 'signet', 'regtest'] as const).find(
        each => each === network,
      )
      expect(mainAddressOf(read, found ?? 'mainnet')).toBe(canonical)
      const elsewhere = mainAddressOf(read, 'regtest')
      expect(scriptOfMainAddress(elsewhere)).toEqual(read)
    })

  test('may be one that we would not pay, so that it hides no coin of ours', () => {
    const noPoint = 'bc1plllllllllllllllllllllllllllllllllllllllllllllllllllsr7rg6v'
    const script = scriptOfMainAddress(noPoint)
    expect(script && mainAddressOf(script, 'mainnet')).toBe(noPoint)
    const output = outputJson.parse({
      address: BARE,
      content: { Withdrawal: { value: 1, main_fee: 2, main_address: noPoint } },
    })
    expect(outputToJson(output, 'mainnet')).toMatchObject({
      content: { Withdrawal: { main_address: noPoint } },
    })
  })

  for (const text of ['', BARE, 'bc1q', '1'.repeat(100_000)])
    test(`'${text.slice(0, 30)}' is none`, () => expect(scriptOfMainAddress(text)).toBeNull())

  test('is never made of a script that has none', () => {
    for (const script of [
      Uint8Array.of(0x6a, 1, 0),
      new Uint8Array(),
      Uint8Array.of(0, 3, 1, 1, 1),
    ])
      expect(() => mainAddressOf(script, 'regtest')).toThrow('pays to an address')
  })
})
