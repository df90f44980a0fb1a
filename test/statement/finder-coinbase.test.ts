import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dustLimit } from '../../src/lib/bitcoin/address.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import {
  checkWork,
  coinbaseFee,
  decodeWork,
  encodeWork,
  type WorkStatement,
} from '../../src/statement/index.ts'
import { workWithShares } from './arbitrary.ts'

const FEES: readonly (readonly [whole: bigint, basisPoints: number, fee: bigint])[] = [
  [312_500_000n, 0, 0n],
  [312_500_000n, 200, 6_250_000n],
  [312_500_049n, 200, 6_250_000n],
  [312_500_050n, 200, 6_250_001n],
  // Below 546 satoshis it is left to the finder.
  [54_599n, 100, 0n],
  [54_600n, 100, 546n],
  [0n, 9999, 0n],
  [1_000_000n, 9999, 999_900n],
]

for (const [whole, basisPoints, fee] of FEES)
  test(`of ${whole} satoshis at ${basisPoints} basis points the coinbase pays the pool ${fee}`, () =>
    expect(coinbaseFee(sats(whole), basisPoints)).toBe(fee))

test('a fee is no dust to any kind of address, and never more than was promised', () => {
  const scripts = [
    `76a914${'11'.repeat(20)}88ac`,
    `a914${'11'.repeat(20)}87`,
    `0014${'11'.repeat(20)}`,
    `0020${'11'.repeat(32)}`,
    `5120${'11'.repeat(32)}`,
  ].map(fromHex)
  const least = scripts.map(script => dustLimit(script, sats(3000n)))
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 12n }),
      fc.integer({ min: 0, max: 9999 }),
      (whole, basisPoints) => {
        const fee = coinbaseFee(sats(whole), basisPoints)
        expect(fee * 10_000n <= whole * BigInt(basisPoints)).toBe(true)
        expect(fee === 0n || least.every(limit => fee >= limit)).toBe(true)
      },
    ),
  )
})

/** Statements with a block that paid its finder. */
const withPaid = workWithShares.filter(
  ({ statement }) => (statement.blocks[0]?.paid?.amount ?? 0n) > 0n,
)

function changed(
  statement: WorkStatement,
  change: (block: WorkStatement['blocks'][number]) => object,
): WorkStatement {
  const blocks = statement.blocks.map(block => ({ ...block, ...change(block) }))
  return { ...statement, blocks }
}

test('a satoshi taken from the finder for the pool, and another finder, is complained of', () =>
  fc.assert(
    fc.property(withPaid, ({ statement }) => {
      expect(checkWork(statement)).toEqual([])
      const more = changed(statement, ({ value, paid }) => {
        const amount = sats((paid?.amount ?? 0n) - 1n)
        return { value: sats(value + 1n), paid: { ...paid, amount } }
      })
      expect(checkWork(more)).toEqual(['blocks[0].paid: not what the fee leaves of the whole'])
      const nobody = changed(statement, () => ({ finder: null }))
      expect(checkWork(nobody)).toEqual(['blocks[0].paid: nobody is the finder'])
      const other = changed(statement, ({ paid }) => ({ paid: { ...paid, payee: 'another' } }))
      const [line] = statement.lines.filter(each => each.account === statement.blocks[0]?.finder)
      expect(checkWork(other)).toEqual(line ? ["blocks[0].paid: not the finder's address"] : [])
    }),
  ))

test('a statement of no such block says nothing of it, and null is no other spelling', () =>
  fc.assert(
    fc.property(workWithShares, ({ statement }) => {
      const text = new TextDecoder().decode(encodeWork(statement))
      expect(text.includes('"paid"')).toBe(statement.blocks.some(({ paid }) => paid !== null))
      const spelled = utf8(text.replace(/,"rewardPool":("[^"]+"),"valueSats"/, ',"paid":null$&'))
      if (statement.blocks.length > 0) expect(decodeWork(spelled).kind).toBe('malformed')
    }),
  ))
