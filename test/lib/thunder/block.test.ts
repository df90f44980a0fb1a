import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/lib/bytes.ts'
import { sats } from '../../../src/lib/money.ts'
import { criticalHash, headerBytes, thunderMerkleRoot } from '../../../src/lib/thunder/block.ts'
import { blockJson } from '../../../src/lib/thunder/json.ts'
import { thunderTxid, transactionBytes } from '../../../src/lib/thunder/transaction.ts'
import recorded from '../../vectors/thunder/side-blocks.json' with { type: 'json' }

describe('a recorded block of Thunder', () => {
  for (const { contains, block, critical_hash, fees_sats, checked } of recorded.blocks) {
    const { header, body } = blockJson.parse(block)
    const bytes = body.transactions.map(transactionBytes)

    test(`has its header's bytes and hash: ${contains}`, () => {
      expect(toHex(headerBytes(header))).toBe(checked.header_bytes)
      expect(criticalHash(header)).toBe(critical_hash)
    })

    test(`has its transactions, ids and Merkle root: ${contains}`, () => {
      expect(bytes.map(toHex)).toEqual(checked.transaction_bytes)
      expect(bytes.map(thunderTxid)).toEqual(checked.txids)
      const leaves = bytes.map((each, i) => ({
        bytes: each,
        fee: sats(BigInt(checked.transaction_fees[i] ?? 0)),
      }))
      expect(leaves.reduce((sum, { fee }) => sum + fee, 0n)).toBe(BigInt(fees_sats))
      expect(thunderMerkleRoot(body.coinbase, leaves)).toBe(header.merkleRoot)
    })

    if (bytes.length > 0)
      test(`has another root with one fee moved, added or left out: ${contains}`, () => {
        const fees = checked.transaction_fees.map(BigInt)
        const rootOf = (change: (fee: bigint, i: number) => bigint) =>
          thunderMerkleRoot(
            body.coinbase,
            bytes.map((each, i) => ({ bytes: each, fee: sats(change(fees[i] ?? 0n, i)) })),
          )
        expect(rootOf(fee => fee)).toBe(header.merkleRoot)
        expect(rootOf((fee, i) => (i === 0 ? fee + 1n : fee))).not.toBe(header.merkleRoot)
        expect(thunderMerkleRoot([], [])).not.toBe(header.merkleRoot)
      })
  }

  test('has another hash with another parent, side or main', () => {
    const block = recorded.blocks.at(-1)?.block
    const { header } = blockJson.parse(block)
    const hash = criticalHash(header)
    expect(criticalHash({ ...header, prevSideHash: null })).not.toBe(hash)
    expect(criticalHash({ ...header, prevSideHash: header.merkleRoot })).not.toBe(hash)
    expect(criticalHash({ ...header, roots: [] })).not.toBe(hash)
    expect(criticalHash({ ...header, roots: [...header.roots, 'empty'] })).not.toBe(hash)
  })

  test('writes an empty tree of the forest as zeros', () => {
    const { header } = blockJson.parse(recorded.blocks[0]?.block)
    const bytes = headerBytes({ ...header, roots: ['empty', fromHex('ab'.repeat(32))] })
    expect(toHex(bytes).endsWith(`02000000${'00'.repeat(32)}${'ab'.repeat(32)}`)).toBe(true)
    expect(() => headerBytes({ ...header, roots: ['placeholder'] })).toThrow('never a root')
  })
})
