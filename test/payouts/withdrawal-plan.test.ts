import fc from 'fast-check'
import { expect, test } from 'vitest'
import { withdrawalTransaction } from '../../src/lib/bitcoin/drivechain.ts'
import { txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { mainFeeAt, planWithdrawal } from '../../src/payouts/withdrawal-plan.ts'
import { THUNDER } from './chain-enforcer.ts'

const coin = (n: number, value: bigint) => ({
  ...{ txid: txid(n.toString(16).padStart(64, '0')), vout: 0, value: sats(value) },
  script: new Uint8Array(20),
})
const WISH = { amount: sats(30_000n), fee: sats(100n), mainFee: sats(300n) }

test('a main fee is what a bundle of one withdrawal costs at that rate', () => {
  const script = new Uint8Array(34)
  const payouts = [0n, 1n].map(value => ({ value, script }))
  const m6 = { version: 2, locktime: 0, treasury: 1n, payouts }
  const bytes = withdrawalTransaction(m6, { txid: txid('ab'.repeat(32)), vout: 0, ...THUNDER })
  expect(mainFeeAt(sats(1000n))).toBe(BigInt(bytes.length))
})

test.each<[string, readonly bigint[], Partial<typeof WISH>, readonly bigint[] | RegExp]>([
  ['one coin that leaves a satoshi', [30_401n], {}, [30_401n]],
  ['no change at all', [30_400n], {}, /do not pay/],
  ['the largest coins first', [10_000n, 25_000n, 20_000n], {}, [25_000n, 20_000n]],
  ['no coin', [], {}, /do not pay/],
  ['less than a hundred main fees', [50_000n], { amount: sats(29_999n) }, /not worth its main fee/],
  ['coins beyond what one batch signs for', Array(101).fill(303n), {}, /do not pay/],
])('%s', (_, values, wish, expected) => {
  const made = planWithdrawal(
    values.map((value, n) => coin(n, value)),
    { ...WISH, ...wish },
  )
  if (expected instanceof RegExp)
    expect(made).toMatchObject({ reason: expect.stringMatching(expected) })
  else
    expect(made).toMatchObject({
      plan: { coins: expected.map(value => ({ value })), feeMax: 400n, mainFee: 300n },
    })
})

test('whatever coins there are, a plan pays its amount and both fees, and no coin is too many', () => {
  const values = fc.array(fc.bigInt({ min: 1n, max: 40_000n }), { maxLength: 30 })
  fc.assert(
    fc.property(values, given => {
      const made = planWithdrawal(
        given.map((value, n) => coin(n, value)),
        WISH,
      )
      const needed = WISH.amount + WISH.fee + WISH.mainFee
      if (made.kind === 'nothing') {
        expect(given.reduce((sum, value) => sum + value, 0n)).toBeLessThanOrEqual(needed)
        return
      }
      const paid = made.plan.coins.map(({ value }) => value)
      const sum = paid.reduce((all, value) => all + value, 0n)
      expect(sum).toBeGreaterThan(needed)
      expect(sum - (paid.at(-1) ?? 0n)).toBeLessThanOrEqual(needed)
    }),
  )
})
