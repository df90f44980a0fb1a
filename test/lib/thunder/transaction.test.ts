import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/lib/bytes.ts'
import { MAX_MONEY_SATS, sats } from '../../../src/lib/money.ts'
import { bareAddress, parseBareAddress } from '../../../src/lib/thunder/address.ts'
import { coinJson, signedJson, transactionJson } from '../../../src/lib/thunder/json.ts'
import {
  type OutPoint,
  type Output,
  outPointBytes,
  outputBytes,
  outputTotal,
  parseTransaction,
  type ThunderTransaction,
  thunderTxid,
  transactionBytes,
  utxoHash,
} from '../../../src/lib/thunder/transaction.ts'
import recorded from '../../vectors/thunder/transactions.json' with { type: 'json' }
import vectors from '../../vectors/thunder-tx.json' with { type: 'json' }

const KINDS = ['regular', 'coinbase', 'deposit'] as const

function paying({ address, valueSats }: { address: string; valueSats: string }): Output {
  const bare = parseBareAddress(address)
  if (bare === null) throw new Error('a vector has an address')
  return { address: bare, content: { kind: 'value', value: sats(BigInt(valueSats)) } }
}

const coins = vectors.coins.map(coin => {
  const kind = KINDS.find(each => each === coin.outPoint.kind) ?? 'regular'
  const outPoint: OutPoint = { ...coin.outPoint, kind }
  return { outPoint, output: paying(coin), bytes: coin.bytes, utxoHash: coin.utxoHash }
})

describe('the published bytes', () => {
  for (const { outPoint, output, bytes, utxoHash: hash } of coins)
    test(`of a coin of kind ${outPoint.kind} hash to ${hash.slice(0, 8)}`, () => {
      expect(toHex(outPointBytes(outPoint)) + toHex(outputBytes(output))).toBe(bytes)
      expect(toHex(utxoHash(outPoint, output))).toBe(hash)
    })

  for (const { spends, pays, bytes, txid } of vectors.transactions)
    test(`of a transaction hash to ${txid.slice(0, 8)}`, () => {
      const coin = coins[spends]
      if (!coin) throw new Error('the vector spends a coin')
      const input = { outPoint: coin.outPoint, utxoHash: utxoHash(coin.outPoint, coin.output) }
      const transaction = { inputs: [input], outputs: pays.map(paying) }
      expect(toHex(transactionBytes(transaction))).toBe(bytes)
      expect(thunderTxid(fromHex(bytes))).toBe(txid)
      expect(parseTransaction(fromHex(bytes))).toEqual(transaction)
    })
})

describe('a recorded transaction', () => {
  for (const { label, spent, unsigned, signed, borsh, txid, ...amounts } of recorded.transactions)
    test(`has its bytes and its id: ${label}`, () => {
      const { inputs, outputs } = transactionJson.parse(unsigned)
      const bytes = transactionBytes({ inputs, outputs })
      expect(toHex(bytes)).toBe(borsh)
      expect(thunderTxid(bytes)).toBe(txid)
      expect(parseTransaction(fromHex(borsh))).toEqual({ inputs, outputs })
      const other = signedJson.parse(signed).transaction
      expect(toHex(transactionBytes(other))).toBe(borsh)
      const total = outputs.reduce((sum, output) => sum + outputTotal(output), 0n)
      expect(total).toBe(BigInt(amounts.value_out))
      expect(spent).toHaveLength(inputs.length)
    })

  test('names each coin that it spends by the hash of place and content', () => {
    const entries = recorded.transactions.flatMap(({ spent, unsigned }) => {
      const { inputs } = transactionJson.parse(unsigned)
      return spent.map((coin, i) => ({ coin, input: inputs[i] }))
    })
    expect(entries.length).toBeGreaterThan(5)
    for (const { coin, input } of entries) {
      const { outPoint, output } = coinJson.parse(coin)
      expect(toHex(outPointBytes(outPoint))).toBe(coin.outpoint_bytes)
      expect(toHex(outputBytes(output))).toBe(coin.output_bytes)
      expect(toHex(utxoHash(outPoint, output))).toBe(coin.utxo_hash)
      expect(input?.utxoHash).toEqual(fromHex(coin.utxo_hash))
    }
  })
})

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const amount = fc.bigInt({ min: 0n, max: MAX_MONEY_SATS / 2n }).map(sats)
const outPoint = fc.record({ kind: fc.constantFrom(...KINDS), hash: hash.map(toHex), vout: u32 })
const content = fc.oneof(
  fc.record({ kind: fc.constant('value' as const), value: amount }),
  fc.record({
    kind: fc.constant('withdrawal' as const),
    value: amount,
    mainFee: amount,
    mainScript: fc.uint8Array({ maxLength: 50 }),
  }),
)
const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map(bareAddress)
const transactions: fc.Arbitrary<ThunderTransaction> = fc.record({
  inputs: fc.array(fc.record({ outPoint, utxoHash: hash }), { maxLength: 4 }),
  outputs: fc.array(fc.record({ address, content }), { maxLength: 6 }),
})

describe('any transaction', () => {
  test('is read back from its bytes', () =>
    fc.assert(
      fc.property(transactions, transaction => {
        expect(parseTransaction(transactionBytes(transaction))).toEqual(transaction)
      }),
    ))

  test('has another id with any byte edited, and is another transaction or none', () =>
    fc.assert(
      fc.property(transactions, fc.nat(), fc.integer({ min: 1, max: 255 }), (tx, at, flip) => {
        const bytes = transactionBytes(tx)
        const edited = bytes.map((byte, i) => (i === at % bytes.length ? byte ^ flip : byte))
        expect(thunderTxid(edited)).not.toBe(thunderTxid(bytes))
        const read = parseTransaction(edited)
        if (read !== null) expect(transactionBytes(read)).toEqual(edited)
      }),
    ))

  test('cut short or with a byte too many is none', () =>
    fc.assert(
      fc.property(transactions, fc.nat(), (tx, at) => {
        const bytes = transactionBytes(tx)
        expect(parseTransaction(bytes.subarray(0, at % bytes.length))).toBeNull()
        expect(parseTransaction(Uint8Array.from([...bytes, 0]))).toBeNull()
      }),
    ))
})

describe('bytes that are no transaction', () => {
  const refused = {
    'a list of four thousand million inputs': `ffffffff${'00'.repeat(100)}`,
    'an input of an unknown kind': `01000000${'03'}${'00'.repeat(68)}00000000`,
    'an output of an unknown kind': `0000000001000000${'07'.repeat(20)}02${'00'.repeat(20)}`,
    'more than all bitcoin': `0000000001000000${'07'.repeat(20)}00${'ff'.repeat(8)}`,
    'a script longer than the bytes': `0000000001000000${'07'.repeat(20)}01${'00'.repeat(16)}ffffffff`,
    'a script without a length': `0000000001000000${'07'.repeat(20)}01${'00'.repeat(16)}`,
  }
  for (const [what, hex] of Object.entries(refused))
    test(`are refused: ${what}`, () => expect(parseTransaction(fromHex(hex))).toBeNull())

  test('are refused: a withdrawal whose value and fee together are more than all bitcoin', () => {
    const value = sats(MAX_MONEY_SATS)
    const withdrawal = { kind: 'withdrawal', value, mainFee: sats(1n) } as const
    const output = {
      address: bareAddress(new Uint8Array(20).fill(7)),
      content: { ...withdrawal, mainScript: fromHex('0014') },
    }
    expect(parseTransaction(transactionBytes({ inputs: [], outputs: [output] }))).toBeNull()
  })
})
