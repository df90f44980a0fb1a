import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHeaderHash } from '../../src/devnet/header-hash.ts'
import {
  headerFor,
  parseNotify,
  spreadOver,
  targetFromDifficulty,
  type Work,
} from '../../src/devnet/stratum-work.ts'
import { fromHex, reversed, toHex } from '../../src/lib/bytes.ts'

const hash = await createHeaderHash()

/** Blocks of the main chain as a pool would have given them out. */
const BLOCKS = [
  {
    height: 1,
    previousBlock: '0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000',
    coinbase2:
      'ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be6' +
      '3c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000',
    branches: [],
    extranonce2: '04',
    time: '4966bc61',
    nonce: '9962e301',
    hash: '00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048',
  },
  {
    height: 170,
    previousBlock: '0a84bd55d08a7978683f85da183d4f97dbd12b3e1f2c846a2a22cfee00000000',
    coinbase2:
      'ffffffff0100f2052a01000000434104d46c4968bde02899d2aa0963367c7a6ce34eec332b32e42e5f3407e052d6' +
      '4ac625da6f0718e7b302140434bd725706957c092db53805b821a85b23a7ac61725bac00000000',
    branches: ['169e1e83e930853391bc6f35f605c6754cfead57cf8387639d3b4096c54f18f4'],
    extranonce2: '02',
    time: '496ab951',
    nonce: '709e3e28',
    hash: '00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee',
  },
]
const COINBASE1 = `01000000010${'0'.repeat(63)}ffffffff0704ffff001d`

function notifyFor(block: (typeof BLOCKS)[number]): unknown[] {
  const { previousBlock, coinbase2, branches, time } = block
  return ['j', previousBlock, COINBASE1, coinbase2, branches, '00000001', '1d00ffff', time, true]
}

function parsed(params: unknown): Work {
  const work = parseNotify(params)
  if (work === null) throw new Error('the vector is no job')
  return work
}

for (const block of BLOCKS)
  test(`the job and the choice of block ${block.height} hash to that block`, () => {
    const choice = {
      extranonce1: fromHex('01'),
      extranonce2: fromHex(block.extranonce2),
      version: 1,
      time: Number.parseInt(block.time, 16),
      nonce: Number.parseInt(block.nonce, 16),
    }
    const header = headerFor(parsed(notifyFor(block)), choice, hash)
    expect(toHex(reversed(hash(header)))).toBe(block.hash)
  })

const [first] = BLOCKS
const good = first ? notifyFor(first) : []
const BAD_JOBS: readonly (readonly [string, unknown])[] = [
  ['no parameters', undefined],
  ['too few', good.slice(0, 8)],
  ['a short previous block', good.with(1, 'ab')],
  ['odd hex', good.with(2, 'abc')],
  ['branches that are none', good.with(4, ['00'])],
  ['more branches than a tree can have', good.with(4, Array(33).fill('00'.repeat(32)))],
  ['a version that is a number', good.with(5, 1)],
]

for (const [what, params] of BAD_JOBS)
  test(`${what} is no job`, () => expect(parseNotify(params)).toBeNull())

const TARGETS: readonly (readonly [number, string])[] = [
  [1, '00000000ffff0'],
  [2, '000000007fff80'],
  [1000, '00000000004188f5c28f5c28'],
  [16384, '000000000003fffc0'],
  [0.001, '000003e7fc1'],
  [2 ** -16, '0000ffff0'],
  [2 ** -33, 'ffffffffffff'],
]

for (const [difficulty, start] of TARGETS)
  test(`difficulty ${difficulty} has the target ${start}…`, () => {
    const hex = targetFromDifficulty(difficulty).toString(16).padStart(64, '0')
    expect(hex.slice(0, start.length)).toBe(start)
  })

test('a harder difficulty never has an easier target', () => {
  const difficulty = fc.double({ min: 1e-12, max: 1e30, noNaN: true })
  fc.assert(
    fc.property(difficulty, difficulty, (a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)]
      expect(targetFromDifficulty(high) <= targetFromDifficulty(low)).toBe(true)
    }),
  )
})

test('rolled bits stay inside the mask, and each counter has its own', () => {
  const uint32 = fc.integer({ min: 0, max: 0xffffffff })
  fc.assert(
    fc.property(uint32, fc.nat(65535), fc.nat(65535), (mask, a, b) => {
      const [bitsA, bitsB] = [spreadOver(mask, a), spreadOver(mask, b)]
      expect((bitsA & ~mask) >>> 0).toBe(0)
      const width = mask.toString(2).replaceAll('0', '').length
      const same = (a ^ b) % 2 ** Math.min(width, 16) === 0
      expect(bitsA === bitsB).toBe(same)
    }),
  )
  expect(spreadOver(0x1fffe000, 0xffff)).toBe(0x1fffe000)
  expect(spreadOver(0x1fffe000, 1)).toBe(0x00002000)
})
