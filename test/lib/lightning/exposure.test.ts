import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exposureOf, type OnTheWay } from '../../../src/lib/lightning/exposure.ts'
import { sats } from '../../../src/lib/money.ts'
import { writeInvoice } from '../../support/invoice.ts'

const payment = (destination: string, amount: bigint, node = 'a'): OnTheWay => ({
  ...{ destination, amount: sats(amount), payeeKey: `02${node.repeat(64)}` },
})
const many = (count: number, amount = 1n, node?: string) =>
  Array.from({ length: count }, (_, at) => payment(`m${at}@big.example`, amount, node))

const ANN = 'ann@pay.example.org'
const INVOICE = writeInvoice()
const [DESTINATION, DOMAIN, NODE] = ['this destination', 'its domain', 'its node'].map(
  whom => `too much is on its way to ${whom}`,
)

const CASES: readonly (readonly [string, OnTheWay, readonly OnTheWay[], string | undefined])[] = [
  ['the largest amount by itself', payment(ANN, 5_000_000n), [], 'room'],
  ['a satoshi more', payment(ANN, 5_000_001n), [], DESTINATION],
  [
    'what is left of it',
    payment(ANN, 2_000_000n),
    [payment(ANN, 1_000_000n), payment(ANN, 2_000_000n)],
    'room',
  ],
  [
    'a satoshi more than is left',
    payment(ANN, 2_000_001n),
    [payment(ANN, 1_000_000n), payment(ANN, 2_000_000n)],
    DESTINATION,
  ],
  ['a third payment', payment(ANN, 1n), [payment(ANN, 1n), payment(ANN, 1n)], 'room'],
  ['a fourth', payment(ANN, 1n), [1n, 1n, 1n].map(each => payment(ANN, each)), DESTINATION],
  [
    'a payment to another of its domain',
    payment('zoe@big.example', 5_000_000n, 'b'),
    many(5, 3_000_000n),
    'room',
  ],
  [
    'a satoshi more to another of its domain',
    payment('zoe@big.example', 5_000_000n, 'b'),
    [...many(5, 3_000_000n), payment('eve@big.example', 1n)],
    DOMAIN,
  ],
  ['the hundredth of a domain', payment('zoe@big.example', 1n, 'b'), many(99), 'room'],
  ['the next of a domain', payment('zoe@big.example', 1n, 'b'), many(100), DOMAIN],
  ['another domain, by the same node', payment(ANN, 1n), many(4, 5_000_000n), NODE],
  ['another domain and node', payment(ANN, 1n, 'b'), many(100, 200_000n), 'room'],
  // An invoice has no domain, so that no two are of one; its node it has.
  ['an invoice beside an invoice', payment(INVOICE, 1n, 'b'), many(4, 5_000_000n), 'room'],
  ['an invoice of a node that is full', payment(INVOICE, 1n), many(4, 5_000_000n), NODE],
]
test.each(CASES)('%s', (_, next, others, answer) => {
  const exposure = exposureOf(next, others)
  expect(exposure.kind === 'room' ? 'room' : exposure.reason).toBe(answer)
})

describe('who takes the room', () => {
  test('are named, and nobody else', () => {
    const own = [payment(ANN, 3_000_000n), payment(ANN, 1_000_000n, 'c')]
    expect(exposureOf(payment(ANN, 2_000_000n), [...own, ...many(3)])).toMatchObject({
      rivals: own,
    })
  })

  test('are all, where a thousand are on their way', () => {
    const others = Array.from({ length: 1000 }, (_, at) => payment(`a@d${at}.example`, 1n, 'b'))
    expect(exposureOf(payment(ANN, 1n), others)).toMatchObject({
      ...{ reason: 'too much is on its way in all', rivals: others },
    })
    expect(exposureOf(payment(ANN, 1n), others.slice(1)).kind).toBe('room')
  })
})

const anyPayment = fc.record({
  destination: fc.constantFrom(ANN, 'ben@pay.example.org', 'ann@big.example', INVOICE),
  payeeKey: fc.constantFrom('02aa', '02bb'),
  amount: fc.bigInt({ min: 1n, max: 6_000_000n }).map(sats),
})
test('however payments follow each other, no group has more than its bound on the way', () => {
  fc.assert(
    fc.property(fc.array(anyPayment, { maxLength: 60 }), payments => {
      const sent: OnTheWay[] = []
      for (const next of payments) if (exposureOf(next, sent).kind === 'room') sent.push(next)
      const total = (some: readonly OnTheWay[]) => some.reduce((sum, each) => sum + each.amount, 0n)
      const groups = (key: (each: OnTheWay) => string) => [...Map.groupBy(sent, key).values()]
      for (const group of groups(({ destination }) => destination)) {
        expect(total(group) <= 5_000_000n).toBe(true)
        expect(group.length).toBeLessThanOrEqual(3)
      }
      const domains = groups(({ destination }) => destination.split('@')[1] ?? destination)
      for (const group of [...domains, ...groups(({ payeeKey }) => payeeKey)])
        expect(total(group) <= 20_000_000n).toBe(true)
    }),
  )
})
