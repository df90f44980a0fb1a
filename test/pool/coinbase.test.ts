import { Transaction } from 'bitcoinjs-lib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { witnessCommitmentScript } from '../../src/lib/bitcoin/script.ts'
import { parseCoinbase, withCoinbaseWitness } from '../../src/lib/bitcoin/tx.ts'
import { concat, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import {
  buildCoinbase,
  type CoinbaseRequest,
  coinbaseBytes,
  coinbaseWeight,
  readCoinbase,
} from '../../src/pool/coinbase.ts'

const OURS = concat(Uint8Array.of(0x51, 32), new Uint8Array(32).fill(7))
const request: CoinbaseRequest = {
  height: 840_000,
  tag: '/sidepool/',
  extraBytes: Uint8Array.of(1, 2, 3, 4),
  payScript: OURS,
  value: sats(3_125_000_000n),
  commitments: [],
  witnessCommitment: witnessCommitmentScript(new Uint8Array(32).fill(9)),
}
const EXTRANONCE1 = Uint8Array.of(0xde, 0xad, 0xbe, 0xef)
const EXTRANONCE2 = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

function whole(of: CoinbaseRequest): Uint8Array {
  const { coinbase1, coinbase2 } = buildCoinbase(of)
  return concat(coinbase1, EXTRANONCE1, EXTRANONCE2, coinbase2)
}

describe('a coinbase of ours', () => {
  test('has height, tag with extra bytes, and the extranonces last in its script', () => {
    const script = parseCoinbase(whole(request))?.scriptSig ?? new Uint8Array()
    const label = toHex(concat(utf8('/sidepool/'), request.extraBytes))
    expect(toHex(script)).toBe(`0340d10c0e${label}0cdeadbeef0102030405060708`)
  })

  test('pays the whole value to our script, then commits to the witnesses', () => {
    const outputs = parseCoinbase(whole(request))?.outputs ?? []
    expect(outputs.map(output => [output.value, toHex(output.script)])).toEqual([
      [3_125_000_000n, toHex(OURS)],
      [0n, `6a24aa21a9ed${'09'.repeat(32)}`],
    ])
    expect(parseCoinbase(whole({ ...request, witnessCommitment: null }))?.outputs).toHaveLength(1)
  })

  test('stays below what small miners can hold, with the longest tag and witness', () => {
    const longest = { ...request, height: 2 ** 31 - 1, tag: 'x'.repeat(20) }
    expect(withCoinbaseWitness(whole(longest)).length).toBeLessThanOrEqual(250)
  })

  test('is never built with a label of two pushes', () =>
    expect(() => buildCoinbase({ ...request, tag: 'x'.repeat(72) })).toThrow('one push'))

  test('has the commitments before its own outputs, byte for byte and in order', () => {
    const commitments = ['6a05d77d177601', `6a25d161736809${'aa'.repeat(32)}`].map(fromHex)
    const outputs = commitments.map((script, value) => ({ value: BigInt(value), script }))
    const read = parseCoinbase(whole({ ...request, commitments: outputs }))?.outputs ?? []
    expect(read.slice(0, 2)).toEqual(outputs)
    expect(read.map(({ script }) => toHex(script)).slice(2)).toEqual([
      toHex(OURS),
      `6a24aa21a9ed${'09'.repeat(32)}`,
    ])
    expect(readCoinbase(whole({ ...request, commitments: outputs }), OURS)).toMatchObject({
      kind: 'ours',
      value: request.value,
    })
  })

  test('is as long, and weighs as much, as is said', () => {
    const halves = buildCoinbase(request)
    const bare = whole(request)
    expect(coinbaseBytes(halves)).toBe(withCoinbaseWitness(bare).length)
    const transaction = Transaction.fromBuffer(withCoinbaseWitness(bare))
    expect(coinbaseWeight(coinbaseBytes(halves))).toBe(transaction.weight())
  })

  test('names its finder when it is read back, with and without witness', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.stringMatching(/^[ -~]{1,20}$/),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }),
        (height, tag, extraBytes, value) => {
          const raw = whole({ ...request, height, tag, extraBytes, value: sats(value) })
          const expected = {
            kind: 'ours',
            height,
            extranonce1: EXTRANONCE1,
            extranonce2: EXTRANONCE2,
            value: sats(value),
          }
          expect(readCoinbase(raw, OURS)).toMatchObject(expected)
          expect(readCoinbase(withCoinbaseWitness(raw), OURS)).toMatchObject(expected)
        },
      ),
    ))
})

test('a coinbase in our layout that pays another script may be its finder’s or a stranger’s', () =>
  expect(readCoinbase(whole(request), OURS.slice(0, 33))).toMatchObject({
    ...{ kind: 'paying others', value: 0n, extranonce1: EXTRANONCE1 },
  }))

describe('a coinbase is foreign', () => {
  test('when its script has another layout', () => {
    const raw = whole(request)
    const scriptAt = 42
    for (const [at, byte] of [
      [scriptAt, 0x4c],
      [scriptAt + 4, 0x0d],
      [scriptAt + 4, 0],
      [scriptAt + 19, 0x0b],
    ] as const) {
      const changed = raw.slice()
      expect(changed[at]).toBeDefined()
      changed[at] = byte
      expect(readCoinbase(changed, OURS)).toEqual({ kind: 'foreign' })
    }
  })

  test('when the extranonces are not exactly the end of its script', () => {
    const raw = whole(request)
    const [lengthAt, endAt] = [41, 42 + (raw[41] ?? 0)]
    const resized = (middle: readonly number[], cutAt: number) => {
      const changed = concat(raw.subarray(0, cutAt), Uint8Array.from(middle), raw.subarray(endAt))
      changed[lengthAt] = cutAt + middle.length - 42
      return changed
    }
    expect(readCoinbase(resized([], endAt), OURS).kind).toBe('ours')
    expect(readCoinbase(resized([0], endAt), OURS).kind).toBe('foreign')
    expect(readCoinbase(resized([], endAt - 1), OURS).kind).toBe('foreign')
  })

  test('when it is no transaction at all', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        expect(readCoinbase(bytes, OURS)).toEqual({ kind: 'foreign' })
      }),
    ))
})
