import { expect, test } from 'vitest'
import { kindsPaid, wrongSchemeReason } from '../../src/payouts/offer.ts'
import { railDestinations } from '../../src/payouts/rails/destinations.ts'

const BITCOIN = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
const THUNDER = '8twUkpctzwgbjqi5o14qWjrD9uk'
const rails = railDestinations('regtest')

test('a scheme pays the kinds that its rails pay, and no rail of another pool adds one', () => {
  expect(kindsPaid({ rails: ['l1'], finderFee: null })).toEqual(['bitcoin'])
  expect(kindsPaid({ rails: ['thunder', 'l1', 'thunder'], finderFee: null })).toEqual([
    'thunder',
    'bitcoin',
  ])
  expect(kindsPaid({ rails: ['liquid'], finderFee: null })).toEqual([])
})

test('a coinbase pays addresses of the main chain, whatever the rails', () => {
  const finderFee = { feeBasisPoints: 100, poolScript: Uint8Array.of(0x51) }
  expect(kindsPaid({ rails: ['thunder', 'l1'], finderFee })).toEqual(['bitcoin'])
})

test('every rail reads the addresses of the kind that it is said to pay, and no others', () => {
  for (const [rail, read] of rails) {
    const [kind, ...more] = kindsPaid({ rails: [rail], finderFee: null })
    expect(more).toEqual([])
    for (const [text, of] of [
      [BITCOIN, 'bitcoin'],
      [THUNDER, 'thunder'],
      [`s9_${THUNDER}_ca9565`, 'thunder'],
    ])
      expect(read(text ?? '').kind).toBe(of === kind ? 'payable' : 'unpayable')
  }
})

test('the rail of Thunder pays the bare address, and says what is wrong with another', () => {
  const read = (text: string) => rails.get('thunder')?.(text)
  const payable = { kind: 'payable', canonical: THUNDER, dust: 1n }
  for (const text of [THUNDER, `s9_${THUNDER}_ca9565`, `s9_${THUNDER}_CA9565`])
    expect(read(text)).toEqual(payable)
  expect(read(BITCOIN)).toEqual({ kind: 'unpayable', reason: 'not a Thunder address' })
  expect(read('11111111111111111111')).toMatchObject({
    reason: 'it is the all-zero address, which nobody can spend from',
  })
  expect(read(`s2_${THUNDER}_4baaee`)).toMatchObject({
    reason: 'it is for sidechain 2, and Thunder is sidechain 9',
  })
})

test('the rail of the main chain says of a Thunder address which it is', () => {
  const read = (text: string) => rails.get('l1')?.(text)
  for (const text of [THUNDER, `s9_${THUNDER}_ca9565`, `s9_${THUNDER}_000000`])
    expect(read(text)).toEqual({
      kind: 'unpayable',
      reason: 'a Thunder address is paid on Thunder only',
    })
  expect(read('nonsense')).toMatchObject({ reason: 'not an address' })
})

test('a refusal names the first port of at most three schemes, or that there is none', () => {
  const thunder = { payeeKind: 'thunder', destination: THUNDER } as const
  const l1 = { scheme: 'pplns', ports: [3333], rails: ['l1'], finderFee: null }
  const side = (n: number) => ({
    scheme: `side-${n}`,
    ports: [n, 99],
    rails: ['l1', 'thunder'],
    finderFee: null,
  })
  expect(wrongSchemeReason(thunder, l1, [l1])).toBe(
    `'${THUNDER}' is a Thunder address, and pplns pays by l1: no port of this pool pays those`,
  )
  expect(wrongSchemeReason(thunder, l1, [l1, side(1)])).toMatch(/: connect to port 1 \(side-1\)$/)
  expect(wrongSchemeReason(thunder, l1, [l1, side(1), side(2), side(3), side(4)])).toMatch(
    /: connect to port 1 \(side-1\) or 2 \(side-2\) or 3 \(side-3\)$/,
  )
  expect(() => wrongSchemeReason(thunder, side(1), [l1])).toThrow('cannot pay')
})
