import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseBolt11 } from '../../../src/lib/lightning/bolt11.ts'
import { bytes, INVOICE_PAYEE, numberWords, writeInvoice } from '../../support/invoice.ts'
import vectors from '../../vectors/bolt11.json' with { type: 'json' }
import wallets from '../../vectors/bolt11-wallets.json' with { type: 'json' }

const OTHER_HASH = 'ff'.repeat(32)

function read(text: string) {
  const outcome = parseBolt11(text)
  if (outcome.kind === 'refused') throw new Error(outcome.reason)
  return outcome.invoice
}

function complaint(text: string): string | null {
  const outcome = parseBolt11(text)
  return outcome.kind === 'refused' ? outcome.reason : null
}

type Vector = Omit<(typeof vectors.valid)[number], 'amountMsat'> & {
  readonly amountMsat: string | null
}

/** What is read of a vector, whose words are its own. */
function written(vector: Vector) {
  const { name: _name, invoice, amountMsat, createdAtSeconds, expirySeconds, ...same } = vector
  return {
    ...same,
    text: invoice.toLowerCase(),
    amount: amountMsat === null ? null : BigInt(amountMsat),
    createdAt: 1000 * createdAtSeconds,
    expiresAt: 1000 * (createdAtSeconds + expirySeconds),
  }
}

describe('the published examples', () => {
  for (const vector of vectors.valid)
    test(`are read: ${vector.name}`, () => expect(read(vector.invoice)).toEqual(written(vector)))

  for (const { name, invoice, reason } of vectors.invalid)
    test(`are refused: ${name}`, () => expect(complaint(invoice)).toContain(reason))
})

describe('what other implementations make', () => {
  for (const { source: _source, ...vector } of wallets.valid)
    test(`is read: ${vector.name}`, () => expect(read(vector.invoice)).toEqual(written(vector)))
})

describe('an invoice', () => {
  test('is read as it was written', () => {
    const hints = [[40, 144], [65_535]]
    const invoice = read(
      writeInvoice({ prefix: 'lntbs25n', hints, cltvBlocks: 600, expirySeconds: 90 }),
    )
    expect(invoice).toMatchObject({
      ...{ network: 'signet', amount: 2500n, routeHints: hints, minFinalCltvBlocks: 600 },
      ...{ payee: INVOICE_PAYEE, expiresAt: invoice.createdAt + 90_000 },
    })
  })

  test('counts by the first field of a kind, as lnd reads it', () => {
    const twice = read(
      writeInvoice({
        last: [
          ['p', bytes(OTHER_HASH)],
          ['x', numberWords(7)],
        ],
      }),
    )
    expect(twice).toEqual({ ...read(writeInvoice()), text: twice.text })
    expect(read(writeInvoice({ first: [['p', bytes(OTHER_HASH)]] })).paymentHash).toBe(OTHER_HASH)
  })

  test('is refused where a payer that knows it not must not pay', () => {
    // Bit 30: an invoice that can be paid again and again.
    const again = writeInvoice({ first: [['9', [1, 0, 0, 2, 16, 8, 0]]] })
    expect(complaint(again)).toContain('(30)')
  })

  for (const [prefix, what] of [
    ['lnbcrt', 'no amount'],
    ['lnbcrt0u', 'nothing'],
    ['lnbcrt010u', 'a leading zero'],
    ['lnbcrt25p', 'half a millisat'],
    ['lnbcrt22000000', 'more than all bitcoin'],
    ['lnltc10u', 'another coin'],
    ['lnbcrt10k', 'an unknown letter'],
  ] as const)
    test(`for ${what} is refused, or has no amount`, () => {
      const text = writeInvoice({ prefix })
      if (prefix === 'lnbcrt') expect(read(text).amount).toBeNull()
      else expect(complaint(text)).toContain('begins')
    })

  test('is refused where it lasts longer than lnd can count', () => {
    const lasting = (expirySeconds: number) => complaint(writeInvoice({ expirySeconds }))
    expect(lasting(9_223_372_036)).toBeNull()
    expect(lasting(9_223_372_037)).toBe('it lasts for centuries')
  })
  test('is refused where it names another payee than the one that signed it', () => {
    const named = (key: string) => writeInvoice({ first: [['n', bytes(key)]] })
    expect(read(named(INVOICE_PAYEE)).payee).toBe(INVOICE_PAYEE)
    const stranger = '029e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255'
    expect(complaint(named(stranger))).toContain('signature')
  })

  test('keeps the words of its payee as they are, and makes nothing of them', () => {
    const description = '<script>alert(1)</script>\u0000\u202e'
    expect(read(writeInvoice({ description })).description).toBe(description)
  })

  test('is refused once any character of it is another', () => {
    const text = writeInvoice()
    const flip = fc.tuple(fc.nat(text.length - 1), fc.constantFrom(...'qpzry9x8gf2tvdw0s3jn'))
    fc.assert(
      fc.property(flip, ([at, char]) => {
        fc.pre(text[at] !== char)
        return complaint(text.slice(0, at) + char + text.slice(at + 1)) !== null
      }),
    )
  })

  test('that makes no sense throws nothing', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), text => void parseBolt11(text)))
    const fields = fc.array(fc.tuple(fc.constantFrom(...'p9sdhxcrnf2'), fc.array(fc.nat(31))))
    fc.assert(fc.property(fields, last => void parseBolt11(writeInvoice({ last }))))
    expect(complaint(`lnbc1${'q'.repeat(8000)}`)).toContain('too long')
  })
})
