import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/lib/bytes.ts'
import {
  addressPayload,
  bareAddress,
  depositForm,
  isBurnAddress,
  parseBareAddress,
  parseThunderAddress,
} from '../../../src/lib/thunder/address.ts'
import vectors from '../../vectors/thunder-address.json' with { type: 'json' }

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const BURN = '11111111111111111111'
const payloads = fc.uint8Array({ minLength: 20, maxLength: 20 })
const spendable = payloads.filter(payload => payload.some(byte => byte !== 0))

describe('a Thunder address', () => {
  for (const { payload, bare, deposit } of vectors.valid)
    test(`${bare} is read bare and in its deposit form, and written as both`, () => {
      const address = bareAddress(fromHex(payload))
      expect(address).toBe(bare)
      const read = { kind: 'thunder', address: bare, payload: fromHex(payload) }
      expect(parseThunderAddress(bare)).toEqual(read)
      expect(parseThunderAddress(deposit)).toEqual(read)
      expect(depositForm(address)).toBe(deposit)
    })

  for (const { text, reason, kind, says } of vectors.invalid)
    test(`'${text}' is ${kind}: ${reason}`, () => {
      const outcome = parseThunderAddress(text)
      expect(outcome.kind).toBe(kind)
      if (outcome.kind === 'refused') expect(outcome.reason).toContain(says)
    })

  test('has one text for its 20 bytes, and 20 bytes for its one text', () => {
    fc.assert(
      fc.property(payloads, payload => {
        const address = bareAddress(payload)
        expect(toHex(addressPayload(address))).toBe(toHex(payload))
        expect(parseBareAddress(address)).toBe(address)
        expect(parseBareAddress(`1${address}`)).toBeNull()
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 30 }), text => {
        const address = parseBareAddress(text)
        if (address !== null) expect(bareAddress(addressPayload(address))).toBe(text)
      }),
    )
  })

  test('in deposit form may have its checksum in capitals', () =>
    expect(parseThunderAddress('s9_8twUkpctzwgbjqi5o14qWjrD9uk_CA9565')).toMatchObject({
      kind: 'thunder',
      address: '8twUkpctzwgbjqi5o14qWjrD9uk',
    }))

  test('in deposit form with any one character changed is never another address', () => {
    const edit = fc.tuple(spendable, fc.nat(), fc.constantFrom(...ALPHABET, '0', '_', '/'))
    fc.assert(
      fc.property(edit, ([payload, at, character]) => {
        const address = bareAddress(payload)
        const text = depositForm(address)
        const place = at % text.length
        const typo = text.slice(0, place) + character + text.slice(place + 1)
        const outcome = parseThunderAddress(typo)
        if (outcome.kind === 'thunder') expect(outcome.address).toBe(address)
      }),
    )
  })

  test('in deposit form is never told its right checksum', () => {
    const wrong = parseThunderAddress('s9_8twUkpctzwgbjqi5o14qWjrD9uk_000000')
    expect(JSON.stringify(wrong)).not.toContain('ca9565')
  })
})

describe('what makes an address of the type that a deposit takes', () => {
  test('is one place, which makes it of 20 bytes', () => {
    const src = join(import.meta.dirname, '../../../src')
    const makers = readdirSync(src, { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.ts'))
      .flatMap(path =>
        [...readFileSync(join(src, path), 'utf8').matchAll(/\bas ThunderAddress\b/g)].map(
          () => path,
        ),
      )
    expect(makers).toEqual([join('lib', 'thunder', 'address.ts')])
  })

  test('refuses the deposit form, or makes the bare one of it', () => {
    fc.assert(
      fc.property(spendable, payload => {
        const bare = bareAddress(payload)
        const wrapped = depositForm(bare)
        expect(parseBareAddress(wrapped)).toBeNull()
        expect(parseThunderAddress(wrapped)).toMatchObject({ address: bare })
        expect(bare).not.toContain('_')
      }),
    )
    for (const { text } of vectors.invalid) expect(parseBareAddress(text) ?? BURN).toBe(BURN)
    expect(() => bareAddress(new Uint8Array(21))).toThrow('20 bytes')
  })

  test('tells the all-zero address, which only blocks have', () => {
    const burn = bareAddress(new Uint8Array(20))
    expect(burn).toBe(BURN)
    expect(depositForm(burn)).toBe('s9_11111111111111111111_9267ba')
    expect(isBurnAddress(burn)).toBe(true)
    fc.assert(fc.property(spendable, payload => !isBurnAddress(bareAddress(payload))))
  })
})
