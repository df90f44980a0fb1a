import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { displayHash, sha256, sha256d } from '../../../src/lib/bitcoin/hash.ts'
import { buildHeader, headerHash, parseHeader } from '../../../src/lib/bitcoin/header.ts'
import { coinbaseBranches, merkleRoot } from '../../../src/lib/bitcoin/merkle.ts'
import {
  pushHeight,
  readHeightPush,
  witnessCommitmentScript,
} from '../../../src/lib/bitcoin/script.ts'
import { subsidyAt } from '../../../src/lib/bitcoin/subsidy.ts'
import * as tx from '../../../src/lib/bitcoin/tx.ts'
import { concat, fromHex, reversed, toHex, utf8 } from '../../../src/lib/bytes.ts'
import { blockHash } from '../../../src/lib/ids.ts'
import heights from '../../vectors/height-push.json' with { type: 'json' }
import blocks from '../../vectors/notify.json' with { type: 'json' }

const hash32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const uint32 = fc.integer({ min: 0, max: 0xffffffff })

test('SHA-256 gives the published digests of abc', () => {
  // FIPS 180-4, example 1, and the digest of that digest.
  const once = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  expect(toHex(sha256(utf8('abc')))).toBe(once)
  expect(toHex(sha256d(utf8('abc')))).toBe(toHex(sha256(fromHex(once))))
})

describe('a header', () => {
  for (const each of blocks.valid)
    test(`of block ${each.block} has its hash`, () => {
      const header = buildHeader({
        version: Number.parseInt(each.version, 16),
        previousBlock: blockHash(each.previousBlock),
        merkleRoot: reversed(fromHex(each.merkleRoot)),
        time: Number.parseInt(each.time, 16),
        bits: Number.parseInt(each.bits, 16),
        nonce: Number.parseInt(each.nonce, 16),
      })
      expect(headerHash(header)).toBe(each.hash)
    })

  test('is read back as it was built, wherever it lies in a buffer', () =>
    fc.assert(
      fc.property(hash32, hash32, uint32, uint32, uint32, uint32, (previous, root, ...numbers) => {
        const [version, time, bits, nonce] = numbers
        const previousBlock = blockHash(toHex(previous))
        const header = { version, previousBlock, merkleRoot: root, time, bits, nonce }
        const shifted = concat(Uint8Array.of(7), buildHeader(header)).subarray(1)
        expect(parseHeader(shifted)).toEqual(header)
      }),
    ))
})

describe('Merkle branches', () => {
  /** The whole tree, as Core's ComputeMerkleRoot describes it. */
  function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
    const [only] = leaves
    if (leaves.length <= 1) return only ?? new Uint8Array(32)
    const pairs = leaves.filter((_, index) => index % 2 === 0)
    return rootOf(pairs.map((left, i) => sha256d(concat(left, leaves[2 * i + 1] ?? left))))
  }

  test('give the root of the whole tree for any number of transactions', () =>
    fc.assert(
      fc.property(hash32, fc.array(hash32, { maxLength: 40 }), (coinbase, txids) => {
        const root = merkleRoot(coinbase, coinbaseBranches(txids))
        expect(toHex(root)).toBe(toHex(rootOf([coinbase, ...txids])))
      }),
    ))

  test('are none for a block of the coinbase alone', () => expect(coinbaseBranches([])).toEqual([]))
})

describe('the height that a coinbase begins with', () => {
  for (const { height, script } of heights.valid)
    test(`is ${script} for ${height}`, () => {
      expect(toHex(pushHeight(height))).toBe(script)
      const read = readHeightPush(fromHex(`${script}0c0c`))
      expect(read).toEqual({ height, length: script.length / 2 })
    })
  for (const { script, reason } of heights.invalid)
    test(`is not '${script}': ${reason}`, () => expect(readHeightPush(fromHex(script))).toBeNull())

  test('is read back for any height', () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), height => {
        expect(readHeightPush(pushHeight(height))?.height).toBe(height)
      }),
    ))
})

test('a witness commitment is the script of BIP 141', () =>
  expect(toHex(witnessCommitmentScript(new Uint8Array(32).fill(5)))).toBe(
    `6a24aa21a9ed${'05'.repeat(32)}`,
  ))

describe('a compact size', () => {
  test('takes one, three or five bytes', () => {
    const texts = [0, 252, 253, 65535, 65536, 4294967295].map(n => toHex(tx.compactSize(n)))
    expect(texts).toEqual(['00', 'fc', 'fdfd00', 'fdffff', 'fe00000100', 'feffffffff'])
  })
  test('is read back, and not from bytes that are too short', () =>
    fc.assert(
      fc.property(uint32, n => {
        const bytes = tx.compactSize(n)
        expect(tx.readCompactSize(bytes)).toEqual({ n, length: bytes.length })
        expect(tx.readCompactSize(bytes.subarray(0, -1))).toBeNull()
      }),
    ))
})

describe('a coinbase transaction', () => {
  const [block1] = blocks.valid
  const bare = fromHex(
    `${block1?.coinbase1}${block1?.extranonce1}${block1?.extranonce2}${block1?.coinbase2}`,
  )

  test('with its witness still has its outputs and its script', () => {
    const whole = tx.withCoinbaseWitness(bare)
    expect(whole.length).toBe(bare.length + tx.COINBASE_WITNESS_BYTES)
    expect(tx.parseCoinbase(whole)).toEqual(tx.parseCoinbase(bare))
    expect(tx.parseCoinbase(bare)?.outputs[0]?.value).toBe(5_000_000_000n)
  })

  test('is found in a raw block', () => {
    const packed = tx.packTransactions([bare, bare])
    const block = tx.assembleBlockBytes(new Uint8Array(80), bare, packed)
    expect(toHex(block.subarray(80, 81))).toBe('03')
    expect(block.length).toBe(80 + 1 + 3 * bare.length)
    expect(tx.coinbaseOfBlock(block)).toEqual(bare)
  })

  test('is not seen in bytes cut off, too long, or of another transaction', () => {
    const spend = bare.slice()
    spend[10] = 1 // Its input now names a transaction.
    for (const bytes of [bare.subarray(0, -1), concat(bare, Uint8Array.of(0)), spend])
      expect(tx.parseCoinbase(bytes)).toBeNull()
    expect(tx.coinbaseOfBlock(new Uint8Array(80))).toBeNull()
    expect(tx.coinbaseOfBlock(new Uint8Array(90).fill(9))).toBeNull()
  })

  test('its displayed id is its hash reversed', () =>
    expect(displayHash(sha256d(bare))).toBe(block1?.coinbaseTxid))
})

describe('the subsidy', () => {
  test('halves and ends as Core has it', () => {
    const at = (height: number) => subsidyAt(height, 210_000)
    const heights = [0, 209_999, 210_000, 840_000, 210_000 * 33 - 1, 210_000 * 33, 210_000 * 64]
    const expected = [5_000_000_000n, 5_000_000_000n, 2_500_000_000n, 312_500_000n, 1n, 0n, 0n]
    expect(heights.map(at)).toEqual(expected)
  })
  test('of all blocks sums to what Core knows', () => {
    // Bitcoin Core, src/test/validation_tests.cpp, subsidy_limit_test: each 1000th block.
    let sum = 0n
    for (let height = 0; height < 14_000_000; height += 1000)
      sum += subsidyAt(height, 210_000) * 1000n
    expect(sum).toBe(2_099_999_997_690_000n)
  })
})
